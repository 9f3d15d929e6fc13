"""A layer split into thinner ones in a row: singular values for dense and 1x1 layers, Tucker-2 for larger kernels.

Imports torch: for child processes only.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from harness.records import Record

RIDGE = 0.01  # of the mean square of the inputs: a direction that no sample shows still counts for something
ROUNDS = 5  # of the alternating search for the Tucker factors; it has settled after three


class Rank(Record, frozen=True, kw_only=True):
    """read, written: channels between the first and the second layer, and (with a kernel) before the last one."""

    read: int
    written: int


def pointwise(layer: Any) -> bool:
    """Whether the layer is one matrix: dense, or a convolution with a kernel of one."""
    return isinstance(layer, nn.Linear) or all(size == 1 for size in layer.kernel_size)


def approximations(layer: Any, ranks: list[Rank], moment: torch.Tensor | None) -> dict[Rank, tuple[torch.Tensor, ...]]:
    """Per rank the factors of the layer's weight: (first, last), or (first, middle, last) with a kernel.

    moment: sum of x xT over the inputs x that the layer reads; then it is the error of what the layer writes that is as
    small as it can be, not that of its weights. Only for pointwise layers.
    """
    weight = layer.weight.detach().double()
    if not pointwise(layer):
        return {rank: _tucker(weight, rank) for rank in ranks}
    left, values, right = _singular(weight.flatten(1), moment)
    return {rank: _halves(left, values, right, rank.read) for rank in ranks}


def product(factors: tuple[torch.Tensor, ...], like: torch.Tensor) -> torch.Tensor:
    """The weight that the factors stand for, shaped like the layer's own."""
    if len(factors) == 2:
        return (factors[1] @ factors[0]).reshape(like.shape).to(like.dtype)
    first, middle, last = factors
    return torch.einsum("op,pqhw,qi->oihw", last, middle, first).to(like.dtype)


def split(layer: Any, factors: tuple[torch.Tensor, ...]) -> nn.Sequential:
    """The thinner layers. The one with the kernel, stride and padding is of the layer's own class, which may pad in a
    way of its own."""
    if isinstance(layer, nn.Linear):
        first, last = factors
        return nn.Sequential(_linear(first, None), _linear(last, layer.bias)).train(layer.training)
    if len(factors) == 2:
        first, last = (factor[:, :, None, None] for factor in factors)
        return nn.Sequential(_core(layer, first), _conv(last, layer.bias)).train(layer.training)
    first, middle, last = factors
    parts = (_conv(first[:, :, None, None], None), _core(layer, middle), _conv(last[:, :, None, None], layer.bias))
    return nn.Sequential(*parts).train(layer.training)


def _singular(weight: torch.Tensor, moment: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """U, S and V with weight = U S V; with a moment, the singular values of what the layer writes."""
    if moment is None:
        left, singular, right = torch.linalg.svd(weight, full_matrices=False)
        return left, singular, right
    values, vectors = torch.linalg.eigh(moment.double())
    root = (values.clamp_min(0) + RIDGE * values.clamp_min(0).mean().clamp_min(1e-12)).sqrt()
    left, singular, right = torch.linalg.svd(weight @ (vectors * root), full_matrices=False)
    return left, singular, right @ (vectors / root).T


def _halves(left: torch.Tensor, values: torch.Tensor, right: torch.Tensor, rank: int) -> tuple[torch.Tensor, ...]:
    """Both with the square root of the singular values, so that neither is hard to quantize."""
    root = values[:rank].sqrt()
    return root[:, None] * right[:rank], left[:, :rank] * root


def _tucker(weight: torch.Tensor, rank: Rank) -> tuple[torch.Tensor, ...]:
    """Tucker-2 by higher-order orthogonal iteration (arXiv:1511.06530): weight [O, I, h, w] -> 1x1, h x w, 1x1."""
    reading = _basis(weight.transpose(0, 1), rank.read)
    for _ in range(ROUNDS):
        writing = _basis(torch.einsum("oihw,ir->orhw", weight, reading), rank.written)
        reading = _basis(torch.einsum("oihw,or->rihw", weight, writing).transpose(0, 1), rank.read)
    middle = torch.einsum("oihw,op,iq->pqhw", weight, writing, reading)
    return reading.T, middle, writing


def _basis(tensor: torch.Tensor, rank: int) -> torch.Tensor:
    """The first left singular vectors of the tensor laid out along its first axis."""
    flat = tensor.flatten(1)
    return torch.linalg.eigh(flat @ flat.T)[1].flip(1)[:, :rank]


def _linear(weight: torch.Tensor, bias: torch.Tensor | None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    return _filled(layer, weight, bias)


def _conv(weight: torch.Tensor, bias: torch.Tensor | None) -> nn.Conv2d:
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], 1, bias=bias is not None)
    return _filled(layer, weight, bias)


def _core(layer: Any, weight: torch.Tensor) -> Any:
    core = copy.deepcopy(layer)
    core.out_channels, core.in_channels = weight.shape[:2]
    core.bias = None
    core.weight = nn.Parameter(weight.float().contiguous())
    return core


def _filled(layer: Any, weight: torch.Tensor, bias: torch.Tensor | None) -> Any:
    layer.weight = nn.Parameter(weight.float().contiguous())
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().clone())
    return layer
