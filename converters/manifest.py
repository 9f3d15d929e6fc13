"""Answers "was this very source prepared before?" without running the user's code.

While a model is prepared, every file that its code opens or imports is noted with its sha256, with the folders it
lists and the distributions it uses. Next time only these are looked at again: the idea of ccache's direct mode
(https://ccache.dev/manual/latest.html#_the_direct_mode).
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import msgspec

from converters import cache, digests
from harness.records import ModelSource, Record

TOOLS = ("torch", "numpy", "ai-edge-litert", "executorch", "tensorflow", "keras", "tf_keras")
WEIGHT_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".safetensors", ".npz", ".npy", ".h5", ".keras")
_KEPT = 16


class Known(Record, frozen=True, kw_only=True):
    """One earlier preparation: its key, and all that it was seen to depend on.

    files: sha256 of files (of whole folders for `depends_on`), "" for one that was looked for and not there.
    folders: fingerprint of the names in a listed folder. beside: weight-like files in the source's own folder.
    """

    key: str = ""
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    beside: str = ""
    distributions: dict[str, str] = {}


class _Manifest(Record, frozen=True, kw_only=True):
    known: tuple[Known, ...] = ()


def name(path: Path, source: ModelSource) -> str:
    """Under which name the manifest of a source lies: where it is, what is asked of it, and the tools."""
    asked = (
        *(source.calibration_samples, source.evaluation_samples),
        *(source.dynamic_batch, source.integer_io, sorted(source.depends_on)),
    )
    machine = (sys.version, platform.machine(), digests.versions(TOOLS), digests.of_our_code())
    return digests.of_record([str(path), asked, machine])


def recall(root: Path, name: str, path: Path) -> str:
    """Key of the earlier preparation that still holds for the source at `path`, or ""."""
    for known in _read(root, name).known:
        if _holds(known, path):
            return known.key
    return ""


def remember(root: Path, name: str, known: Known) -> None:
    """Note a preparation, newest first. Raises StoreError."""
    others = tuple(other for other in _read(root, name).known if other != known)
    manifest = _Manifest(known=(known, *others)[:_KEPT])
    cache.write_whole(root, _place(root, name), msgspec.json.encode(manifest))


def beside(path: Path) -> str:
    """Fingerprint of the weight-like files next to the source: extensions in C or Rust open files unseen."""
    weights = sorted(file for file in path.parent.iterdir() if file.suffix in WEIGHT_SUFFIXES)
    return digests.of_record([[file.name, digests.of_tree(file)] for file in weights])


def _holds(known: Known, path: Path) -> bool:
    return (
        digests.versions(known.distributions) == known.distributions
        and all(digests.of_names(Path(folder)) == seen for folder, seen in known.folders.items())
        and all(digests.of_tree(Path(file)) == seen for file, seen in known.files.items())
        and (not known.beside or beside(path) == known.beside)
    )


def _read(root: Path, name: str) -> _Manifest:
    """A manifest that cannot be read is as good as none: the source is prepared again."""
    try:
        return msgspec.json.decode(_place(root, name).read_bytes(), type=_Manifest)
    except (OSError, msgspec.DecodeError):
        return _Manifest()


def _place(root: Path, name: str) -> Path:
    return root / "manifests" / f"{name}.json"
