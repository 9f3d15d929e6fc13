"""Packed files on disk: a .tflite or .pte to one, and back. See `converters.pack` for what they hold."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import IO

from harness.errors import ConversionError, StoreError
from harness.records import Record

SUFFIX = ".packed"
_SUFFIX = re.compile(r"\.[A-Za-z0-9_-]{1,16}")  # what a file says of itself does not choose where it is written


class PackedFile(Record, frozen=True, kw_only=True):
    """A file beside its packed form. codings: number of weight tensors per way of writing them."""

    path: str
    original: str
    original_bytes: int
    download_bytes: int
    packed_bytes: int
    codings: dict[str, int]


class UnpackedFile(Record, frozen=True, kw_only=True):
    """A file that came out of a packed one, proven by its SHA-256."""

    path: str
    packed_bytes: int
    original_bytes: int


def packed_size(path: Path) -> int:
    """Bytes of a .tflite or .pte after `pack`. Raises ConversionError when it is neither, or damaged."""
    from converters import contents, pack

    return len(pack.pack(*contents.regions(path)))


def pack_file(source: Path, target: Path) -> PackedFile:
    """Write the packed form of a .tflite or .pte, having seen that the same bytes come back.

    Raises ConversionError for any other file, StoreError when the target cannot be written.
    """
    from converters import contents, pack

    data, regions = contents.regions(source)
    packed = pack.pack(data, regions, source.suffix)
    if pack.unpack(packed)[0] != data:
        raise ConversionError(
            f"{source} does not come back whole from its packed form", remedy="report this file; ship it unpacked"
        )
    _write(target, packed)
    return PackedFile(
        path=str(target),
        original=str(source),
        original_bytes=len(data),
        download_bytes=len(zlib.compress(data, 9)),
        packed_bytes=len(packed),
        codings=pack.codings(packed),
    )


def unpack_file(source: Path, target: Path | None, *, limit_bytes: int) -> UnpackedFile:
    """Write what a packed file holds; without a target beside it, under its name before packing.

    Raises ConversionError when it is damaged, no packed file, or holds more than `limit_bytes`.
    """
    from converters import pack

    try:
        packed = source.read_bytes()
        data, suffix = pack.unpack(packed, limit_bytes=limit_bytes)
    except OSError as error:
        raise ConversionError(f"{source} cannot be read: {error.strerror}", remedy="name a packed file") from error
    except pack.Damaged as error:
        raise ConversionError(f"{source} cannot be unpacked: {error.message}", remedy=error.remedy) from error
    if target is None:
        target = _before_packing(source, suffix)
    _write(target, data)
    return UnpackedFile(path=str(target), packed_bytes=len(packed), original_bytes=len(data))


def _before_packing(source: Path, suffix: str) -> Path:
    """model.tflite.packed -> model.tflite; anything else gets the suffix that is kept in the file, if it is one."""
    bare = source.with_suffix("") if source.suffix == SUFFIX else source
    if bare != source and bare.suffix == suffix:
        return bare
    return bare.with_name(bare.name + (suffix if _SUFFIX.fullmatch(suffix) else ".unpacked"))


def _write(target: Path, data: bytes) -> None:
    """Never over another file, and no half of one is left."""
    try:
        with open(target, "xb") as file:
            _fill(file, data)
    except FileExistsError as error:
        raise StoreError(f"{target} exists", remedy="name another file with -o, or remove it") from error
    except OSError as error:
        raise StoreError(
            f"{target} cannot be written: {error.strerror or error}", remedy="name a writable place with -o"
        ) from error


def _fill(file: IO[bytes], data: bytes) -> None:
    try:
        file.write(data)
        file.flush()
    except OSError:
        Path(file.name).unlink()
        raise
