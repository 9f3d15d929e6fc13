"""One constant as it lies in a file, and the facts that make it a `WeightTensor`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from converters.contents.patterns import distinct_per_channel, groups
from converters.contents.values import BITS, Values, distinct_in, elements, is_zero, values_of
from converters.pack import Region
from harness.records import WeightTensor


class Stored(NamedTuple):
    """raw: the bytes in the file. shape: of the dense tensor. zero_point: the code that stands for 0, broadcast
    against `shape`. sparse: only the non-zero values are stored, index_bytes more say where they belong, which is
    `places` (flat) for the one layout that is read here."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    raw: memoryview
    zero_point: int | NDArray[np.int64] = 0
    sparse: bool = False
    index_bytes: int = 0
    places: NDArray[np.int64] | None = None


class Use(NamedTuple):
    """How an operator uses a constant. macs: the operator's multiply-adds; saturated: of the bias beside it."""

    operator: str
    macs: int = 0
    saturated_biases: int = 0


def weight_tensor(stored: Stored, use: Use) -> WeightTensor:
    """Look at every value; raises ValueError when the file holds fewer bytes than the shape needs."""
    count = elements(stored.shape)
    kept = len(stored.raw) * 8 // BITS[stored.dtype] if stored.sparse else count
    values = values_of(stored.raw, stored.dtype, kept)
    zero_point = stored.zero_point
    if isinstance(zero_point, np.ndarray):
        zero_point = np.broadcast_to(zero_point, stored.shape).reshape(-1)
    if stored.places is not None:
        values = _unpacked(values, stored.places, np.broadcast_to(zero_point, (count,)))
    missing = count - len(values)
    zero = is_zero(values, stored.dtype, zero_point)
    zeros = int(np.count_nonzero(zero))
    zero_too = missing > 0 and zeros == 0  # what is not stored is a value as well
    return WeightTensor(
        name=stored.name,
        operator=use.operator,
        shape=stored.shape,
        dtype=stored.dtype,
        elements=count,
        zeros=missing + zeros,
        distinct=distinct_in(values) + zero_too,
        distinct_per_channel=distinct_in(values) + zero_too if missing else distinct_per_channel(values, stored.shape),
        groups={} if missing else groups(~zero, stored.shape, use.operator),
        saturated_biases=use.saturated_biases,
        macs=use.macs,
        stored_bytes=len(stored.raw) + stored.index_bytes,
    )


def _unpacked(values: Values, places: NDArray[np.int64], zeros: NDArray[Any]) -> Values:
    """The dense tensor of a sparse one."""
    dense = zeros.astype(values.dtype)
    dense[places] = values
    return dense


class Weights:
    """The weights met so far, once per stored buffer, however many operators read it."""

    def __init__(self) -> None:
        self._stored: dict[object, Stored] = {}
        self._uses: dict[object, Use] = {}

    def add(self, key: object, stored: Stored, use: Use) -> None:
        first = self._uses.get(key)
        if first is None:
            self._stored[key], self._uses[key] = stored, use
            return
        saturated = max(first.saturated_biases, use.saturated_biases)
        self._uses[key] = Use(first.operator, first.macs + use.macs, saturated)

    def __contains__(self, key: object) -> bool:
        return key in self._stored

    def regions(self, data: memoryview) -> tuple[Region, ...]:
        """Where in the file they lie, for those that were not copied out of it."""
        start = _address(data)
        found = (_region(stored, _address(stored.raw) - start) for stored in self._stored.values() if len(stored.raw))
        return tuple(each for each in found if 0 <= each.offset <= len(data) - each.size)

    def tensors(self) -> tuple[WeightTensor, ...]:
        return tuple(weight_tensor(self._stored[key], use) for key, use in self._uses.items())


def _region(stored: Stored, offset: int) -> Region:
    """A grid with a row per output channel; depthwise filters of TFLite have theirs in the columns."""
    item_bytes = max(BITS[stored.dtype] // 8, 1)
    count = len(stored.raw) // item_bytes
    rows = next((size for size in stored.shape[:-1] if size > 1), 1)
    return Region(offset, item_bytes, *((rows, count // rows) if count % rows == 0 else (1, count)))


def _address(raw: memoryview) -> int:
    return int(np.frombuffer(raw, np.uint8).ctypes.data)
