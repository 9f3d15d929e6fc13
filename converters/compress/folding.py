"""Folds batch-norm into the convolution or dense layer before it, found by running the model once.

What runs is followed tensor by tensor, so that it works for any forward(), without tracing: a pair is folded when each
of the two runs once and nothing but the batch-norm reads the layer's output. Imports torch: for child processes only.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval
from torch.overrides import TorchFunctionMode

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
# They ask for a tensor's shape or type, and read no values.
_QUESTIONS = {"__get__", "dim", "size", "ndimension", "numel", "stride", "is_contiguous", "is_floating_point"}


class _Readers(TorchFunctionMode):  # type: ignore[misc]  # torch is not type-checked here
    """Counts, per tensor, the functions that read it; it keeps the tensors alive, so that their ids stay their own."""

    def __init__(self) -> None:
        super().__init__()
        self.count: dict[int, int] = {}
        self._kept: list[Any] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") not in _QUESTIONS:
            for leaf in torch.utils._pytree.tree_leaves((args, kwargs or {})):
                if isinstance(leaf, torch.Tensor):
                    self.note(leaf)
        return func(*args, **(kwargs or {}))

    def note(self, tensor: torch.Tensor) -> None:
        self.count[id(tensor)] = self.count.get(id(tensor), 0) + 1
        self._kept.append(tensor)


class _Watch:
    """Which modules ran how often, what they read and what they gave."""

    def __init__(self, model: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
        self.runs: dict[nn.Module, int] = {}
        self.source: dict[int, nn.Module] = {}
        self.read: dict[nn.Module, int] = {}
        self._kept: list[torch.Tensor] = []
        watched = [part for part in model.modules() if isinstance(part, (*_CONVOLUTIONS, nn.Linear, *_NORMS))]
        hooks = [part.register_forward_hook(self._heard) for part in watched]
        with torch.no_grad(), _Readers() as self.readers:
            outputs = model(*arguments)
        for leaf in torch.utils._pytree.tree_leaves(outputs):
            if isinstance(leaf, torch.Tensor):
                self.readers.note(leaf)
        for hook in hooks:
            hook.remove()

    def _heard(self, part: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        self.runs[part] = self.runs.get(part, 0) + 1
        if not inputs:
            return
        self.source[id(output)] = part
        self.read[part] = id(inputs[0])
        self._kept += [output, inputs[0]]

    def pairs(self) -> list[tuple[nn.Module, nn.Module]]:
        found = []
        for norm, tensor in self.read.items():
            layer = self.source.get(tensor)
            if not isinstance(norm, _NORMS) or norm.running_mean is None or isinstance(layer, (type(None), *_NORMS)):
                continue
            if self.runs[norm] == self.runs[layer] == self.readers.count.get(tensor, 0) == 1:
                found.append((layer, norm))
        return found


def fold(model: nn.Module, arguments: tuple[torch.Tensor, ...]) -> nn.Module:
    """A copy in eval mode with every batch-norm folded that can be; the outputs stay the same but for rounding."""
    model = copy.deepcopy(model).eval()
    for layer, norm in _Watch(model, arguments).pairs():
        if isinstance(layer, nn.Linear):
            folded: nn.Module = fuse_linear_bn_eval(layer, norm)
        else:
            folded = fuse_conv_bn_eval(layer, norm, transpose=isinstance(layer, nn.modules.conv._ConvTransposeNd))
        with torch.no_grad():
            folded.weight.add_(0.0)  # a zero times a negative factor is -0.0, another value to whoever zips the file
        _replace(model, layer, folded)
        _replace(model, norm, nn.Identity())
    return model


def _replace(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    for parent in list(model.modules()):
        for name, child in list(parent._modules.items()):
            if child is old:
                parent._modules[name] = new
