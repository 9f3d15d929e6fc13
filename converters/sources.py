"""What the user hands in: found, told apart by contents, and refused with what to do instead.

Nothing here unpickles or runs anything: suffixes, first bytes and the names inside zip archives are enough.
"""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

from converters import frameworks
from harness.errors import SourceError
from harness.records import Format, ModelSource, Record

FORMATS: dict[str, Format] = {
    ".py": "python",
    ".pt2": "pt2",
    ".keras": "keras",
    ".h5": "keras",
    ".hdf5": "keras",
    ".tflite": "tflite",
    ".pte": "pte",
}

_LOADER = (
    "write a Python file with get_model(), which builds the network and loads these weights with "
    "torch.load(path, weights_only=True), and get_args(), and name that file"
)
_EXPORT = "save it with torch.export.save(torch.export.export(model.eval(), args), 'model.pt2') and name that file"
# Suffix -> what such a file is, and what to do instead.
_REFUSED: dict[str, tuple[str, str]] = {
    ".pt": ("holds bare weights or a pickled model", _LOADER),
    ".pth": ("holds bare weights or a pickled model", _LOADER),
    ".bin": ("holds bare weights", _LOADER),
    ".ckpt": ("holds bare weights", _LOADER),
    ".safetensors": ("holds bare weights", _LOADER.replace("torch.load(path, weights_only=True)", "safetensors")),
    ".pkl": ("is a pickle, which could run any code", _LOADER),
    ".pickle": ("is a pickle, which could run any code", _LOADER),
    ".jit": ("is a TorchScript archive, a graph of an earlier generation", _EXPORT),
    ".ptl": ("is a TorchScript archive, a graph of an earlier generation", _EXPORT),
    ".pb": ("is a TensorFlow graph", "name the SavedModel folder around it; of a frozen graph, make a float .tflite"),
    ".onnx": ("is an ONNX model", "name the PyTorch model that it was made from, or a .tflite or .pte made from it"),
}


class Located(Record, frozen=True, kw_only=True):
    """A source that exists and looks like what its suffix says; path is absolute."""

    path: str
    format: Format


def locate(source: ModelSource, root: Path) -> Located:
    """Find the source; relative paths start at `root`. Raises SourceError."""
    path = (root / Path(source.source).expanduser()).resolve()
    is_folder = path.is_dir()
    if not is_folder:
        _check_readable(path)
    for name in source.depends_on:
        if not (root / Path(name).expanduser()).exists():
            raise SourceError(f"model.depends_on names {name}, which is not there", remedy="correct or remove it")
    kind = _folder(path, source.source) if is_folder else FORMATS.get(path.suffix.lower())
    if kind is None:
        raise _refusal(path)
    _CHECKS[kind](path)
    kind = frameworks.of_python(path) if kind == "python" else kind
    if source.dynamic_batch and kind not in frameworks.KERAS_FORMATS:
        raise SourceError(
            f"model.dynamic_batch is for Keras and TensorFlow models, {path.name} is none",
            remedy="remove it; builds of a torch model take the batch of get_args()",
        )
    return Located(path=str(path), format=kind)


def _folder(path: Path, given: str) -> Format:
    if (path / "saved_model.pb").is_file():
        return "savedmodel"
    raise SourceError(f"{given} is a folder", remedy="name the model's file inside it, or a SavedModel folder")


def _check_readable(path: Path) -> None:
    try:
        with open(path, "rb") as file:
            empty = not file.read(1)
    except FileNotFoundError as error:
        raise SourceError(f"there is no file {path}", remedy="correct `model` in bench.yaml") from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}", remedy="check its permissions") from error
    if empty:
        raise SourceError(f"{path.name} is empty (0 bytes)", remedy="write or download it again")


def _refusal(path: Path) -> SourceError:
    names = _archive_names(path)
    suffix = path.suffix.lower()
    if _is_torchscript(names):
        what, remedy = _REFUSED[".jit"]
    elif _is_exported(names):
        what, remedy = "is an ExportedProgram under another suffix", f"rename it to {path.stem}.pt2"
    elif suffix in _REFUSED:
        what, remedy = _REFUSED[suffix]
    elif "data.pkl" in names or _head(path, 2)[:1] == b"\x80":
        what, remedy = _REFUSED[".pkl"]
    else:
        what = f"has the unknown suffix `{path.suffix}`" if path.suffix else "has no suffix"
        remedy = f"name a file that ends in {', '.join(FORMATS)}"
    return SourceError(f"{path.name} {what}", remedy=remedy)


def _check_exported(path: Path) -> None:
    names = _archive_names(path)
    if _is_torchscript(names):
        what, remedy = _REFUSED[".jit"]
        raise SourceError(f"{path.name} {what}", remedy=remedy)
    if not names:
        raise SourceError(f"{path.name} is not a whole .pt2 archive: truncated, or another format", remedy=_EXPORT)
    if not _is_exported(names):
        raise SourceError(f"{path.name} is an archive, but holds no ExportedProgram of this generation", remedy=_EXPORT)


def _check_tflite(path: Path) -> None:
    if _head(path, 8)[4:] != b"TFL3":
        raise SourceError(f"{path.name} is not a TFLite model (its bytes 4 to 7 are not `TFL3`)", remedy=_AGAIN)


def _check_pte(path: Path) -> None:
    """The header behind the magic says how long the file must be."""
    head = _head(path, 40)
    if head[4:6] != b"ET":
        raise SourceError(f"{path.name} is not an ExecuTorch program (its bytes 4 and 5 are not `ET`)", remedy=_AGAIN)
    if head[8:12] != b"eh00" or len(head) < 32:
        return  # without the extended header there is nothing to check here; the runtime has the last word
    header_length, program_size, segments_at = struct.unpack_from("<IQQ", head, 12)
    segments_size = struct.unpack_from("<Q", head, 32)[0] if header_length >= 32 and len(head) >= 40 else 0
    expected = max(program_size, segments_at + segments_size)
    actual = path.stat().st_size
    if actual < expected:
        raise SourceError(f"{path.name} is truncated: {actual} of {expected} bytes", remedy=_AGAIN)


def _check_keras(path: Path) -> None:
    """A zip archive, or HDF5 by its first bytes; what is inside, the child looks at."""
    if not zipfile.is_zipfile(path) and _head(path, 8) != b"\x89HDF\r\n\x1a\n":
        raise SourceError(f"{path.name} is not a Keras model: neither an archive nor HDF5", remedy=_AGAIN)


def _any_text(path: Path) -> None:
    """Python's own compiler says best what is wrong with a Python file."""


_AGAIN = "export it, or copy it, again"
_CHECKS = {
    "python": _any_text,
    "pt2": _check_exported,
    "keras": _check_keras,
    "savedmodel": _any_text,
    "tflite": _check_tflite,
    "pte": _check_pte,
}


def _head(path: Path, count: int) -> bytes:
    with open(path, "rb") as file:
        return file.read(count)


def _archive_names(path: Path) -> frozenset[str]:
    """Names inside a zip archive without the folder that torch puts around them; empty when it is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return frozenset()
    return frozenset(name.partition("/")[2] or name for name in names)


def _is_torchscript(names: frozenset[str]) -> bool:
    return "constants.pkl" in names and any(name.startswith("code/") for name in names)


def _is_exported(names: frozenset[str]) -> bool:
    return "archive_format" in names and any(name.startswith("models/") for name in names)
