"""Patterns in the values of one stored weight: zeros in groups, as in 2:4, and values shared by an output channel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from converters.contents.values import Values, distinct_in

GROUP_SIZES = (2, 4, 8, 16)
LOOKED_AT_FROM = 0.2  # share of zeros: below it there is no pattern of zeros to look for
_PLANAR = "aten::convolution"  # [out, in, height, width]; everything else keeps the input channels last


def distinct_per_channel(values: Values, shape: tuple[int, ...]) -> int:
    """The most different values in any one output channel: at most k after clustering each channel to k.

    Output channels lie on the first axis, those of a depthwise weight (first axis 1) on the last.
    """
    if len(shape) < 2 or not values.size:
        return distinct_in(values)
    rows = values.reshape(shape[0], -1) if shape[0] > 1 else values.reshape(-1, shape[-1]).T
    ordered = np.sort(rows, axis=1)
    return int((ordered[:, 1:] != ordered[:, :-1]).sum(axis=1).max(initial=0)) + 1


def groups(non_zero: NDArray[np.bool_], shape: tuple[int, ...], operator: str) -> dict[int, tuple[int, ...]]:
    """How many groups of 2, 4, 8 and 16 neighbours along the input channels have 0, 1, 2 ... non-zeros.

    2:4 holds where no group of 4 has 3 or 4. A size that does not divide the channels is left out, and so is a tensor
    with few zeros, or with one output channel (a depthwise weight).
    """
    if len(shape) < 2 or shape[0] == 1 or not non_zero.size or non_zero.mean() > 1 - LOOKED_AT_FROM:
        return {}
    laid_out = non_zero.reshape(shape)
    if operator.startswith(_PLANAR):
        laid_out = np.moveaxis(laid_out, 1, -1)
    channels = laid_out.shape[-1]
    return {size: _counts(laid_out, size) for size in GROUP_SIZES if channels % size == 0}


def _counts(laid_out: NDArray[np.bool_], size: int) -> tuple[int, ...]:
    kept = laid_out.reshape(-1, size).sum(axis=1)
    return tuple(np.bincount(kept, minlength=size + 1).tolist())
