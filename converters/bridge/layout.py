"""Permutations are moved down through what works on each element alone, until they meet their inverse."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from torch.fx import GraphModule, Node

from converters.bridge.shapes import aten, call, constant, keep, replace, shape_of

_UNARY = {
    "relu", "relu6", "hardtanh", "clamp", "clamp_min", "clamp_max", "sigmoid", "tanh", "silu", "gelu", "hardswish",
    "hardsigmoid", "leaky_relu", "elu", "selu", "abs", "neg", "exp", "log", "sqrt", "rsqrt", "square", "softplus",
    "pow", "reciprocal", "sign", "floor", "round", "erf", "mish", "hardshrink", "softsign", "log_sigmoid",
}  # fmt: skip
_BINARY = {"add", "sub", "subtract", "mul", "multiply", "div", "divide", "maximum", "minimum"}
_REDUCING = {"mean", "sum", "amax", "amin"}


def sink_permutes(module: GraphModule) -> bool:
    """One sweep over the graph; whether it changed anything."""
    changed = False
    for node in list(module.graph.nodes):
        if node.op == "call_function":
            move = _MOVES.get(_name(node))
            changed |= move is not None and move(module, node)
    module.graph.eliminate_dead_code()
    return changed


def _name(node: Node) -> str:
    """`aten.relu_.default` is relu."""
    return str(getattr(node.target, "_opname", "")).rstrip("_")


def _dims(node: object) -> tuple[int, ...]:
    """The order of axes of a permute node, all counted from the front; empty for any other node."""
    if not isinstance(node, Node) or node.target is not aten.permute.default:
        return ()
    return tuple(dim % len(shape_of(node)) for dim in node.args[1])


def _inverse(dims: Sequence[int]) -> list[int]:
    return [list(dims).index(axis) for axis in range(len(dims))]


def _permuted(before: Node, source: Node, dims: Sequence[int]) -> Node:
    if list(dims) == sorted(dims):
        return source
    return call(before, aten.permute.default, (source, list(dims)), [shape_of(source)[dim] for dim in dims])


def _moved(node: Node, arguments: tuple[Any, ...], dims: Sequence[int]) -> bool:
    """Put the same call on `arguments` in its place, and the permutation behind it."""
    inner = call(node, node.target, arguments, [shape_of(node)[place] for place in _inverse(dims)])
    inner.kwargs = node.kwargs
    replace(node, _permuted(node, inner, dims))
    return True


def _permute(module: GraphModule, node: Node) -> bool:
    """Two permutations in a row are one, or none."""
    inner, outer = _dims(node.args[0]), _dims(node)
    if not inner:
        return False
    replace(node, _permuted(node, node.args[0].args[0], [inner[dim] for dim in outer]))
    return True


def _unary(module: GraphModule, node: Node) -> bool:
    dims = _dims(node.args[0])
    return bool(dims) and _moved(node, (node.args[0].args[0], *node.args[1:]), dims)


def _binary(module: GraphModule, node: Node) -> bool:
    """Both sides permuted alike, or one of them a number, a constant, or smaller than the result."""
    sides = node.args[:2]
    dims = next(filter(None, map(_dims, sides)), ())
    if len(dims) != len(shape_of(node)):
        return False
    turned = [_turned(module, node, side, dims) for side in sides]
    if any(side is None for side in turned):
        return False
    return _moved(node, (*turned, *node.args[2:]), dims)


def _turned(module: GraphModule, node: Node, side: Any, dims: tuple[int, ...]) -> Any:
    """What `side` is before the permutation `dims`; None where that would cost a permutation of its own."""
    if not isinstance(side, Node) or not shape_of(side):
        return side
    if _dims(side) == dims:
        return side.args[0]
    tensor = constant(module, side)
    if tensor is not None:
        whole = tensor.reshape([1] * (len(dims) - tensor.ndim) + list(tensor.shape))
        return keep(module, node, whole.permute(_inverse(dims)))
    small = len(shape_of(side)) == len(dims) and shape_of(side) != shape_of(node)
    return _permuted(node, side, _inverse(dims)) if small else None


def _reduce(module: GraphModule, node: Node) -> bool:
    """A mean over some axes is a mean over the axes that these were before."""
    dims = _dims(node.args[0])
    if not dims or len(node.args) < 2 or node.args[1] is None:
        return False
    given = node.args[1] if isinstance(node.args[1], (list, tuple)) else [node.args[1]]
    axes = sorted(dims[axis] for axis in given)
    arguments = (node.args[0].args[0], axes, *node.args[2:])
    if len(node.args) > 2 and node.args[2]:
        return _moved(node, arguments, dims)
    wanted = [axis for axis in dims if axis not in axes]
    order = [sorted(wanted).index(axis) for axis in wanted]
    inner = call(node, node.target, arguments, [shape_of(node)[place] for place in _inverse(order)])
    inner.kwargs = node.kwargs
    replace(node, _permuted(node, inner, order))
    return True


def _along(module: GraphModule, node: Node) -> bool:
    """softmax(x, axis)."""
    dims = _dims(node.args[0])
    return bool(dims) and _moved(node, (node.args[0].args[0], dims[node.args[1]], *node.args[2:]), dims)


def _cat(module: GraphModule, node: Node) -> bool:
    orders = {_dims(part) for part in node.args[0]}
    dims = orders.pop()
    if orders or not dims:
        return False
    axis = node.args[1] if len(node.args) > 1 else 0
    return _moved(node, ([part.args[0] for part in node.args[0]], dims[axis]), dims)


def _pad(module: GraphModule, node: Node) -> bool:
    """torch counts paddings from the last axis on."""
    dims = _dims(node.args[0])
    if not dims or node.args[2:3] not in ((), ("constant",), (0,), (0.0,)):
        return False
    pads = list(node.args[1]) + [0] * (2 * len(dims) - len(node.args[1]))
    by_axis = {dims[-1 - place]: pads[2 * place : 2 * place + 2] for place in range(len(dims))}
    turned = [amount for axis in reversed(range(len(dims))) for amount in by_axis[axis]]
    while turned[-2:] == [0, 0]:
        turned = turned[:-2]
    return _moved(node, (node.args[0].args[0], turned, *node.args[2:]), dims)


def _view(module: GraphModule, node: Node) -> bool:
    """A permutation that only moves axes of length one changes nothing that a view could see; one in front of a
    flattening is done to the columns of the dense layers behind it instead."""
    dims = _dims(node.args[0])
    if not dims:
        return False
    before = shape_of(node.args[0].args[0])
    long = [dim for dim in dims if before[dim] != 1]
    if long != sorted(long) and not _turn_columns(module, node, dims, before):
        return False
    node.update_arg(0, node.args[0].args[0])
    return True


def _turn_columns(module: GraphModule, node: Node, dims: tuple[int, ...], before: tuple[int, ...]) -> bool:
    """Flatten, then dense, with the samples' axis left alone: whether all readers' columns could be put in the order in
    which the values come without the permutation."""
    flat = dims[0] == 0 and shape_of(node) == (before[0], math.prod(before[1:]))
    weights = [constant(module, user.args[1]) for user in node.users if user.target is aten.linear.default]
    if not flat or len(weights) < len(node.users) or any(weight is None for weight in weights):
        return False
    for user, weight in zip(list(node.users), weights, strict=True):
        assert weight is not None
        columns = weight.reshape(-1, *(before[dim] for dim in dims[1:]))
        turned = columns.permute(0, *(place + 1 for place in _inverse([dim - 1 for dim in dims[1:]])))
        user.update_arg(1, keep(module, user, turned.reshape(weight.shape)))
    node.target = aten.reshape.default  # torch may hold images as NHWC in memory, which a view does not take
    return True


_MOVES: dict[str, Callable[[GraphModule, Node], bool]] = {
    **dict.fromkeys(_UNARY, _unary),
    **dict.fromkeys(_BINARY, _binary),
    **dict.fromkeys(_REDUCING, _reduce),
    **dict.fromkeys(("softmax", "_softmax", "log_softmax"), _along),
    **dict.fromkeys(("pad", "constant_pad_nd"), _pad),
    **dict.fromkeys(("view", "reshape", "_unsafe_view"), _view),
    "permute": _permute,
    "cat": _cat,
}
