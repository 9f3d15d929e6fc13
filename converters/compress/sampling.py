"""Calibration samples put together into larger batches, where the model takes them.

Imports torch: for child processes only.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from converters.compress.multiplyadds import Tensors

_REFUSALS = (RuntimeError, ValueError, TypeError, IndexError, AssertionError, NotImplementedError)


def together(model: nn.Module, batches: Sequence[Tensors], rows: int) -> list[Tensors]:
    """The samples in batches of `rows` (the last one smaller); as they are where the model is bound to its batch."""
    whole = tuple(torch.cat(column) for column in zip(*batches, strict=True)) if batches[0][0].dim() else ()
    if not whole or len({len(column) for column in whole}) != 1:
        return list(batches)
    joined = list(zip(*(column.split(rows) for column in whole), strict=True))
    return joined if _takes(model, joined[0]) else list(batches)


def split(batch: Tensors, rows: int) -> list[Tensors]:
    """A batch that was put together, in smaller ones."""
    if rows_of(batch) <= rows or len({rows_of((column,)) for column in batch}) != 1:
        return [batch]
    return list(zip(*(column.split(rows) for column in batch), strict=True))


def first_rows(batches: Sequence[Tensors], rows: int) -> list[Tensors]:
    """So many of the batches that they have at least `rows` together, all of them where they have not."""
    found, count = [], 0
    for batch in batches:
        if count >= rows:
            break
        found.append(batch)
        count += rows_of(batch)
    return found


def rows_of(batch: Tensors) -> int:
    return len(batch[0]) if batch[0].dim() else 1


def _takes(model: nn.Module, batch: Tensors) -> bool:
    try:
        with torch.no_grad():
            leaves = torch.utils._pytree.tree_leaves(model(*batch))
    except _REFUSALS:
        return False
    outputs = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
    return all(output.dim() > 0 and len(output) == rows_of(batch) for output in outputs)
