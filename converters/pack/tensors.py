"""How one stored tensor is written: as byte planes, as a codebook, or sparsely with either of them for its values.

Byte planes serve ordinary floats and integers, codebooks clustered weights, the sparse ones pruned weights: the
commonest value (the zeros) is left out, and how many of it stand before each other value is kept. Each way is a list
of byte streams, so that the entropy coder of `streams` sees one kind of symbol at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from converters.pack.streams import Damaged, Stream, entropy_bytes, expand, squeeze

PLANES, CODEBOOK, GAPS, GAPS_PLANES = range(4)
WORDS = {PLANES: "plain", CODEBOOK: "codebook", GAPS: "sparse codebook", GAPS_PLANES: "sparse"}
_INDEX_VALUES = 256  # an index is one byte
_SKIP = 255  # the gap symbol for "255 more left out, and no value yet"
# Below this share of its commonest value a tensor gains nothing from leaving it out.
_SPARSE_FROM = 0.3
_SAMPLE = 2**16

Items = NDArray[Any]


class Region(NamedTuple):
    """A tensor's values in a file: where they start, bytes of one item, and a grid of [rows, columns] of items."""

    offset: int
    item_bytes: int
    rows: int
    columns: int

    @property
    def size(self) -> int:
        return self.item_bytes * self.rows * self.columns


class Layout(NamedTuple):
    """coding: see above. turned: written column by column. books: the tensor in so many equal parts in the order
    written, each with a codebook of its own (the output channels, after clustering per channel)."""

    coding: int
    turned: bool = False
    books: int = 1


class Packed(NamedTuple):
    """A tensor as it is written."""

    layout: Layout
    streams: tuple[Stream, ...]


def encode(region: Region, raw: memoryview) -> Packed:
    """The smallest of the codings that can hold the tensor; raw: its bytes."""
    grid = _items(raw, region.item_bytes).reshape(region.rows, region.columns)
    layout, streams = min(_candidates(grid), key=lambda candidate: sum(map(entropy_bytes, candidate[1])))
    return Packed(layout, tuple(map(squeeze, streams)))


def decode(region: Region, packed: Packed) -> bytes:
    """The bytes of the tensor; raises Damaged when the streams do not give exactly so many."""
    layout, count = packed.layout, region.rows * region.columns
    readers = {PLANES: _from_planes, CODEBOOK: _from_codebook, GAPS: _from_gaps, GAPS_PLANES: _from_gaps}
    if layout.coding not in readers:
        raise Damaged(f"it uses tensor coding {layout.coding}, which this version does not know")
    if layout.books < 1 or count % layout.books:
        raise Damaged(f"a tensor of {count} items cannot have {layout.books} codebooks")
    items = readers[layout.coding](region, layout, iter(packed.streams))
    if layout.turned:
        items = items.reshape(region.columns, region.rows).T
    return np.ascontiguousarray(items).tobytes()


def _items(raw: bytes | memoryview, item_bytes: int) -> Items:
    """Items as unsigned integers of their size: bit patterns, so that -0.0 stays -0.0 and every NaN itself."""
    return np.frombuffer(raw, f"<u{item_bytes}")


def _candidates(grid: Items) -> Iterator[tuple[Layout, list[bytes]]]:
    yield Layout(PLANES), _planes(grid.reshape(-1))
    for layout, parts in _layouts(grid):
        yield from _sparse(layout, parts)
        # One byte is its own index, and the order of symbols does not matter to one codebook.
        if grid.itemsize > 1 and (layout.books > 1 or not layout.turned) and _is_worth_a_book(parts):
            books = [_book(part) for part in parts]
            if _fit(books):
                yield layout._replace(coding=CODEBOOK), [*_written(books), _indices(books, parts)]


def _layouts(grid: Items) -> Iterator[tuple[Layout, Items]]:
    """The tensor as a whole in both orders, and per channel where only one channel has few distinct values."""
    whole = grid.reshape(1, -1)
    yield Layout(GAPS), whole
    if min(grid.shape) > 1:
        yield Layout(GAPS, turned=True), grid.T.reshape(1, -1)
    for turned, parts in ((False, grid), (True, grid.T)):
        if 1 < len(parts) < parts.shape[1] and _is_worth_a_book(parts) and not _is_worth_a_book(whole):
            yield Layout(GAPS, turned, len(parts)), parts


def _is_worth_a_book(parts: Items) -> bool:
    """Whether the first part, as far as a sample tells, has few enough values."""
    return len(np.unique(parts[0, :_SAMPLE])) <= _INDEX_VALUES


# --- byte planes: the first byte of every item, then the second ... ----------------------------------


def _planes(items: Items) -> list[bytes]:
    columns = items.view(np.uint8).reshape(len(items), -1).T
    return [np.ascontiguousarray(column).tobytes() for column in columns]


def _from_planes(region: Region, _: Layout, streams: Iterator[Stream]) -> Items:
    count = region.rows * region.columns
    columns = [np.frombuffer(_take(streams, count), np.uint8) for _ in range(region.item_bytes)]
    return np.stack(columns, axis=1).reshape(-1).view(f"<u{region.item_bytes}")


