"""The tidied graph with its weights in torch's own layers, named as the Keras model names them.

Compression works on `nn.Conv2d` and `nn.Linear`: it looks for them, thins them, splits them and trains their
parameters. A graph of plain operators has none. For child processes only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.fx import GraphModule, Node

from converters.bridge.shapes import aten, constant, shape_of

leaves = torch.utils._pytree.tree_leaves

_PATH = "pocketbench_path"  # of the variable that a layer's weights come from: what makes it the same layer
_CONVOLUTIONS: dict[Any, type[nn.Module]] = {
    aten.conv1d.default: nn.Conv1d,
    aten.conv1d.padding: nn.Conv1d,
    aten.conv2d.default: nn.Conv2d,
    aten.conv2d.padding: nn.Conv2d,
    aten.conv3d.default: nn.Conv3d,
    aten.conv3d.padding: nn.Conv3d,
}
_TRANSPOSED: dict[Any, type[nn.Module]] = {
    aten.conv_transpose1d.default: nn.ConvTranspose1d,
    aten.conv_transpose2d.input: nn.ConvTranspose2d,
}
_NORMS: dict[int, type[nn.Module]] = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d}
_STATISTICS = ("weight", "bias", "running_mean", "running_var")
PRODUCTS = (aten.linear.default, aten.matmul.default, aten.mm.default)
_WEIGHTY = {*_CONVOLUTIONS, *_TRANSPOSED, *PRODUCTS}
_RESHAPES = (aten.view.default, aten.reshape.default, aten._unsafe_view.default)
_CONSTANT = "constant_"
_FACTORS = (1.0, 0.5, 2.0)  # make of one sample three
_TOLERANCE = 1e-4  # of the largest output; sums in another order differ by 1e-6


def name_after(module: GraphModule, variables: Mapping[int, str]) -> None:
    """Note at every convolution and matrix product whose kernel it has, before the kernels are computed anew.

    variables: paths of the model's variables by the address of their values.
    """
    for node in module.graph.nodes:
        if node.target in _WEIGHTY or node.target is aten.rsqrt.default:  # the latter of a batch norm's variance
            kernel = _root(module, node.args[0 if node.target is aten.rsqrt.default else 1])
            if kernel is not None and kernel.data_ptr() in variables:
                node.meta[_PATH] = variables[kernel.data_ptr()]


def pass_name(old: Node, new: Node) -> None:
    """`new` stands for the same layer."""
    if _PATH in old.meta:
        new.meta[_PATH] = old.meta[_PATH]


def layered(module: GraphModule, arguments: tuple[torch.Tensor, ...]) -> GraphModule:
    """A graph that computes the same, with parameters, in layers that are called; of any batch where it can be.

    One output comes as it is, several as a tuple. What has weights and is no layer of torch's stays a plain operator
    with constants. A layer that Keras calls twice is one here, unless its two calls had different norms folded in.
    """
    root, graph = nn.Module(), torch.fx.Graph()
    layers = {node: layer for node in module.graph.nodes if (layer := _layer(module, node)) is not None}
    names = _names(node.meta[_PATH] for node in layers if _PATH in node.meta)
    made: dict[str, tuple[str, nn.Module]] = {}
    known: dict[Node, Node] = {}
    for node in module.graph.nodes:
        if node in layers:
            name = _put(root, made, names, node.meta.get(_PATH, ""), layers[node])
            known[node] = graph.call_module(name, (known[node.args[0]],))
        elif node.op != "get_attr":
            known[node] = graph.node_copy(node, known.__getitem__)
        elif any(user not in layers for user in node.users):
            known[node] = graph.get_attr(_keep(root, node, constant(module, node)))
    _unwrap(graph)
    return _of_any_batch(GraphModule(root, graph).eval(), _reshapes(module, known), arguments)


def _root(module: GraphModule, node: object) -> torch.Tensor | None:
    """The constant that a kernel was made of by permutations and the like."""
    while isinstance(node, Node) and node.op == "call_function" and len(node.all_input_nodes) == 1:
        node = node.all_input_nodes[0]
    return constant(module, node)


def _names(paths: Iterable[str]) -> dict[str, str]:
    """`net/conv2d_1/kernel` is conv2d_1; a layer with several kernels says which, and one in an inner model, where an
    outer one has its name already, in which."""
    found: dict[str, str] = {}
    for path in sorted(set(paths), key=lambda each: (each.count("/"), each)):
        *above, kernel = path.split("/") if "/" in path else (path, "kernel")
        which = "" if kernel in ("kernel", "moving_variance") else kernel.removesuffix("_kernel")
        for depth in range(1, len(above) + 1):
            name = re.sub(r"\W+", "_", "_".join(filter(None, [*above[-depth:], which]))) or "layer"
            if name not in found.values():
                break
        found[path] = name
    return found


def _layer(module: GraphModule, node: Node) -> nn.Module | None:
    if node.target is aten.batch_norm.default:
        return _norm(module, node)
    if node.op != "call_function" or node.target not in (*_CONVOLUTIONS, *_TRANSPOSED, aten.linear.default):
        return None
    given = [*node.args, *[None] * (9 - len(node.args))]
    weight = constant(module, given[1])
    bias = constant(module, given[2])
    if weight is None or node.kwargs or (bias is None) != (given[2] is None):
        return None
    layer = _empty(node, weight, given, bias is not None)
    layer.weight = nn.Parameter(weight.detach().clone())
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().clone())
    return layer


def _norm(module: GraphModule, node: Node) -> nn.Module | None:
    held = [constant(module, each) for each in node.args[1:5]]
    if any(tensor is None for tensor in held):
        return None
    *_, momentum, epsilon, _ = node.args
    layer = _NORMS[len(shape_of(node))](held[0].numel(), epsilon, momentum)  # type: ignore[union-attr]
    layer.load_state_dict(dict(zip(_STATISTICS, held, strict=True)), strict=False)
    return layer


def _empty(node: Node, weight: torch.Tensor, given: Sequence[Any], bias: bool) -> Any:
    with torch.device("meta"):
        if node.target is aten.linear.default:
            return nn.Linear(weight.shape[1], weight.shape[0], bias=bias)
        kernel = tuple(weight.shape[2:])
        if node.target in _TRANSPOSED:
            stride, padding, output_padding, groups, dilation = _filled(given[3:8], (1, 0, 0, 1, 1))
            return _TRANSPOSED[node.target](
                *(weight.shape[0], weight.shape[1] * groups, kernel, _sizes(stride), _sizes(padding)),
                *(_sizes(output_padding), groups, bias, _sizes(dilation)),
            )
        stride, padding, dilation, groups = _filled(given[3:7], (1, 0, 1, 1))
        return _CONVOLUTIONS[node.target](
            *(weight.shape[1] * groups, weight.shape[0], kernel),
            *(_sizes(stride), _sizes(padding), _sizes(dilation), groups, bias),
        )


def _filled(given: Sequence[Any], usual: Sequence[Any]) -> list[Any]:
    return [other if each is None else each for each, other in zip(given, usual, strict=True)]


def _sizes(value: Any) -> Any:
    return tuple(value) if isinstance(value, (list, tuple)) else value


def _put(
    root: nn.Module, made: dict[str, tuple[str, nn.Module]], names: Mapping[str, str], path: str, layer: nn.Module
) -> str:
    """Its name in the root; a second one with the same variable is the same layer when it is alike in everything."""
    name = names.get(path, "layer")
    count, own = 0, name if not hasattr(root, name) or name in made else f"{name}_layer"
    taken = {each for other, each in names.items() if other != path}
    while own in made or own in taken:
        if path and own in made and made[own][0] == path and _alike(made[own][1], layer):
            return own
        count += 1
        own = f"{name}_{count}"
    root.add_module(own, layer)
    made[own] = path, layer
    return own


def _alike(one: Any, other: Any) -> bool:
    if repr(one) != repr(other):
        return False
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(ours, theirs) for ours, theirs in pairs)


def _keep(root: nn.Module, node: Node, tensor: torch.Tensor | None) -> str:
    """Its name in the root."""
    assert tensor is not None, f"{node.target} is no tensor"
    name = _CONSTANT + re.sub(r"\W+", "_", str(node.target))
    root.register_buffer(name, tensor.detach().clone())
    return name


def _unwrap(graph: torch.fx.Graph) -> None:
    """One output is no tuple of one, and several are no tuple in a tuple."""
    node = graph.output_node()
    outputs = tuple(leaves(node.args[0]))
    node.args = (outputs[0] if len(outputs) == 1 else outputs,)


def _reshapes(module: GraphModule, known: Mapping[Node, Node]) -> list[Node]:
    """Reshapes that keep the batch, which the export wrote into them as a number."""
    found = []
    for node in module.graph.nodes:
        if node.target in _RESHAPES and -1 not in node.args[1] and shape_of(node.args[0])[:1] == (node.args[1][0],):
            found.append(known[node])
    return found


def _of_any_batch(module: GraphModule, reshapes: Sequence[Node], arguments: tuple[torch.Tensor, ...]) -> GraphModule:
    """The sizes that stand in the way are left open, unless that turns out to be another model."""
    kept = [(node.target, node.args) for node in reshapes]
    for node in reshapes:
        source, sizes = node.args
        if len(sizes) == 2:  # as somebody would have written it, and true of fewer channels as well
            node.target, node.args = aten.flatten.using_ints, (source, 1)
        else:
            node.target, node.args = aten.reshape.default, (source, [-1, *sizes[1:]])
    module.recompile()
    if not _batches(module, arguments):
        for node, given in zip(reshapes, kept, strict=True):
            node.target, node.args = given
        module.recompile()
    return module


def _batches(module: GraphModule, arguments: tuple[torch.Tensor, ...]) -> bool:
    """Whether several samples at once give what each gives alone."""
    try:
        samples = [tuple(_another(each[:1], factor) for each in arguments) for factor in _FACTORS]
        with torch.no_grad():
            together = leaves(module(*map(torch.cat, zip(*samples, strict=True))))
            alone = [leaves(module(*sample)) for sample in samples]
    except (RuntimeError, ValueError, IndexError, TypeError):
        return False
    return all(_same(whole, torch.cat(parts)) for whole, *parts in zip(together, *alone, strict=True))


def left_over(module: GraphModule) -> tuple[int, int]:
    """Weights that are parameters of layers, and those that are constants, which nothing trains or compresses."""
    constants = [each for name, each in module.named_buffers() if name.startswith(_CONSTANT)]
    kept = sum(each.numel() for each in constants if each.is_floating_point())
    return sum(each.numel() for each in module.parameters()), kept


def _another(sample: torch.Tensor, factor: float) -> torch.Tensor:
    """Numbers that count something keep their values, in another order."""
    turned = sample if factor == 1 else sample.flatten(1).roll(int(2 * factor), 1).reshape(sample.shape)
    return turned * factor if turned.is_floating_point() else turned


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    if one.shape != other.shape or not one.is_floating_point():
        return bool(torch.equal(one, other))
    limit = _TOLERANCE * float(other.abs().max()) if other.numel() else 0.0
    return bool(((one - other).abs() <= limit).all())
