"""Which framework a Python source is written in, told from its imports without running or importing anything.

It is a first guess, which decides in which child process the file is run; what its get_model() returns has the last
word, and the child says `OtherFormat` when the guess was wrong.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from harness.errors import SourceError
from harness.records import Format

KERAS_FORMATS: tuple[Format, ...] = ("keras-python", "keras", "savedmodel")
PYTHON_FORMATS: tuple[Format, ...] = ("python", "keras-python")
_KERAS = {"keras", "tf_keras", "tensorflow"}


class OtherFormat(SourceError):
    """The source is a `format` after all."""

    def __init__(self, format_: Format) -> None:
        super().__init__(f"the source is a {format_}")
        self.format = format_


class Unopened(SourceError):
    """One generation of Keras cannot open the file; the other one may."""


def of_python(path: Path) -> Format:
    """keras-python where the file, or one beside it that it imports, imports Keras or TensorFlow."""
    return "keras-python" if _KERAS & set(_imported(path, set())) else "python"


def is_keras(model: object) -> bool:
    """Whether an object is a model of either Keras generation, none of which need be imported here."""
    return any(part.__module__.partition(".")[0] in ("keras", "tf_keras") for part in type(model).__mro__)


def is_torch(model: object) -> bool:
    return any(part.__module__.partition(".")[0] == "torch" for part in type(model).__mro__)


def _imported(path: Path, seen: set[Path]) -> Iterator[str]:
    """Top names of all modules that the file imports, and that files beside it import for it."""
    seen.add(path)
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return  # what is wrong with it is said where it is run
    for name in _names(tree):
        top = name.partition(".")[0]
        beside = [path.parent / f"{top}.py", path.parent / top / "__init__.py"]
        for file in filter(Path.is_file, beside):
            if file not in seen:
                yield from _imported(file, seen)
        yield top


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield from [node.module] if node.module else (alias.name for alias in node.names)
