"""Byte streams made small by the standard library's entropy coders, whichever is best for each.

Huffman coding is deflate's: with the strategy Z_HUFFMAN_ONLY zlib looks for no repetitions and writes canonical
Huffman codes alone, which every inflate reads back at native speed on every platform.
"""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable
from typing import NamedTuple

from harness.errors import ConversionError

STORED, DEFLATE, LZMA_BYTES, LZMA_WORDS = range(4)

# Of the format, never to be changed: symbols that stand for themselves, and structures of 4-byte fields.
_DICTIONARY_BYTES = 2**18
_FILTERS = {
    LZMA_BYTES: [{"id": lzma.FILTER_LZMA1, "dict_size": _DICTIONARY_BYTES, "lc": 0, "lp": 0, "pb": 0}],
    LZMA_WORDS: [{"id": lzma.FILTER_LZMA1, "dict_size": _DICTIONARY_BYTES, "lc": 0, "lp": 2, "pb": 2}],
}
# Above this many bytes a sample decides which coder is tried on the whole: trying all of them would take minutes.
_TRY_ALL_BYTES = 2**16


class Stream(NamedTuple):
    """length: bytes before coding. packed: bytes after it, by `method`."""

    method: int
    length: int
    packed: bytes


class Damaged(ConversionError):
    """Packed data that cannot be what `pack` wrote."""


def squeeze(data: bytes) -> Stream:
    """The smallest coding of `data`."""
    coders: tuple[_Coder, ...] = _CODERS
    if len(data) > _TRY_ALL_BYTES:
        middle = (len(data) - _TRY_ALL_BYTES) // 2
        coders = (_best(_CODERS, data[middle : middle + _TRY_ALL_BYTES])[0],)
    coder, packed = _best(coders, data)
    return Stream(coder.method, len(data), packed)


def entropy_bytes(data: bytes) -> int:
    """About how small `data` gets, symbol by symbol: quick enough to choose between ways of writing a tensor."""
    return min(len(data), len(_HUFFMAN.code(data)))


def expand(stream: Stream) -> bytes:
    """The bytes that were squeezed; raises Damaged, and never holds more than the stream's length."""
    data = stream.packed
    if stream.method != STORED:
        data = _expanded(stream)
    if len(data) != stream.length:
        raise Damaged(f"a stream that should hold {stream.length} bytes holds {_at_least(len(data), stream.length)}")
    return data


def _expanded(stream: Stream) -> bytes:
    # One byte more than expected may come out, so that a stream which goes on is noticed without following it.
    try:
        if stream.method == DEFLATE:
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(stream.packed, stream.length + 1)
        if stream.method in _FILTERS:
            reader = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_FILTERS[stream.method])
            return reader.decompress(stream.packed, stream.length + 1)
    except (zlib.error, lzma.LZMAError, EOFError) as error:
        raise Damaged(f"a stream cannot be decoded: {error}") from error
    raise Damaged(f"it uses coding {stream.method}, which this version does not know")


def _at_least(found: int, expected: int) -> str:
    return "more" if found > expected else str(found)


class _Coder(NamedTuple):
    method: int
    code: Callable[[bytes], bytes]


def _best(coders: tuple[_Coder, ...], data: bytes) -> tuple[_Coder, bytes]:
    """The coder with the shortest result; storing plainly is always among the choices."""
    results = [(_PLAIN, data), *((coder, coder.code(data)) for coder in coders if coder is not _PLAIN)]
    return min(results, key=lambda result: len(result[1]))


def _deflated(strategy: int) -> Callable[[bytes], bytes]:
    def code(data: bytes) -> bytes:
        stream = zlib.compressobj(
            9, zlib.DEFLATED, -zlib.MAX_WBITS, 9, strategy
        )  # 9: the longest blocks, so the fewest tables
        return stream.compress(data) + stream.flush()

    return code


def _lzma(method: int) -> Callable[[bytes], bytes]:
    def code(data: bytes) -> bytes:
        return lzma.compress(data, lzma.FORMAT_RAW, filters=_FILTERS[method])

    return code


_PLAIN = _Coder(STORED, bytes)
_HUFFMAN = _Coder(DEFLATE, _deflated(zlib.Z_HUFFMAN_ONLY))
_CODERS = (
    _PLAIN,
    _HUFFMAN,
    _Coder(DEFLATE, _deflated(zlib.Z_DEFAULT_STRATEGY)),
    _Coder(LZMA_BYTES, _lzma(LZMA_BYTES)),
    _Coder(LZMA_WORDS, _lzma(LZMA_WORDS)),
)
