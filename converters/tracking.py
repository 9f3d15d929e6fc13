"""Notes which files the user's code opens, lists and imports, so that the cache knows what a model depends on.

Python tells of every open() through its audit events (https://docs.python.org/3/library/audit_events.html). Compiled
code does not; for the safetensors reader, which is the usual case, a wrapper tells instead, and weight-like files
beside the source are watched anyway. Worker processes that the user's code forks write to the same notes.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import distribution, packages_distributions, version
from pathlib import Path
from types import FrameType
from typing import Any

_PACKAGES = tuple({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
_LIBRARY = tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")})
_OURS = tuple(str(Path(__file__).parent.parent / name) + os.sep for name in ("converters", "harness"))
_SYSTEM = ("/proc/", "/sys/", "/dev/", "/etc/", "/run/")
_OWN_EVENT = "pocketbench.open"
_EVENTS = ("open", "os.listdir", "os.scandir", _OWN_EVENT)
_GENERATED = "__autograph_generated_file"  # TensorFlow's translation of a function that it traces
_CODE_SUFFIXES = (".py", ".pyc", ".pyi", ".so")


class Tracker:
    """Notes while `watching()`; one at a time.

    ignore: the tool's own folder. The notes lie in an unnamed file that forked workers share; each line is
    `<what>\\t<path>`.
    """

    def __init__(self, ignore: Path) -> None:
        self._ignore = str(ignore) + os.sep
        self._notes = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the process
        self._seen: set[tuple[str, str]] = set()
        self._modules_before: set[str] = set()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Note what happens inside; modules that are already imported count as the tool's own."""
        _make_safetensors_tell()
        self._modules_before = self._modules_before or set(sys.modules)
        _ears.append(self.hear)
        try:
            yield
        finally:
            _ears.remove(self.hear)

    def opened(self) -> list[Path]:
        """Files that were opened, and not first written, by the user's code; missing ones too (it looked for them)."""
        written = set(self._noted("write"))
        return [Path(path) for path in self._noted("read") if path not in written and _is_data(path)]

    def listed(self) -> list[Path]:
        """Folders whose contents were listed."""
        return [Path(path) for path in self._noted("list") if _is_data(path) and Path(path).is_dir()]

    def code(self) -> list[Path]:
        """Imported Python files that belong neither to Python, nor to an installed distribution, nor to us."""
        files = {str(getattr(module, "__file__", "") or "") for module in list(sys.modules.values())}
        return [Path(path) for path in sorted(files) if path.endswith(".py") and _is_users_own(path)]

    def distributions(self) -> dict[str, str]:
        """Version of each distribution that the user's code brought in."""
        tops = {name.partition(".")[0] for name in set(sys.modules) - self._modules_before}
        owners = packages_distributions()
        names = {owner for top in tops for owner in owners.get(top, ())}
        return {name: version(name) for name in sorted(names) if not _is_bundled(name)}

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note one audit event."""
        if event in ("open", _OWN_EVENT):
            path, mode, flags = arguments
            if isinstance(path, (str, bytes, os.PathLike)):
                self._note("write" if _writes(mode, flags) else "read", path)
        elif arguments[0] is None or isinstance(arguments[0], (str, bytes, os.PathLike)):
            self._note("list", arguments[0] or ".")

    def _note(self, what: str, path: str | bytes | os.PathLike[Any]) -> None:
        note = (what, str(Path(os.fsdecode(path)).absolute()))
        if note not in self._seen and not note[1].startswith(self._ignore):
            self._seen.add(note)
            os.write(self._notes.fileno(), f"{what}\t{note[1]}\n".encode(errors="surrogateescape"))

    def _noted(self, what: str) -> list[str]:
        size = os.fstat(self._notes.fileno()).st_size
        lines = os.pread(self._notes.fileno(), size, 0).decode(errors="surrogateescape").splitlines()
        return sorted({line.partition("\t")[2] for line in lines if line.startswith(what + "\t")})


_ears: list[Callable[[str, tuple[Any, ...]], None]] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _ears and event in _EVENTS and not _is_import(sys._getframe()):
        _ears[-1](event, arguments)


sys.addaudithook(_hook)  # cannot be undone, so there is one per process and not one per Tracker


def _writes(mode: object, flags: object) -> bool:
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))


def _is_import(frame: FrameType | None) -> bool:
    """Python's import system opens and lists all that is on its path; what it imported is known without it."""
    caller = frame.f_back if frame is not None else None
    return caller is not None and caller.f_code.co_filename.startswith(("<frozen importlib", "<frozen zipimport"))


def _is_data(path: str) -> bool:
    """Weights and data count wherever they lie; code and metadata of distributions count by their version."""
    if path.startswith((*_SYSTEM, *_OURS)) or "__pycache__" in path:
        return False
    if path.startswith(_PACKAGES):
        return not path.endswith(_CODE_SUFFIXES) and ".dist-info" not in path and Path(path).is_file()
    return not path.startswith(_LIBRARY)


def _is_bundled(name: str) -> bool:
    """Carried by another distribution, which put it on this process's path; no other process finds it."""
    return "_vendor" in Path(str(distribution(name).locate_file(""))).parts


def _is_users_own(path: str) -> bool:
    if Path(path).name.startswith(_GENERATED):
        return False
    return not path.startswith((*_PACKAGES, *_LIBRARY, *_OURS)) and Path(path).is_file()


def _make_safetensors_tell() -> None:
    """Its reader is written in Rust and raises no audit event; this one does, then hands over."""
    try:
        import safetensors
    except ImportError:
        return  # then the user's code cannot read with it either
    original = safetensors.safe_open
    if getattr(original, "tells", False):
        return

    def safe_open(filename: Any, *arguments: Any, **options: Any) -> Any:
        sys.audit(_OWN_EVENT, filename, "r", 0)
        return original(filename, *arguments, **options)

    safe_open.tells = True  # type: ignore[attr-defined]
    safetensors.safe_open = safe_open  # type: ignore[misc, assignment]
