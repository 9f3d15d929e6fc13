"""The content-addressed store of everything that took long to make.

An entry is a folder `<kind>/<first two of key>/<key>/` with its files and `entry.json`, which holds the sha256 of
each. It is written as a draft elsewhere in the store and renamed when whole, so a reader sees all of it or nothing,
and any number of processes may share one store. An entry that no longer matches its sums is dropped.
"""

from __future__ import annotations

import errno
import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from converters import digests
from harness.errors import StoreError
from harness.records import Record

SUMS = "entry.json"
_DRAFT_LIFETIME_SECS = 2 * 24 * 3600.0


class Found(Record, frozen=True, kw_only=True):
    """What a look into the store gave: the entry's folder or "", and what was wrong with it."""

    folder: str = ""
    warning: str = ""


class _Sums(Record, frozen=True, kw_only=True):
    files: dict[str, str]


def find(root: Path, kind: str, key: str) -> Found:
    """The entry, its files checked against their sums; a damaged one is removed and reported."""
    folder = _place(root, kind, key)
    if not folder.is_dir():
        return Found()
    damage = _damage(folder)
    if not damage:
        return Found(folder=str(folder))
    with store_errors(root):
        _remove(root, folder)
    return Found(warning=f"a stored result was damaged ({damage}) and was made again")


def publish(root: Path, kind: str, key: str, draft: Path) -> Path:
    """Make the draft an entry; where another process was first with a sound one, its entry stays. Raises StoreError."""
    folder = _place(root, kind, key)
    with store_errors(root):
        sums = _Sums(files={name: digests.of_file(draft / name) for name in _names(draft)})
        (draft / SUMS).write_bytes(msgspec.json.encode(sums))
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.is_dir() and (_damage(folder) or _read_sums(folder) != sums):
            _remove(root, folder)
        try:
            draft.rename(folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
    return folder


@contextmanager
def draft(root: Path) -> Iterator[Path]:
    """A folder of one's own inside the store; what is not published is removed. Raises StoreError."""
    with store_errors(root):
        drafts = root / "drafts"
        drafts.mkdir(parents=True, exist_ok=True)
        _sweep(drafts)
        folder = Path(tempfile.mkdtemp(dir=drafts))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def lock(root: Path, name: str) -> Iterator[None]:
    """Only one process or thread at a time makes the entry `name`; the others wait. Raises StoreError."""
    with store_errors(root):
        locks = root / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        file = open(locks / f"{name}.lock", "ab")  # noqa: SIM115  closed below, after the body
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        file.close()


def write_whole(root: Path, path: Path, data: bytes) -> None:
    """Write one file of the store whole or not at all. Raises StoreError."""
    with store_errors(root), draft(root) as folder:
        temporary = folder / path.name
        temporary.write_bytes(data)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(path)


@contextmanager
def store_errors(root: Path) -> Iterator[None]:
    """Turn what the file system says about the store into a StoreError with a remedy."""
    try:
        yield
    except OSError as error:
        raise store_error(root, error) from error


def store_error(root: Path, error: OSError) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(
            f"the disk that holds the cache {root} is full",
            remedy="free some space, or name a cache folder on another disk",
        )
    return StoreError(
        f"the cache folder {root} cannot be used: {error.strerror or error}",
        remedy="make it writable, or name another cache folder",
    )


def _place(root: Path, kind: str, key: str) -> Path:
    return root / kind / key[:2] / key


def _names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != SUMS)


def _read_sums(folder: Path) -> _Sums | None:
    try:
        return msgspec.json.decode((folder / SUMS).read_bytes(), type=_Sums)
    except (OSError, msgspec.DecodeError):
        return None


def _damage(folder: Path) -> str:
    """What is wrong with an entry, or ""."""
    sums = _read_sums(folder)
    if sums is None:
        return f"{SUMS} cannot be read"
    if sorted(sums.files) != _names(folder):
        return "files are missing or new"
    for name, expected in sums.files.items():
        if digests.of_tree(folder / name) != expected:
            return f"{name} has changed"
    return ""


def _remove(root: Path, folder: Path) -> None:
    """Out of sight in one step, so that nobody sees half an entry."""
    with draft(root) as graveyard:
        try:
            folder.rename(graveyard / "entry")
        except FileNotFoundError:
            return  # another process removed it first


def _sweep(drafts: Path) -> None:
    """Remove what killed processes left behind days ago."""
    for left in drafts.iterdir():
        try:
            if time.time() - left.stat().st_mtime > _DRAFT_LIFETIME_SECS:
                shutil.rmtree(left, ignore_errors=True)
        except FileNotFoundError:
            continue  # another process swept it
