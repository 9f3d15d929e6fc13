"""Files on a device: they arrive whole or not at all, are never pushed twice, and never fill it up.

Everything lies below one folder of ours. A file is pushed under a temporary name, its sha256 is taken on the device,
and only then it gets its own name, which is that hash: nothing stale can run under it. The store is limited in size;
what was not used for the longest time goes first.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from device_runners.adb.errors import DeviceFull, PushFailed
from device_runners.adb.link import Link, checked
from harness.errors import RunnerError
from harness.records import Record

ROOT = "/data/local/tmp/pocketbench"
_SHORT_SECS, _HASH_SECS = 20.0, 120.0
_STALE_SECS = 3600  # a half-pushed file of this age belongs to nobody any more
_NAME = re.compile(r"[0-9a-f]{64}(\.[a-z0-9]{1,12})?")
_INCOMING = ".incoming-"
_DAMAGED = 9
_OLD = "the device needs sha256sum, which Android has since version 7"

# "$1" the store. Prints the time, then a line for each file: when it was used, its bytes, its name.
_LIST = """umask 022; mkdir -p "$1" && cd "$1" || exit 1
date +%s
for one in * .incoming-*; do [ -f "$one" ] && stat -c '%Y %s %n' "$one"; done; true"""
# "$1" the store, "$2" a name in it, "$3" the mode: whether a file of that hash is there. A damaged one is removed.
_PRESENT = """cd "$1" 2>/dev/null && [ -f "$2" ] || { echo absent; exit 0; }
sum=$(sha256sum "$2") || exit 1
[ "${sum%% *}" = "${2%%.*}" ] || { rm -f "$2"; echo absent; exit 0; }
touch "$2" && chmod "$3" "$2" && echo present"""
# "$1" the store, "$2" the temporary name, "$3" its final one, "$4" the mode
_ACCEPT = """cd "$1" || exit 1
sum=$(sha256sum "$2") || exit 1
[ "${sum%% *}" = "${3%%.*}" ] || { rm -f "$2"; echo "${sum%% *}"; exit 9; }
chmod "$4" "$2" && mv -f "$2" "$3" """
# "$1" the store, then names in it
_REMOVE = """cd "$1" 2>/dev/null || exit 0
shift; rm -f "$@" """
# "$1" our folder
_CLEAN = """[ -d "$1" ] || { echo 0; exit 0; }
used=$(du -sk "$1"); rm -rf "$1" && echo "${used%%[!0-9]*}" """


class Store(Record, frozen=True, kw_only=True):
    """Where files lie on the device, and how much they may take together."""

    root: str = ROOT
    most_bytes: int = 2 * 2**30

    @property
    def folder(self) -> str:
        return f"{self.root}/files"


class Kept(Record, frozen=True, kw_only=True):
    """One file in the store; age_secs: since it was used last, by the device's own clock."""

    name: str
    size_bytes: int
    age_secs: int


def place(link: Link, source: Path, *, timeout_secs: float, mode: int = 0o644, store: Store | None = None) -> str:
    """The file's path on the device, whole and checked; pushed only when it is not there yet.

    Raises PushFailed, DeviceFull when no space is left even without the files of earlier runs. May be called again
    after LinkLost.
    """
    store = store or Store()
    name = _name_of(source)
    parcel = _Parcel(source=source, folder=store.folder, name=name, mode=f"{mode:o}", timeout_secs=timeout_secs)
    found = link.script(_PRESENT, [store.folder, name, parcel.mode], timeout_secs=_HASH_SECS)
    if checked(found, "looking for a file", remedy=_OLD).strip() != "present":
        make_room(link, source.stat().st_size, store=store, keep={name})
        try:
            _push(link, parcel)
        except DeviceFull:
            remove(link, [one.name for one in listed(link, store=store)], store=store)
            _push(link, parcel)
    return f"{store.folder}/{name}"


