"""Constants that follow a convolution or a matrix product go into its weights and bias."""

from __future__ import annotations

import torch
from torch.fx import GraphModule, Node

from converters.bridge.shapes import aten, constant, keep, replace, shape_of

_CONVOLUTIONS = {aten.conv1d.default, aten.conv2d.default, aten.conv1d.padding, aten.conv2d.padding}
_PLUS, _MINUS = {aten.add.Tensor}, {aten.sub.Tensor, aten.subtract.Tensor}
_TIMES, _OVER = {aten.mul.Tensor, aten.multiply.Tensor}, {aten.div.Tensor, aten.divide.Tensor}


def absorb(module: GraphModule) -> bool:
    """One sweep: every `layer, then + - * / a constant per channel` becomes the layer; whether there was any."""
    changed = False
    for node in list(module.graph.nodes):
        if node.target in _PLUS | _MINUS | _TIMES | _OVER and not node.kwargs:
            changed |= _absorb(module, node)
    module.graph.eliminate_dead_code()
    return changed


def _absorb(module: GraphModule, node: Node) -> bool:
    layer, other = node.args[:2]
    if node.target in _PLUS | _TIMES and not _is_layer(layer):
        layer, other = other, layer
    if not _is_layer(layer) or len(layer.users) != 1:
        return False
    weight = constant(module, layer.args[1])
    value = _per_channel(module, other, layer)
    if weight is None or value is None:
        return False
    given = constant(module, layer.args[2]) if len(layer.args) > 2 else None
    bias = torch.zeros(weight.shape[0]) if given is None else given
    weight, bias = _combined(node, weight, bias, value)
    kept = (keep(module, layer, weight), keep(module, layer, bias))
    layer.args = (layer.args[0], *kept, *layer.args[3:])
    replace(node, layer)
    return True


def _combined(
    node: Node, weight: torch.Tensor, bias: torch.Tensor, value: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    if node.target in _PLUS:
        return weight, bias + value
    if node.target in _MINUS:
        return weight, bias - value
    factor = value if node.target in _TIMES else 1 / value
    return weight * factor.reshape(-1, *[1] * (weight.ndim - 1)), bias * factor


def _is_layer(node: object) -> bool:
    return isinstance(node, Node) and (node.target in _CONVOLUTIONS or node.target is aten.linear.default)


def _per_channel(module: GraphModule, node: object, layer: Node) -> torch.Tensor | None:
    """The constant as one value per output channel; None when it is none, or varies along another axis."""
    shape = shape_of(layer)
    axis = len(shape) - 1 if layer.target is aten.linear.default else 1
    if isinstance(node, (int, float)):
        return torch.full((shape[axis],), float(node))
    tensor = constant(module, node)
    if tensor is None or tensor.ndim > len(shape):
        return None
    whole = tensor.reshape([1] * (len(shape) - tensor.ndim) + list(tensor.shape))
    if any(size != 1 for place, size in enumerate(whole.shape) if place != axis):
        return None
    return whole.reshape(-1).expand(shape[axis])
