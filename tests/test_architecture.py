"""The arrows of the house, read from the imports: who may know whom, and what may be loaded early."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
ROOMS = ("converters", "device_runners", "reports")
FLOOR = {
    f"harness.{name}"
    for name in ("asked", "records", "errors", "stats", "steady", "energy", "paired", "process", "metrics")
}
# What a part of the floor may build on: only what lies below it.
BELOW = {
    "harness.asked": set(),
    "harness.records": {"harness.asked"},
    "harness.errors": set(),
    "harness.stats": {"harness.records", "harness.errors"},
    "harness.paired": {"harness.records", "harness.errors", "harness.stats"},
    "harness.process": {"harness.records", "harness.errors"},
    "harness.steady": {"harness.records", "harness.stats"},
    "harness.energy": {"harness.records", "harness.stats"},
    "harness.metrics": {f"harness.{name}" for name in ("records", "errors", "stats", "steady", "energy")},
}
ONLY_HERE: dict[str, set[str]] = {
    "subprocess": {"harness.process"},
    "multiprocessing": set(),
    "click": {"harness.cli", "harness.showing"},
    "rich": {"harness.cli", "harness.showing", "harness.progress", "reports"},
}
HEAVY = {"torch", "torchao", "executorch", "litert_torch", "ai_edge_litert", "ai_edge_quantizer", "tensorflow"}
HEAVY |= {"keras", "tf_keras", "h5py", "jax", "scipy", "pandas", "pyarrow"}
VAGUE = {"utils", "util", "common", "base", "manager", "helper", "helpers", "misc"}
MAX_LINES, MAX_FUNCTION_LINES = 300, 40
LONGER = {"harness.records": 460}  # the dictionary of the house: one page to read from top to bottom


@dataclass(frozen=True)
class Import:
    """One imported module; lazy when it stands inside a function or is for the type checker alone."""

    module: str
    lazy: bool
    line: int


@dataclass(frozen=True)
class Source:
    path: Path
    module: str
    tree: ast.Module

    @property
    def room(self) -> str:
        return self.module.partition(".")[0]

    def imports(self) -> Iterator[Import]:
        package = self.module if self.path.name == "__init__.py" else self.module.rpartition(".")[0]
        yield from _imports(self.tree, package, lazy=False)


def _imports(node: ast.AST, package: str, *, lazy: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, lazy, child.lineno) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from (Import(name, lazy, child.lineno) for name in _from(child, package))
        else:
            function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            typing_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            yield from _imports(child, package, lazy=lazy or function or typing_only)


def _from(node: ast.ImportFrom, package: str) -> list[str]:
    """`from a import b` may mean module a.b as well as a name in a: a.b is what the rules below look at."""
    parts = package.split(".")
    start = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
    module = ".".join(filter(None, (start, node.module)))
    return [f"{module}.{alias.name}" for alias in node.names]


def _sources() -> list[Source]:
    found = []
    for room in ("harness", *ROOMS):
        for path in sorted((PROJECT / room).rglob("*.py")):
            parts = path.relative_to(PROJECT).with_suffix("").parts
            module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found.append(Source(path, module, ast.parse(path.read_text(encoding="utf-8"))))
    return found


SOURCES = _sources()
RULES = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.module)


def _within(name: str, modules: set[str]) -> bool:
    """Whether `name` is one of the modules, or something inside one."""
    return any(name == module or name.startswith(module + ".") for module in modules)


def _faults(source: Source, bad: Iterator[Import]) -> list[str]:
    return [f"{source.path.relative_to(PROJECT)}:{found.line} imports {found.module}" for found in bad]


def test_all_four_rooms_are_read() -> None:
    assert {source.room for source in SOURCES} == {"harness", *ROOMS}


@pytest.mark.parametrize(
    ("text", "package", "expected"),
    [
        ("import a.b", "x", [("a.b", False)]),
        ("from a import b", "x", [("a.b", False)]),
        ("from . import b", "x.y", [("x.y.b", False)]),
        ("from ..b import c", "x.y", [("x.b.c", False)]),
        ("def f():\n    import torch", "x", [("torch", True)]),
        ("if TYPE_CHECKING:\n    import torch", "x", [("torch", True)]),
        ("try:\n    import torch\nexcept ImportError:\n    torch = None", "x", [("torch", False)]),
        ("class A:\n    import torch", "x", [("torch", False)]),
    ],
)
def test_imports_are_read_as_python_reads_them(text: str, package: str, expected: list[tuple[str, bool]]) -> None:
    assert [(found.module, found.lazy) for found in _imports(ast.parse(text), package, lazy=False)] == expected


@RULES
def test_no_arrow_runs_up(source: Source) -> None:
    ours = [found for found in source.imports() if _within(found.module, {"harness", *ROOMS})]
    if source.module in FLOOR:
        bad = [found for found in ours if not _within(found.module, BELOW[source.module])]
    elif source.room in ROOMS:
        bad = [found for found in ours if not _within(found.module, {source.room, *FLOOR})]
    else:
        bad = []
    assert not _faults(source, iter(bad))


def test_the_harness_package_itself_imports_nothing() -> None:
    (package,) = (source for source in SOURCES if source.module == "harness")
    assert not _faults(package, package.imports())


@RULES
def test_some_libraries_are_known_in_one_place_only(source: Source) -> None:
    bad = (
        found
        for found in source.imports()
        for library, places in ONLY_HERE.items()
        if _within(found.module, {library}) and not _within(source.module, places)
    )
    assert not _faults(source, bad)


@RULES
def test_reports_and_the_harness_never_import_a_heavy_library_at_the_top(source: Source) -> None:
    if source.room in ("harness", "reports"):
        heavy = (found for found in source.imports() if not found.lazy and _within(found.module, HEAVY))
        assert not _faults(source, heavy)


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import harness.cli", {*HEAVY, "numpy", "msgspec", "rich", "yaml", "jinja2"}),
        ("import harness.pipeline, harness.commands, harness.experiment", HEAVY),
        ("import converters, converters.recipes", {*HEAVY, "numpy"}),
        ("import device_runners, device_runners.host, device_runners.wire", {*HEAVY, "numpy"}),
        ("import reports", {*HEAVY, "rich"}),
    ],
)
def test_what_the_command_line_loads_stays_light(statement: str, unwanted: set[str]) -> None:
    program = f"import sys; {statement}; print(*sorted({unwanted!r} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.split() == []


@RULES
def test_file_names_say_what_is_inside(source: Source) -> None:
    vague = VAGUE | {f"{word}s" for word in VAGUE}
    assert not vague & set(source.path.relative_to(PROJECT).with_suffix("").parts)


@RULES
def test_files_and_functions_stay_small_enough_to_read(source: Source) -> None:
    lines = source.path.read_text(encoding="utf-8").count("\n")
    assert lines <= LONGER.get(source.module, MAX_LINES)
    functions = (node for node in ast.walk(source.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    long = [node.name for node in functions if (node.end_lineno or 0) - node.lineno + 1 > MAX_FUNCTION_LINES]
    assert not long
