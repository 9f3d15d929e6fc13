"""Facts about the values of one stored tensor: zeros, distinct values, saturated biases, unpacked small integers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]

# Bits of one element per dtype, in numpy's words where numpy has the type; a type that it has not is read as bits.
BITS = {
    "float64": 64,
    "float32": 32,
    "float16": 16,
    "bfloat16": 16,
    "int64": 64,
    "int32": 32,
    "int16": 16,
    "int8": 8,
    "int4": 4,
    "int2": 2,
    "uint64": 64,
    "uint32": 32,
    "uint16": 16,
    "uint8": 8,
    "uint4": 4,
    "bool": 8,
    "complex64": 64,
    "complex128": 128,
    "float8_e4m3fn": 8,
    "float8_e5m2": 8,
}
_AS_BITS = {"bfloat16": "uint16", "float8_e4m3fn": "uint8", "float8_e5m2": "uint8"}
_SMALL_WEIGHTS = {"float32", "float64", "float16", "bfloat16", "int8", "uint8", "int16", "int4", "uint4", "int2"}
# An int32 bias this close to the end of its range was cut off: its scale is wrong, and the numbers with it.
_SATURATED_WITHIN = 1


def elements(shape: tuple[int, ...]) -> int:
    """Product of a shape; a dynamic dimension (-1) counts as 1."""
    count = 1
    for size in shape:
        count *= max(int(size), 1) if size < 0 else int(size)
    return count


def stored_size(count: int, dtype: str) -> int:
    """Bytes that `count` elements take, small integers packed."""
    return (count * BITS[dtype] + 7) // 8


def values_of(raw: memoryview, dtype: str, count: int) -> Values:
    """The elements of a stored tensor, flat; raises ValueError when the bytes do not hold that many."""
    if len(raw) < stored_size(count, dtype):
        raise ValueError(f"{count} elements of {dtype} need {stored_size(count, dtype)} bytes, {len(raw)} are there")
    if BITS[dtype] < 8:
        return unpacked(raw, BITS[dtype], signed=not dtype.startswith("u"))[:count]
    return np.frombuffer(raw, np.dtype(_AS_BITS.get(dtype, dtype)).newbyteorder("<"), count)


def unpacked(raw: memoryview, bits: int, *, signed: bool) -> NDArray[np.int8]:
    """2 or 4 bit integers, lowest bits first."""
    packed = np.frombuffer(raw, np.uint8)
    parts = [(packed >> shift) & (2**bits - 1) for shift in range(0, 8, bits)]
    codes = np.stack(parts, axis=1).reshape(-1).astype(np.int8)
    return np.where(codes >= 2 ** (bits - 1), codes - 2**bits, codes).astype(np.int8) if signed else codes


def is_zero(values: Values, dtype: str, zero_point: int | NDArray[np.int64] = 0) -> NDArray[np.bool_]:
    """Which elements stand for 0: equal to the zero point for quantized ones, +0 or -0 for floats."""
    if dtype in _AS_BITS:
        sign = 1 << (BITS[dtype] - 1)
        return np.asarray((values & (sign - 1)) == 0)
    return np.asarray(values == zero_point)


def distinct_in(values: Values) -> int:
    """How many different values there are: at most k after clustering to k, at most 256 for int8."""
    if values.dtype.itemsize == 1:
        return int(np.count_nonzero(np.bincount(values.view(np.uint8), minlength=1)))
    return int(np.unique(values).size)


def saturated_in(bias: Values) -> int:
    """How many elements of an integer bias lie at the end of their type's range."""
    if bias.dtype.kind != "i":
        return 0
    bounds = np.iinfo(bias.dtype)
    low, high = bounds.min + _SATURATED_WITHIN, bounds.max - _SATURATED_WITHIN
    return int(np.count_nonzero((bias <= low) | (bias >= high)))


def is_weight_like(shape: tuple[int, ...], dtype: str) -> bool:
    """Whether a constant that no multiply-add reads is a parameter all the same (an embedding, a mask, a table):
    numbers along at least two axes, and not the int32 / int64 of shapes, axes and indices."""
    return dtype in _SMALL_WEIGHTS and sum(size > 1 for size in shape) >= 2