# --- codebooks: how many values each has, the values, an index per item -------------------------------


def _book(part: Items) -> Items:
    """The distinct values of a part, ascending."""
    return np.unique(part)


def _fit(books: list[Items]) -> bool:
    return max(len(values) for values in books) <= _INDEX_VALUES


def _written(books: list[Items]) -> list[bytes]:
    return [bytes(len(values) - 1 for values in books), b"".join(values.tobytes() for values in books)]


def _indices(books: list[Items], parts: Iterable[Items]) -> bytes:
    return b"".join(
        np.searchsorted(values, part).astype(np.uint8).tobytes() for values, part in zip(books, parts, strict=True)
    )


def _from_codebook(region: Region, layout: Layout, streams: Iterator[Stream]) -> Items:
    books = _read_books(region, layout, streams)
    index = np.frombuffer(_take(streams, region.rows * region.columns), np.uint8)
    return _looked_up(books, index, lambda: np.repeat(np.arange(layout.books), len(index) // layout.books))


class _Books(NamedTuple):
    """All codebooks behind each other, where each starts, and how long each is."""

    values: Items
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]


def _read_books(region: Region, layout: Layout, streams: Iterator[Stream]) -> _Books:
    sizes = np.frombuffer(_take(streams, layout.books), np.uint8).astype(np.int64) + 1
    values = _items(_take(streams, int(sizes.sum()) * region.item_bytes), region.item_bytes)
    return _Books(values, np.cumsum(sizes) - sizes, sizes)


def _looked_up(books: _Books, index: NDArray[np.uint8], part: Callable[[], NDArray[np.int64]]) -> Items:
    """part: which codebook each index is of; asked for only where there are several."""
    several = len(books.sizes) > 1
    part_of = part() if several else np.zeros(1, np.int64)
    if np.any(index >= books.sizes[part_of]):
        raise Damaged("an index points past the end of its codebook")
    values: Items = books.values[books.starts[part_of] + index if several else index]
    return values


# --- sparse: the commonest value, the gaps between all others, and these as a codebook or as planes -----


def _sparse(layout: Layout, parts: Items) -> Iterator[tuple[Layout, list[bytes]]]:
    items = parts.reshape(-1)
    background, share = _commonest(items[:_SAMPLE])
    if share < _SPARSE_FROM:
        return
    gaps = np.diff(np.flatnonzero(items != background), prepend=-1) - 1
    skeleton = [background.tobytes(), _gap_symbols(gaps)]
    kept = [part[part != background] for part in parts]
    books = [_book(part) if len(part) else np.array([background]) for part in kept]
    if _fit(books):
        yield layout, [*skeleton, *_written(books), _indices(books, kept)]
    elif layout.books == 1:
        yield layout._replace(coding=GAPS_PLANES), [*skeleton, *_planes(kept[0])]


def _commonest(items: Items) -> tuple[Any, float]:
    values, counts = np.unique(items, return_counts=True)
    return values[np.argmax(counts)], float(counts.max() / len(items))


def _gap_symbols(gaps: NDArray[np.int64]) -> bytes:
    """Each gap as its remainder by 255, with one _SKIP before it for every 255 left out."""
    skips, rest = np.divmod(gaps, _SKIP)
    symbols = np.full(int(skips.sum()) + len(gaps), _SKIP, np.uint8)
    symbols[np.cumsum(skips + 1) - 1] = rest
    return symbols.tobytes()


def _from_gaps(region: Region, layout: Layout, streams: Iterator[Stream]) -> Items:
    count = region.rows * region.columns
    background = _items(_take(streams, region.item_bytes), region.item_bytes)[0]
    places = _places(_take_at_most(streams, count))
    if len(places) and places[-1] >= count:
        raise Damaged("a sparse tensor's gaps lead past its end")
    items = np.full(count, background)
    if layout.coding == GAPS_PLANES:
        items[places] = _from_planes(region._replace(rows=1, columns=len(places)), layout, streams)
        return items
    books = _read_books(region, layout, streams)
    index = np.frombuffer(_take(streams, len(places)), np.uint8)
    items[places] = _looked_up(books, index, lambda: places // (count // layout.books))
    return items


def _places(symbols: bytes) -> NDArray[np.int64]:
    """Where the values belong that the gaps lead to."""
    steps = np.frombuffer(symbols, np.uint8).astype(np.int64)
    ends = np.cumsum(np.where(steps == _SKIP, _SKIP, steps + 1))
    places: NDArray[np.int64] = ends[steps != _SKIP] - 1
    return places


def _take(streams: Iterator[Stream], length: int) -> bytes:
    """The next stream, which must hold `length` bytes."""
    stream = next(streams, None)
    if stream is None or stream.length != length:
        raise Damaged(f"a stream of {length} bytes is missing")
    return expand(stream)


def _take_at_most(streams: Iterator[Stream], length: int) -> bytes:
    stream = next(streams, None)
    if stream is None or stream.length > length:
        raise Damaged("a stream is missing, or too long for its tensor")
    return expand(stream)
