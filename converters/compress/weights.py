"""The weights of a model that compression is about: what convolutions, dense and recurrent layers multiply with.

Imports torch: for child processes only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import nn

from harness.records import Record

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_STEM_CHANNELS = 4


class Weight(Record, frozen=True, kw_only=True):
    """One weight tensor, once even when layers share it. name: as in state_dict(). parameter: the tensor itself.

    kind: `stem` is a convolution that reads at most 4 channels, the input's as a rule.
    """

    name: str
    parameter: Any
    kind: Literal["dense", "convolution", "stem", "depthwise", "transposed", "recurrent"]

    @property
    def inputs(self) -> int:
        """Neighbours in a row that belong to the same place of a kernel: its input channels."""
        axis = 0 if self.kind == "transposed" else 1
        return int(self.parameter.shape[axis])

    def rows(self) -> torch.Tensor:
        """A view or copy [output channels, what each multiplies], neighbours along the input channels.

        This is the order of both runtimes' kernels, where blocks and patterns such as 2:4 count.
        """
        return to_rows(self.parameter.detach(), self.kind)


def to_rows(values: torch.Tensor, kind: str) -> torch.Tensor:
    if kind == "transposed":  # [in, out, ...]
        values = values.transpose(0, 1)
    if values.dim() > 2:
        values = values.movedim(1, -1)
    return values.reshape(values.shape[0], -1)


def from_rows(rows: torch.Tensor, like: torch.Tensor, kind: str) -> torch.Tensor:
    """The inverse of to_rows(), in the shape of `like`."""
    shape = list(like.shape)
    if kind == "transposed":
        shape[0], shape[1] = shape[1], shape[0]
    if like.dim() > 2:
        rows = rows.reshape(shape[0], *shape[2:], shape[1]).movedim(-1, 1)
    rows = rows.reshape(shape)
    return (rows.transpose(0, 1) if kind == "transposed" else rows).contiguous()


def of(model: nn.Module) -> list[Weight]:
    """All weights of the model, in the order of its layers."""
    found: dict[int, Weight] = {}
    for path, layer in model.named_modules():
        for name, kind in _named(layer):
            parameter = getattr(layer, name)
            if isinstance(parameter, torch.Tensor) and parameter.is_floating_point():
                full = f"{path}.{name}" if path else name
                found.setdefault(id(parameter), Weight(name=full, parameter=parameter, kind=kind))
    return list(found.values())


def _named(layer: nn.Module) -> list[tuple[str, Any]]:
    if isinstance(layer, _CONVOLUTIONS):
        return [("weight", _convolution(layer))]
    if isinstance(layer, _TRANSPOSED):
        return [("weight", "depthwise" if layer.groups > 1 else "transposed")]
    if isinstance(layer, (nn.Linear, nn.Bilinear)):
        return [("weight", "dense")]
    if isinstance(layer, nn.RNNBase):
        names = [name for name, _ in layer.named_parameters(recurse=False) if name.startswith("weight_")]
        return [(name, "recurrent") for name in names]
    if isinstance(layer, nn.MultiheadAttention) and layer.in_proj_weight is not None:
        return [("in_proj_weight", "dense")]
    return []


def _convolution(layer: Any) -> str:
    if layer.groups > 1 and layer.groups == layer.in_channels:
        return "depthwise"
    return "stem" if layer.in_channels // layer.groups <= _STEM_CHANNELS else "convolution"


def holder(chosen: list[Weight], *, zeros: bool, shared: bool) -> Callable[[int, int], None]:
    """An after_step that keeps what earlier steps made of these weights, as they are now, while they are trained.

    zeros: what is 0 stays 0. shared: what is equal within a tensor stays equal, at the mean of what it became.
    """
    kept = [(weight.parameter, _Kept(weight.parameter.detach(), shared)) for weight in chosen]

    def hold(step: int, total: int) -> None:
        with torch.no_grad():
            for parameter, before in kept:
                before.hold(parameter, zeros)

    return hold


class _Kept:
    def __init__(self, values: torch.Tensor, shared: bool) -> None:
        self._live = values != 0
        self._group: torch.Tensor | None = None
        if shared:
            _, self._group = values.flatten().unique(return_inverse=True)

    def hold(self, parameter: torch.Tensor, zeros: bool) -> None:
        if self._group is not None:
            flat = parameter.flatten()
            count = torch.bincount(self._group).to(flat.dtype)
            means = torch.zeros_like(count).index_add_(0, self._group, flat) / count
            parameter.copy_(means[self._group].view_as(parameter))
        if zeros:
            parameter.masked_fill_(~self._live, 0)  # a product would leave zeros of both signs, which zip badly
