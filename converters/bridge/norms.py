"""Batch norms kept as one operator, for whoever trains the graph on: statistics follow what a compression step does.

Keras on torch computes them out of their parts, which the other passes would put into the weights. For child processes
only.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.fx import GraphModule, Node

from converters.bridge import layers
from converters.bridge.shapes import aten, constant, keep

_MINUS = (aten.sub.Tensor, aten.subtract.Tensor)
_TIMES = (aten.mul.Tensor, aten.multiply.Tensor)
_VIEWS = {aten.view.default, aten._unsafe_view.default, aten.reshape.default}
_FILLED = {aten.ones_like.default, aten.zeros_like.default}
_MOMENTUM = 0.1  # torch's own; Keras keeps it in the layer, and not in the graph


@dataclass(frozen=True)
class _Norm:
    """source: what is normed, channels last; result: the node that gives the outcome. constants: scale, offset, mean,
    variance, each [channels]."""

    source: Node
    result: Node
    constants: tuple[torch.Tensor, ...]
    epsilon: float


def gather(module: GraphModule) -> None:
    """Put aten.batch_norm in the place of (x - mean) * (rsqrt(variance + epsilon) * scale) + offset."""
    for node in list(module.graph.nodes):
        found = _norm(module, node) if node.target is aten.rsqrt.default else None
        if found is not None:
            _put(module, found, node)
        elif node.target in _VIEWS:  # which the order that values have in memory behind torch's operator would break
            node.target = aten.reshape.default
    module.graph.eliminate_dead_code()


def _norm(module: GraphModule, rsqrt: Node) -> _Norm | None:
    plus = rsqrt.args[0]
    if plus.target is not aten.add.Tensor or not isinstance(plus.args[1], float):
        return None
    scaled, scale = _only(rsqrt, _TIMES)
    product, centred = _only(scaled, _TIMES)
    result, offset = _only(product, (aten.add.Tensor,))
    if centred is None or scale is None or offset is None or centred.target not in _MINUS:
        return None
    source, mean = centred.args
    value = source.meta.get("val") if isinstance(source, Node) else None
    if value is None or value.ndim not in (2, 3, 4) or len(centred.users) > 1:
        return None
    if value.ndim == 3 and _is_dense(source):  # its weights take the norm; torch's would want a permutation
        return None
    held = [_of_last_axis(module, each, value.shape[-1]) for each in (scale, offset, mean, plus.args[0])]
    constants = tuple(each for each in held if each is not None)
    if len(constants) < len(held):
        return None
    return _Norm(source=source, result=result, constants=constants, epsilon=plus.args[1])


def _is_dense(node: Node) -> bool:
    """A matrix product with a constant, and perhaps a bias."""
    if node.target is aten.add.Tensor:
        node = next((each for each in node.all_input_nodes if each.target in layers.PRODUCTS), node)
    return node.target in layers.PRODUCTS


def _only(node: Node | None, targets: tuple[object, ...]) -> tuple[Node | None, Node | None]:
    """The one user of a node, and what it takes beside the node; nothing where there are others, or it is no such
    call."""
    users = list(node.users) if node is not None else []
    if len(users) != 1 or users[0].target not in targets or users[0].kwargs:
        return None, None
    first, second = users[0].args
    other = second if first is node else first
    return (users[0], other) if isinstance(other, Node) else (None, None)


def _of_last_axis(module: GraphModule, node: object, channels: int) -> torch.Tensor | None:
    """The constant behind reshapes, [channels], when it holds one value for each place along the last axis."""
    if not isinstance(node, Node):
        return None
    tensor = _held(module, node)
    if tensor is None or tensor.numel() != channels or tuple(tensor.shape) != (*[1] * (tensor.ndim - 1), channels):
        return None
    return tensor.reshape(-1)


def _held(module: GraphModule, node: Node) -> torch.Tensor | None:
    """Keras gives a norm without a scale ones, and one without an offset zeros."""
    tensor = constant(module, node)
    if tensor is not None or node.op != "call_function":
        return tensor
    before = _held(module, node.args[0]) if node.target in _VIEWS | _FILLED and isinstance(node.args[0], Node) else None
    return None if before is None else node.target(before, *node.args[1:])


def _put(module: GraphModule, norm: _Norm, rsqrt: Node) -> None:
    """torch's operator wants channels second; the permutations meet those of the layers around it."""
    rank = norm.source.meta["val"].ndim
    front, back = [0, rank - 1, *range(1, rank - 1)], [0, *range(2, rank), 1]
    with module.graph.inserting_before(norm.result):
        turned = module.graph.call_function(aten.permute.default, (norm.source, front)) if rank > 2 else norm.source
        kept = [keep(module, norm.result, tensor) for tensor in norm.constants]
        arguments = (turned, *kept, False, _MOMENTUM, norm.epsilon, False)
        result = module.graph.call_function(aten.batch_norm.default, arguments)
        layers.pass_name(rsqrt, result)
        if rank > 2:
            result = module.graph.call_function(aten.permute.default, (result, back))
    norm.result.replace_all_uses_with(result)