def listed(link: Link, *, store: Store | None = None) -> list[Kept]:
    """What is in the store, the longest unused first; lines that are not ours are left out."""
    store = store or Store()
    clock, *lines = checked(link.script(_LIST, [store.folder], timeout_secs=_SHORT_SECS), "listing files").splitlines()
    found = []
    for line in lines:
        used, size, name = (*line.split(" ", 2), "", "")[:3]
        ours = _NAME.fullmatch(name) or name.startswith(_INCOMING)
        if ours and used.isdigit() and size.isdigit() and clock.isdigit():
            found.append(Kept(name=name, size_bytes=int(size), age_secs=int(clock) - int(used)))
    return sorted(found, key=lambda one: (-one.age_secs, one.name))


def make_room(link: Link, size_bytes: int, *, store: Store, keep: Collection[str] = ()) -> list[Kept]:
    """Remove what was not used for the longest time until `size_bytes` more fit in the store; gives what went."""
    if size_bytes > store.most_bytes:
        raise DeviceFull(f"a file of {size_bytes} bytes: the store on the device may hold {store.most_bytes}")
    kept = listed(link, store=store)
    gone = [one for one in kept if one.name.startswith(_INCOMING) and one.age_secs > _STALE_SECS]
    left = [one for one in kept if one not in gone]
    used = sum(one.size_bytes for one in left)
    for one in left:
        if used + size_bytes <= store.most_bytes:
            break
        if one.name not in keep and not one.name.startswith(_INCOMING):
            gone.append(one)
            used -= one.size_bytes
    remove(link, [one.name for one in gone], store=store)
    return gone


def remove(link: Link, names: Collection[str], *, store: Store | None = None) -> None:
    """Remove these files of the store."""
    store = store or Store()
    if bad := [name for name in names if "/" in name]:
        raise RunnerError(f"{bad[0]!r} is no name in the store")
    if names:
        checked(link.script(_REMOVE, [store.folder, *names], timeout_secs=_SHORT_SECS), "removing files")


def clean(link: Link, *, store: Store | None = None) -> int:
    """Remove everything of ours from the device, runs included (see `runs.stop_all`); gives the bytes freed."""
    store = store or Store()
    if store.root.count("/") < 2 or not store.root.endswith("/pocketbench"):
        raise RunnerError(f"{store.root!r} is no folder of ours")
    freed = checked(link.script(_CLEAN, [store.root], timeout_secs=_HASH_SECS), "cleaning up").strip()
    return 1024 * int(freed) if freed.isdigit() else 0


class _Parcel(NamedTuple):
    """A file on its way: from where, into which folder, as what."""

    source: Path
    folder: str
    name: str
    mode: str
    timeout_secs: float


def _push(link: Link, parcel: _Parcel) -> None:
    incoming = f"{_INCOMING}{secrets.token_hex(8)}"
    try:
        link.push(parcel.source, f"{parcel.folder}/{incoming}", timeout_secs=parcel.timeout_secs)
    except PushFailed:
        link.script(_REMOVE, [parcel.folder, incoming], timeout_secs=_SHORT_SECS)
        raise
    words = [parcel.folder, incoming, parcel.name, parcel.mode]
    accepted = link.script(_ACCEPT, words, timeout_secs=_HASH_SECS)
    if accepted.code == _DAMAGED:
        there = accepted.text.strip()[:64]
        raise PushFailed(f"{parcel.source.name} arrived damaged: its sha256 is {there} on the device")
    checked(accepted, f"moving {parcel.source.name} to its place", remedy=_OLD)


def _name_of(source: Path) -> str:
    """A file's sha256, with its suffix where that is a plain one: some programs look at it."""
    try:
        with open(source, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise PushFailed(f"{source} cannot be read: {error.strerror}") from error
    suffix = source.suffix.lower()
    return digest + (suffix if re.fullmatch(r"\.[a-z0-9]{1,12}", suffix) else "")
