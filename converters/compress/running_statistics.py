"""Means and variances of batch norms in a model that lost channels: measured anew where that helps, else held still.

They are often not those of the data at hand (a backbone that was trained on other images, say), and then measuring them
anew, which training does by itself, breaks more than the lost channels did. The outputs tell. Imports torch: for child
processes only.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from converters.compress import sensitivity
from converters.compress.multiplyadds import Tensors
from converters.compress.sampling import rows_of

_NORMS = nn.modules.batchnorm._BatchNorm
_ROWS_AT_LEAST = 8  # in a batch: the spread of fewer says little


def renewed(model: nn.Module, reference: nn.Module, batches: Sequence[Tensors]) -> tuple[nn.Module, bool]:
    """The model whose outputs are nearer to the reference's: with statistics measured anew (True), or as it is."""
    if not _norms(model) or rows_of(batches[0]) < _ROWS_AT_LEAST:
        return model, False
    anew = copy.deepcopy(model)
    measure(anew, batches)
    better = sensitivity.distance(anew, reference, batches) < sensitivity.distance(model, reference, batches)
    return (anew, True) if better else (model, False)


def measure(model: nn.Module, batches: Iterable[Tensors]) -> None:
    """Set running means and variances to those of the batches' activations, every batch counting alike.

    Only batch norms are put into train mode, so dropout stays off.
    """
    kept = [(norm, norm.momentum, norm.training) for norm in _norms(model)]
    for norm, _, _ in kept:
        norm.reset_running_stats()
        norm.momentum = None  # the plain average over all batches
        norm.train()
    try:
        with torch.no_grad():
            for batch in batches:
                model(*batch)
    finally:
        for norm, momentum, training in kept:
            norm.momentum = momentum
            norm.train(training)


@contextmanager
def held(model: nn.Module) -> Iterator[None]:
    """Within it, training neither uses nor moves the statistics: batch norms are in eval mode whatever train() says."""
    norms = _norms(model)
    for norm in norms:
        norm.eval()
        norm.train = _staying(norm)
    try:
        yield
    finally:
        for norm in norms:
            norm.__dict__.pop("train", None)  # gone already where one hold was within another


def _staying(norm: nn.Module):  # type: ignore[no-untyped-def]
    def train(mode: bool = True) -> nn.Module:
        return norm

    return train


def _norms(model: nn.Module) -> list[nn.Module]:
    return [part for part in model.modules() if isinstance(part, _NORMS) and part.track_running_stats]
