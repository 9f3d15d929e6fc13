"""Int8 arithmetic simulated in float: what runs sees its weights and activations rounded as the runtimes round them.

It works by listening to torch's functions, so it needs no traced graph and leaves nothing behind in the model. Weights
lie on the grid that both converters use: symmetric, the largest of a scale's values at 127. Activations are rounded
where an operator that multiplies or adds reads them, so behind a ReLU and not before it, as in the fused kernels.
Imports torch: for child processes only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

TOP = 127  # of symmetric int8 weights
_LOWEST, _HIGHEST = -128, 127  # of activations
_MOMENTUM = 0.05

# Functions with a weight as their second argument -> the axis of it that counts output channels.
_LAYERS: dict[Any, int] = {
    functional.conv1d: 0,
    functional.conv2d: 0,
    functional.conv3d: 0,
    functional.linear: 0,
    functional.conv_transpose1d: 1,
    functional.conv_transpose2d: 1,
    functional.conv_transpose3d: 1,
}
# What else reads integers: it adds, multiplies or averages, or puts tensors of different scales into one.
_READERS = {
    *(getattr(torch.Tensor, name) for name in ("__add__", "__radd__", "__iadd__", "add", "add_", "__sub__", "sub")),
    *(getattr(torch.Tensor, name) for name in ("__mul__", "__rmul__", "__imul__", "mul", "mean", "matmul", "bmm")),
    *(torch.add, torch.sub, torch.mul, torch.mean, torch.matmul, torch.bmm, torch.cat, torch.stack),
    *(functional.avg_pool1d, functional.avg_pool2d, functional.adaptive_avg_pool1d, functional.adaptive_avg_pool2d),
    *(functional.softmax, torch.softmax, torch.sigmoid, torch.tanh, functional.hardswish, functional.gelu),
    *(functional.silu, functional.interpolate, functional.layer_norm),
    *(torch.multiply, torch.subtract, torch.layer_norm),  # as exported graphs have them
}


class Rounded(torch.autograd.Function):  # type: ignore[misc]  # torch is not type-checked here
    """Quantize and dequantize; gradients pass where the value lies inside the range (straight-through)."""

    @staticmethod
    def forward(context: Any, values: Any, scale: Any, zero: Any, limits: tuple[int, int]) -> Any:
        whole = torch.round(values / scale) + zero
        context.save_for_backward((whole >= limits[0]) & (whole <= limits[1]))
        return (whole.clamp(*limits) - zero) * scale

    @staticmethod
    def backward(context: Any, gradient: Any) -> Any:
        return gradient * context.saved_tensors[0], None, None, None


def round_weight(values: torch.Tensor, axis: int, per_tensor: bool) -> torch.Tensor:
    """Onto 255 steps per output channel (or for the whole tensor); what lies on such a grid stays as it is."""
    found = values.detach().abs()
    if per_tensor:
        largest = found.max()
    else:
        largest = found.amax([each for each in range(values.dim()) if each != axis], keepdim=True)
    return Rounded.apply(values, (largest / TOP).clamp_min(1e-12), 0.0, (-TOP, TOP))


class Range(nn.Module):  # type: ignore[misc]
    """The range of one activation, with 0 always inside: while training a moving average of each sample's minimum and
    maximum, as LiteRT's quantizer finds it too; the extremes of whole batches would be wider than where it cuts."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("low", torch.tensor(0.0))
        self.register_buffer("high", torch.tensor(0.0))
        self.register_buffer("seen", torch.tensor(0.0))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        if self.training:
            samples = values.detach().flatten(1) if values.dim() > 1 else values.detach()[None]
            weight = _MOMENTUM if bool(self.seen) else 1.0
            self.low.lerp_(samples.amin(1).mean().clamp(max=0), weight)
            self.high.lerp_(samples.amax(1).mean().clamp(min=0), weight)
            self.seen.fill_(1.0)
        if not bool(self.seen):
            return values
        scale = ((self.high - self.low) / (_HIGHEST - _LOWEST)).clamp_min(1e-12)
        zero = torch.round(_LOWEST - self.low / scale)
        return Rounded.apply(values, scale, zero, (_LOWEST, _HIGHEST))


class Simulated(nn.Module):  # type: ignore[misc]
    """The model with int8 arithmetic simulated; its parameters are the model's own.

    ranges: one per place in the order of execution that reads an activation, so forward() must run the same way each
    time. rounded: ids of the parameters that were seen as weights of a layer, with the axis of their output channels.
    """

    def __init__(self, model: nn.Module, *, per_tensor: bool) -> None:
        super().__init__()
        self.model = model
        self.ranges = nn.ModuleList()
        self.rounded: dict[int, int] = {}
        self._per_tensor = per_tensor
        self._weights = {id(parameter) for parameter in model.parameters()}

    def forward(self, *arguments: torch.Tensor) -> Any:
        with _Listener(self) as listener:
            outputs = self.model(*arguments)
        return torch.utils._pytree.tree_map(listener.activation, outputs)

    def weight(self, values: torch.Tensor, axis: int) -> torch.Tensor:
        self.rounded[id(values)] = axis
        return round_weight(values, axis, self._per_tensor)

    def is_weight(self, value: Any) -> bool:
        return id(value) in self._weights

    def bake(self) -> int:
        """Round the model's weights for good; how many tensors that were."""
        chosen = [parameter for parameter in self.model.parameters() if id(parameter) in self.rounded]
        with torch.no_grad():
            for parameter in chosen:
                parameter.copy_(round_weight(parameter, self.rounded[id(parameter)], self._per_tensor))
        return len(chosen)


class _Listener(TorchFunctionMode):  # type: ignore[misc]
    """Rounds what the functions that are called under it read; one per call of the model."""

    def __init__(self, simulated: Simulated) -> None:
        super().__init__()
        self._simulated = simulated
        self._next = 0
        self._known: dict[int, tuple[Any, Any]] = {}  # a tensor that several operators read has one scale

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, called = kwargs or {}, _called(func)
        axis = _LAYERS.get(called)
        if axis is not None and len(args) > 1:
            weight = args[1]
            rounded = self._simulated.weight(weight, axis) if self._simulated.is_weight(weight) else weight
            return func(self.activation(args[0]), rounded, *args[2:], **kwargs)
        if called in _READERS:
            return func(*_mapped(self.activation, args), **kwargs)
        return func(*args, **kwargs)

    def activation(self, value: Any) -> Any:
        """Only float tensors that are no parameters; single numbers have no scale of their own."""
        if not isinstance(value, torch.Tensor) or not value.is_floating_point() or value.numel() < 2:
            return value
        if isinstance(value, nn.Parameter):
            return value
        known = self._known.get(id(value))
        if known is None:
            known = self._known[id(value)] = (value, self._range()(value))
            self._known[id(known[1])] = (known[1], known[1])
        return known[1]

    def _range(self) -> Range:
        ranges = self._simulated.ranges
        if self._next == len(ranges):
            ranges.append(Range().train(self._simulated.training))
        self._next += 1
        return ranges[self._next - 1]  # type: ignore[no-any-return]


def _called(func: Any) -> Any:
    """The function that people write for an operator that an exported graph names: torch.add for aten.add.Tensor."""
    if not isinstance(func, torch._ops.OpOverload):
        return func
    name = str(func._opname).rstrip("_")
    return getattr(torch, name, getattr(functional, name, func))


def _mapped(function: Any, arguments: Iterable[Any]) -> list[Any]:
    """One level of nesting: torch.cat takes a list of tensors."""
    return [
        type(each)(map(function, each)) if isinstance(each, (list, tuple)) else function(each) for each in arguments
    ]
