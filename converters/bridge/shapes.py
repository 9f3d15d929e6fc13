"""Shapes of a graph's nodes and the constants in it: what the passes ask of a node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.fx import GraphModule, Node

aten = torch.ops.aten
_SHAPE = "pocketbench_shape"


class _Noting(torch.fx.Interpreter):  # type: ignore[misc]  # torch is not type-checked here
    def run_node(self, node: Node) -> Any:
        value = super().run_node(node)
        if isinstance(value, torch.Tensor):
            node.meta[_SHAPE] = tuple(value.shape)
        return value


def note_shapes(module: GraphModule, arguments: tuple[torch.Tensor, ...]) -> None:
    """Run the graph once, so that shape_of() knows every node."""
    with torch.no_grad():
        _Noting(module).run(*arguments)


def shape_of(node: Node) -> tuple[int, ...]:
    """Empty for a node that is no tensor."""
    shape: tuple[int, ...] = node.meta.get(_SHAPE, ())
    return shape


def constant(module: GraphModule, node: object) -> torch.Tensor | None:
    """The tensor that a node stands for, when it is one that is kept in the module."""
    if not isinstance(node, Node) or node.op != "get_attr":
        return None
    owner: Any = module
    for name in str(node.target).split("."):
        owner = getattr(owner, name)
    return owner if isinstance(owner, torch.Tensor) else None


def keep(module: GraphModule, before: Node, tensor: torch.Tensor) -> Node:
    """A new constant in the module, and its node in front of `before`."""
    count = 0
    while hasattr(module, f"kept_{count}"):
        count += 1
    module.register_buffer(f"kept_{count}", tensor.detach().clone().contiguous())
    with module.graph.inserting_before(before):
        node = module.graph.get_attr(f"kept_{count}")
    node.meta[_SHAPE] = tuple(tensor.shape)
    return node


def call(before: Node, target: Any, arguments: tuple[Any, ...], shape: Sequence[int]) -> Node:
    """A new call in front of `before`, its shape noted."""
    with before.graph.inserting_before(before):
        node = before.graph.call_function(target, arguments)
    node.meta[_SHAPE] = tuple(shape)
    return node


def replace(old: Node, new: Node) -> None:
    """Let every user of `old` take `new`, and take `old` out."""
    old.replace_all_uses_with(new)
    old.graph.erase_node(old)
