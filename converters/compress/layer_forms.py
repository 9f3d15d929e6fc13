"""The layers of a model that low rank can split, and why the others cannot be.

Imports torch: for child processes only.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from converters.compress import factors, multiplyadds
from converters.compress.multiplyadds import Tensors
from converters.compress.ranks import Form


def of_model(model: nn.Module, arguments: Tensors) -> tuple[dict[str, Form], dict[str, str]]:
    """The form of every layer that one call runs and that can be split, by name, and the reason why not for the other
    convolutions and dense layers."""
    shared = Counter(id(parameter) for part in model.modules() for parameter in part._parameters.values())
    forms: dict[str, Form] = {}
    left: dict[str, str] = {}
    for name, (read, written) in _shapes(model, arguments).items():
        layer: Any = model.get_submodule(name)
        reason = _unsplittable(layer, shared)
        if reason:
            left[name] = reason
        else:
            forms[name] = _form(layer, read, written)
    return forms, left


def _form(layer: Any, read: torch.Size, written: torch.Size) -> Form:
    outs, ins = layer.weight.shape[:2]
    kernel = math.prod(layer.weight.shape[2:])
    return Form(
        read=ins,
        written=outs,
        kernel=kernel,
        reads_at=math.prod(read) // ins,
        writes_at=math.prod(written) // outs,
    )


def _unsplittable(layer: Any, shared: Counter[int]) -> str:
    if not isinstance(layer, (nn.Linear, nn.Conv2d)):
        return f"a {type(layer).__name__} is not split"
    if getattr(layer, "groups", 1) > 1:
        return "a depthwise convolution has no rank to lose" if layer.groups == layer.in_channels else "it has groups"
    if parametrize.is_parametrized(layer) or not isinstance(layer.weight, nn.Parameter):
        return "its weight is computed from others"
    if shared[id(layer.weight)] > 1:
        return "its weight is shared with another layer"
    if not factors.pointwise(layer) and getattr(layer, "padding_mode", "zeros") != "zeros":
        return f"its padding is `{layer.padding_mode}`"
    return ""


def _shapes(model: nn.Module, arguments: Tensors) -> dict[str, tuple[torch.Size, torch.Size]]:
    """What each layer reads and writes in one call."""
    found: dict[str, tuple[torch.Size, torch.Size]] = {}

    def note(name: str, layer: nn.Module, read: torch.Tensor, written: torch.Tensor) -> None:
        found[name] = (read.shape, written.shape)

    multiplyadds.listen(model, arguments, note)
    return found
