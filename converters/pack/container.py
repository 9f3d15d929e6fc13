"""The packed file: what surrounds the tensors, how it is checked, and what a reader refuses.

::

    "PBPK" | version u8 | CRC-32 of all that follows u32 | bytes of the original u64 | its SHA-256 32 bytes
    index: method u8, bytes u32, bytes when expanded u32, then the index itself (msgpack, see `Index`)
    every stream of the index, in its order

All numbers are little-endian. The CRC finds damage at once, the SHA-256 proves that the very same file came back.
"""

from __future__ import annotations

import hashlib
import itertools
import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from converters.pack.streams import Damaged, Stream, expand, squeeze
from converters.pack.tensors import WORDS, Layout, Packed, Region, decode

MAGIC = b"PBPK"
VERSION = 1
_FIXED = struct.Struct("<4sBIQ32s")
_INDEX = struct.Struct("<BII")
_CRC_FROM = 9
_MAX_INDEX_BYTES = 2**26
_ITEM_BYTES = (1, 2, 4, 8)


class StreamEntry(msgspec.Struct, frozen=True, array_like=True):
    """See `Stream`; packed is the number of its bytes in the file."""

    method: int
    length: int
    packed: int


class TensorEntry(msgspec.Struct, frozen=True, array_like=True):
    """See `Region` and `Layout`; gap: bytes of the original between the tensor before and this one."""

    gap: int
    item_bytes: int
    rows: int
    columns: int
    coding: int
    turned: bool
    books: int
    streams: tuple[StreamEntry, ...]


class Index(msgspec.Struct, frozen=True, array_like=True):
    """suffix: of the original file's name. rest: everything of it that is in no tensor."""

    suffix: str
    rest: StreamEntry
    tensors: tuple[TensorEntry, ...]


def write(data: memoryview, suffix: str, tensors: Sequence[tuple[Region, Packed]]) -> bytes:
    """A packed file; tensors in the order of their offsets, none over another."""
    rest = squeeze(b"".join(_between(data, [region for region, _ in tensors])))
    entries, end = [], 0
    for region, packed in tensors:
        entries.append(_tensor_entry(region, packed, region.offset - end))
        end = region.offset + region.size
    index = squeeze(msgspec.msgpack.encode(Index(suffix, _entry(rest), tuple(entries))))
    streams = (rest, *(stream for _, packed in tensors for stream in packed.streams))
    head = _INDEX.pack(index.method, len(index.packed), index.length)
    body = b"".join((head, index.packed, *(stream.packed for stream in streams)))
    told = struct.pack("<Q32s", len(data), hashlib.sha256(data).digest())
    return MAGIC + bytes([VERSION]) + struct.pack("<I", zlib.crc32(told + body)) + told + body


def read(packed: memoryview, limit_bytes: int) -> tuple[bytes, str]:
    """(the original file, its suffix); raises Damaged, or says that the original is larger than `limit_bytes`."""
    size, digest = _checked_head(packed, limit_bytes)
    index, streams = _read_index(packed)
    _check_sizes(index, size)
    rest = memoryview(expand(_stream(index.rest, streams)))
    original = bytearray()
    for entry in index.tensors:
        piece, rest = rest[: entry.gap], rest[entry.gap :]
        original += piece
        original += _tensor(entry, streams)
    original += rest
    if hashlib.sha256(original).digest() != digest:
        raise Damaged("what came out has another SHA-256 than what was packed")
    return bytes(original), index.suffix


def codings(packed: memoryview) -> dict[str, int]:
    """Number of tensors per coding, in words."""
    _checked_head(packed, 2**64)
    return dict(Counter(WORDS.get(entry.coding, "unknown") for entry in _read_index(packed)[0].tensors))


def _between(data: memoryview, regions: Sequence[Region]) -> Iterator[memoryview]:
    edges = [0, *itertools.chain.from_iterable((each.offset, each.offset + each.size) for each in regions), len(data)]
    return (data[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))


def _entry(stream: Stream) -> StreamEntry:
    return StreamEntry(stream.method, stream.length, len(stream.packed))


def _tensor_entry(region: Region, packed: Packed, gap: int) -> TensorEntry:
    layout, streams = packed.layout, tuple(map(_entry, packed.streams))
    return TensorEntry(gap, region.item_bytes, region.rows, region.columns, *layout, streams)


def _checked_head(packed: memoryview, limit_bytes: int) -> tuple[int, bytes]:
    """(size, SHA-256) of the original, once the packed file is known to be whole."""
    if bytes(packed[:4]) != MAGIC:
        raise Damaged(f"it does not start with {MAGIC.decode()}: it was not made by `pocketbench pack`")
    if len(packed) < _FIXED.size + _INDEX.size:
        raise Damaged(f"it is cut off after {len(packed)} bytes")
    _, version, crc, size, digest = _FIXED.unpack_from(packed)
    if version != VERSION:
        raise Damaged(f"it has format version {version}, this version of pocketbench reads {VERSION}")
    if zlib.crc32(packed[_CRC_FROM:]) != crc:
        raise Damaged("its checksum is wrong: bytes were changed or cut off")
    if size > limit_bytes:
        raise Damaged(f"the file inside has {size} bytes, more than the limit of {limit_bytes}")
    return size, digest


def _read_index(packed: memoryview) -> tuple[Index, Iterator[memoryview]]:
    """The index, and the packed streams behind it one after another."""
    method, length, expanded = _INDEX.unpack_from(packed, _FIXED.size)
    start = _FIXED.size + _INDEX.size
    if expanded > _MAX_INDEX_BYTES:
        raise Damaged(f"its index would have {expanded} bytes")
    raw = expand(Stream(method, expanded, bytes(packed[start : start + length])))
    try:
        index = msgspec.msgpack.decode(raw, type=Index)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise Damaged(f"its index cannot be read: {error}") from error
    entries = [index.rest, *(stream for tensor in index.tensors for stream in tensor.streams)]
    return index, _cut(packed[start + length :], entries)


def _cut(body: memoryview, entries: Iterable[StreamEntry]) -> Iterator[memoryview]:
    start = 0
    for entry in entries:
        if entry.packed < 0 or start + entry.packed > len(body):
            raise Damaged("a stream runs past the end of the file")
        yield body[start : start + entry.packed]
        start += entry.packed


def _check_sizes(index: Index, size: int) -> None:
    """What the index promises must add up to the original before any of it is expanded."""
    sizes = [(tensor.gap, tensor.rows, tensor.columns) for tensor in index.tensors]
    if any(number < 0 for numbers in sizes for number in numbers) or index.rest.length < 0:
        raise Damaged("its index has a negative size")
    if any(tensor.item_bytes not in _ITEM_BYTES for tensor in index.tensors):
        raise Damaged("its index has a tensor with items of an impossible size")
    inside = sum(tensor.item_bytes * tensor.rows * tensor.columns for tensor in index.tensors)
    if inside + index.rest.length != size or sum(tensor.gap for tensor in index.tensors) > index.rest.length:
        raise Damaged(f"its parts do not add up to the {size} bytes of the file inside")


def _stream(entry: StreamEntry, bodies: Iterator[memoryview]) -> Stream:
    return Stream(entry.method, entry.length, bytes(next(bodies)))


def _tensor(entry: TensorEntry, bodies: Iterator[memoryview]) -> bytes:
    region = Region(0, entry.item_bytes, entry.rows, entry.columns)
    streams = tuple(_stream(stream, bodies) for stream in entry.streams)
    return decode(region, Packed(Layout(entry.coding, entry.turned, entry.books), streams))
