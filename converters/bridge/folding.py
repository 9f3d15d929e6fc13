"""Constants per channel go into the weights and bias of the layer before them, or become a layer of their own."""

from __future__ import annotations

import torch
from torch.fx import GraphModule, Node

from converters.bridge.shapes import aten, call, constant, keep, replace, shape_of

_CONVOLUTIONS = {aten.conv1d.default, aten.conv2d.default, aten.conv1d.padding, aten.conv2d.padding}
_TRANSPOSED = {aten.conv_transpose1d.default, aten.conv_transpose2d.input}
_PLUS, _MINUS = {aten.add.Tensor}, {aten.sub.Tensor, aten.subtract.Tensor}
_TIMES, _OVER = {aten.mul.Tensor, aten.multiply.Tensor}, {aten.div.Tensor, aten.divide.Tensor}


def absorb(module: GraphModule) -> bool:
    """One sweep: every `layer, then + - * / a constant per channel` becomes the layer; whether there was any."""
    changed = False
    for node in list(module.graph.nodes):
        if _is_affine(node):
            changed |= _absorb(module, node)
    module.graph.eliminate_dead_code()
    return changed


def make_layers(module: GraphModule) -> bool:
    """One sweep: constants per channel of an image without a layer before them, as norms at the start of a block, turn
    into a depthwise 1x1 convolution; whether there were any. Images are NHWC in XNNPACK, and ExecuTorch does not turn
    the constants of a sum or a product round with them."""
    changed = False
    for node in list(module.graph.nodes):
        if _is_affine(node):
            changed |= _absorb(module, node) or _make_layer(module, node)
    module.graph.eliminate_dead_code()
    return changed


def _is_affine(node: Node) -> bool:
    return node.target in _PLUS | _MINUS | _TIMES | _OVER and not node.kwargs


def _make_layer(module: GraphModule, node: Node) -> bool:
    image, other = node.args[:2]
    if node.target in _PLUS | _TIMES and constant(module, image) is not None:
        image, other = other, image
    tensor = constant(module, other)
    if tensor is None or tensor.numel() == 1 or not isinstance(image, Node) or len(shape_of(node)) != 4:
        return False
    value = _per_channel(module, other, node)
    if value is None or shape_of(image) != shape_of(node):
        return False
    channels = value.shape[0]
    weight, bias = _combined(node, torch.ones(channels, 1, 1, 1), torch.zeros(channels), value)
    kept = (keep(module, node, weight), keep(module, node, bias))
    how = ([1, 1], [0, 0], [1, 1], channels)
    replace(node, call(node, aten.conv2d.default, (image, *kept, *how), shape_of(node)))
    return True


def _absorb(module: GraphModule, node: Node) -> bool:
    layer, other = node.args[:2]
    if node.target in _PLUS | _TIMES and not _is_layer(layer):
        layer, other = other, layer
    if not _is_layer(layer) or len(layer.users) != 1:
        return False
    weight = constant(module, layer.args[1])
    value = _per_channel(module, other, layer)
    if weight is None or value is None or (_grouped_backwards(layer) and node.target in _TIMES | _OVER):
        return False
    given = constant(module, layer.args[2]) if len(layer.args) > 2 else None
    bias = torch.zeros(value.shape[0], dtype=weight.dtype) if given is None else given
    weight, bias = _combined(node, weight, bias, value, axis=int(layer.target in _TRANSPOSED))
    kept = (keep(module, layer, weight), keep(module, layer, bias))
    layer.args = (layer.args[0], *kept, *layer.args[3:])
    replace(node, layer)
    return True


def _combined(
    node: Node, weight: torch.Tensor, bias: torch.Tensor, value: torch.Tensor, axis: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """axis: of the weight, along which its output channels lie."""
    if node.target in _PLUS:
        return weight, bias + value
    if node.target in _MINUS:
        return weight, bias - value
    factor = value if node.target in _TIMES else 1 / value
    return weight * factor.reshape([-1 if place == axis else 1 for place in range(weight.ndim)]), bias * factor


def _is_layer(node: object) -> bool:
    return isinstance(node, Node) and node.target in _CONVOLUTIONS | _TRANSPOSED | {aten.linear.default}


def _grouped_backwards(layer: Node) -> bool:
    """A transposed convolution with groups, whose weight has no axis with all output channels."""
    return layer.target in _TRANSPOSED and len(layer.args) > 6 and layer.args[6] != 1


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
    if whole.shape[axis] not in (1, shape[axis]):  # the layer's one channel becomes many
        return None
    return whole.reshape(-1).expand(shape[axis])
