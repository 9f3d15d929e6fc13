"""What an exported Keras graph carries that computes nothing, or always the same."""

from __future__ import annotations

import torch
from torch.fx import Graph, GraphModule, Node

from converters.bridge.shapes import aten, constant, keep, replace

_IDLE = {
    aten.alias.default,
    aten.clone.default,
    aten.contiguous.default,
    aten.detach.default,
    aten.detach_.default,
    aten.lift_fresh_copy.default,
}
_CASTS = {aten._to_copy.default, aten.to.dtype, aten.to.dtype_layout, aten.to.device}


def drop_idle(graph: Graph) -> None:
    """Take out copies into another memory format, casts to the same type, dropout at rest and checks of metadata.

    The copies are what ExecuTorch cannot lower; the checks would keep the unfolded weights alive.
    """
    for node in list(graph.nodes):
        if node.op == "call_module" and str(node.target) == "_guards_fn":
            graph.erase_node(node)
        elif node.op != "call_function":
            continue
        elif "_assert" in str(node.target):
            graph.erase_node(node)
        elif node.target in _IDLE or _is_same_type(node) or _is_dropout_at_rest(node):
            replace(node, node.args[0])


def fold_constants(module: GraphModule) -> None:
    """Compute what hangs on constants alone: kernels turned into torch's layout, scales of batch norms."""
    for node in list(module.graph.nodes):
        if node.op != "call_function" or not node.all_input_nodes or "rand" in str(node.target):
            continue
        if any(constant(module, source) is None for source in node.all_input_nodes):
            continue
        with torch.no_grad():
            value = node.target(
                *torch.fx.node.map_arg(node.args, lambda each: constant(module, each)),
                **torch.fx.node.map_arg(node.kwargs, lambda each: constant(module, each)),
            )
        if isinstance(value, torch.Tensor):
            replace(node, keep(module, node, value))
    module.graph.eliminate_dead_code()


def drop_unused_tensors(module: GraphModule) -> None:
    """Forget parameters and buffers that no node reads any more: they would be exported all the same."""
    read = {str(node.target) for node in module.graph.nodes if node.op == "get_attr"}
    for owner_name, owner in list(module.named_modules()):
        for name in [*owner._parameters, *owner._buffers]:
            if f"{owner_name}.{name}".lstrip(".") not in read:
                delattr(owner, name)


def _is_same_type(node: Node) -> bool:
    before, after = (each.meta.get("val") for each in (node.args[0], node)) if node.target in _CASTS else (None, None)
    return isinstance(before, torch.Tensor) and isinstance(after, torch.Tensor) and before.dtype == after.dtype


def _is_dropout_at_rest(node: Node) -> bool:
    return node.target is aten.dropout.default and node.args[2] is False
