"""Operators under the names that quantizers and XNNPACK look for."""

from __future__ import annotations

from torch.fx import GraphModule, Node

from converters.bridge import layers
from converters.bridge.shapes import aten, call, constant, keep, replace, shape_of


def name_linears(module: GraphModule) -> None:
    """matmul(x, constant matrix) becomes linear, which is what quantizers and XNNPACK look for."""
    for node in list(module.graph.nodes):
        if node.target not in (aten.matmul.default, aten.mm.default):
            continue
        weight = constant(module, node.args[1])
        if weight is not None and weight.ndim == 2 and len(shape_of(node)) > 1:
            turned = keep(module, node, weight.t())
            linear = call(node, aten.linear.default, (node.args[0], turned, None), shape_of(node))
            layers.pass_name(node, linear)
            replace(node, linear)


def keep_pooled_axes(module: GraphModule) -> None:
    """A mean over an image keeps its axes and a view drops them: XNNPACK has no other mean."""
    for node in list(module.graph.nodes):
        if node.target is not aten.mean.dim or node.kwargs or any(node.args[2:3]) or len(node.args[1] or ()) != 2:
            continue
        whole = shape_of(node.args[0])
        if len(whole) != 4 or sorted(axis % 4 for axis in node.args[1]) != [2, 3]:
            continue
        pooled = call(node, node.target, (node.args[0], list(node.args[1]), True), (*whole[:2], 1, 1))
        replace(node, call(node, aten.view.default, (pooled, list(whole[:2])), whole[:2]))


def name_clamps(module: GraphModule) -> None:
    """relu6, and a clamp between two numbers, become hardtanh, as torch itself writes them."""
    for node in list(module.graph.nodes):
        limits = (0.0, 6.0) if node.target in (aten.relu6.default, aten.relu6_.default) else _limits(node)
        if limits:
            replace(node, call(node, aten.hardtanh.default, (node.args[0], *limits), shape_of(node)))


def _limits(node: Node) -> tuple[float, float] | None:
    if node.target is not aten.clamp.default or len(node.args) != 3:
        return None
    low, high = node.args[1:]
    both = isinstance(low, (int, float)) and isinstance(high, (int, float))
    return (float(low), float(high)) if both else None
