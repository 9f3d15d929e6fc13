"""The multiply-adds of a torch model's layers: the price that channel pruning and low rank lower.

Imports torch: for child processes only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from harness.errors import ConversionError
from harness.records import Step

Tensors = tuple[torch.Tensor, ...]
COUNTED = (nn.modules.conv._ConvNd, nn.Linear)


def per_layer(model: nn.Module, arguments: Tensors) -> dict[str, int]:
    """Multiply-adds of every convolution and dense layer in one call with `arguments`, by the layer's name.

    A layer that is called twice counts twice; one that is not called is not there. Products of two activations, as in
    attention, are not counted: no weight has a part in them.
    """
    found: dict[str, int] = {}

    def count(name: str, layer: nn.Module, read: torch.Tensor, written: torch.Tensor) -> None:
        found[name] = found.get(name, 0) + _of(layer, read, written)

    listen(model, arguments, count)
    return found


def listen(
    model: nn.Module, arguments: Tensors, hear: Callable[[str, nn.Module, torch.Tensor, torch.Tensor], None]
) -> None:
    """One call with `arguments`, in which hear(name, layer, input, output) is told of every call of a counted layer."""

    def telling(name: str) -> Callable[..., None]:
        return lambda layer, inputs, output: hear(name, layer, inputs[0], output)

    layers = [(name, layer) for name, layer in model.named_modules() if isinstance(layer, COUNTED)]
    hooks = [layer.register_forward_hook(telling(name)) for name, layer in layers]
    try:
        with torch.no_grad():
            model(*arguments)
    finally:
        for hook in hooks:
            hook.remove()


def asked(step: Step) -> float:
    """The share of multiply-adds that a step wants to be rid of. Raises ConversionError outside of 0..1."""
    text = step.arguments[0] if step.arguments else ""
    share = float(text) if text.replace(".", "", 1).isdigit() else math.nan
    if not 0 < share < 1:
        raise ConversionError(
            f"{step.name}({text}) asks for a share of the multiply-adds that is not between 0 and 1",
            remedy=f"write {step.name}(0.3) for 30 % fewer",
        )
    return share


def total(model: nn.Module, arguments: Tensors) -> int:
    return sum(per_layer(model, arguments).values())


def _of(layer: Any, read: torch.Tensor, written: torch.Tensor) -> int:
    """A weight's row works once per value that is written; a transposed convolution's once per value that is read."""
    values = read if getattr(layer, "transposed", False) else written
    return int(values.numel() * math.prod(layer.weight.shape[1:]))
