"""Fingerprints: what the cache compares instead of names and dates."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

ABSENT = ""
UNREADABLE = "unreadable"


def of_bytes(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def of_file(path: Path) -> str:
    """sha256 of the contents, in hex; raises OSError."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of_record(value: object) -> str:
    """sha256 of any record, list or dict, independent of the order of keys."""
    return of_bytes(msgspec.json.encode(value, order="sorted"))


def of_tree(path: Path) -> str:
    """Fingerprint of a file, or of all files below a folder; ABSENT when there is nothing."""
    try:
        if not path.is_dir():
            return of_file(path) if path.exists() else ABSENT
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return of_record([[str(file.relative_to(path)), of_file(file)] for file in files])
    except OSError:
        return UNREADABLE


def of_names(folder: Path) -> str:
    """Fingerprint of which names a folder lists, hidden ones and Python's own caches apart."""
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except OSError:
        return ABSENT
    return of_record([name for name in names if not name.startswith((".", "__pycache__"))])


def of_files(folder: Path, pattern: str) -> str:
    """Fingerprint of the files in a folder that match, by name and contents."""
    return of_record([[file.name, of_file(file)] for file in sorted(folder.glob(pattern))])


@cache
def of_our_code() -> str:
    """Fingerprint of this package: another converter is another result."""
    folder = Path(__file__).parent
    return of_record([[str(file.relative_to(folder)), of_file(file)] for file in sorted(folder.rglob("*.py"))])


def versions(distributions: Iterable[str]) -> dict[str, str]:
    """Installed version per distribution, ABSENT for one that is not installed."""
    return {name: _version(name) for name in distributions}


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ABSENT
