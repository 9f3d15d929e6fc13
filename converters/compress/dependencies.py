"""Which channels of which layers belong together, and how they are removed: the one place that knows torch_pruning.

A channel that leaves one layer must leave every layer that reads it, the batch norms and depthwise convolutions on the
way, and, across an addition, the layers on the other side. Torch-Pruning follows this through autograd's graph
(DepGraph, arXiv:2301.12900). Imports torch: for child processes only.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch_pruning
from torch import nn

from converters.compress import multiplyadds
from converters.compress.multiplyadds import Tensors
from harness.errors import ConversionError
from harness.records import Record

# What tracing and surgery raise when a graph is not what they take it for (they have no exception of their own).
FAULTS = (RuntimeError, ValueError, IndexError, KeyError, TypeError, AttributeError, AssertionError, ZeroDivisionError)


class Member(Record, frozen=True, kw_only=True):
    """A layer that loses channels with its group. reads: of its inputs, else of its outputs.

    channels: the layer's own numbers of them; roots: the number within the group of each.
    """

    layer: str
    reads: bool
    channels: tuple[int, ...]
    roots: tuple[int, ...]


class Group(Record, frozen=True, kw_only=True):
    """Channels that only go together. layer: the one that the group is named after and counted by.

    width: channels of that layer. parts: a grouped convolution must lose as many in each of its parts, so that channels
    0, width/parts, 2 width/parts ... are one unit.
    """

    layer: str
    width: int
    parts: int
    members: tuple[Member, ...]

    @property
    def units(self) -> int:
        return self.width // self.parts

    def channels_of(self, units: Sequence[int]) -> list[int]:
        """The channels of the named layer that these units stand for."""
        return [unit + part * self.units for part in range(self.parts) for unit in sorted(units)]

    @property
    def readers(self) -> tuple[Member, ...]:
        return tuple(member for member in self.members if member.reads)


def groups(model: nn.Module, arguments: Tensors) -> tuple[Group, ...]:
    """All groups of a model, in the order of its graph; the model stays as it is.

    Raises ConversionError, naming a layer, where nothing of the graph can be followed.
    """
    model = copy.deepcopy(model)
    graph = _graph(model, arguments)
    names = {module: name for name, module in model.named_modules()}
    try:
        return tuple(_group(graph, found, names) for found in graph.get_all_groups())
    except FAULTS as error:
        raise _not_followed(model, arguments, error) from error


def remove(model: nn.Module, arguments: Tensors, unwanted: Mapping[str, Sequence[int]]) -> nn.Module:
    """A copy of the model without the unwanted channels (by the name of a group's layer).

    Raises one of FAULTS, or ConversionError, when the graph turns out to be another one.
    """
    slim = copy.deepcopy(model)
    graph = _graph(slim, arguments)
    layers = dict(slim.named_modules())
    for name, channels in unwanted.items():
        layer = layers[name]
        surgeon = graph.get_pruner_of_module(layer)
        group = graph.get_pruning_group(layer, surgeon.prune_out_channels, list(channels))
        if not graph.check_pruning_group(group):
            raise ValueError(f"`{name}` would lose its last channel")
        group.prune()
    wanted = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    for name, parameter in slim.named_parameters():
        parameter.requires_grad_(name in wanted)
    return slim


def cut_off(model: nn.Module, arguments: Tensors) -> list[str]:
    """Layers that work, but from which autograd knows no way to the outputs (detach(), no_grad(), integers)."""
    model = copy.deepcopy(model)
    reached = set(_graph(model, arguments).module2node)
    layers = dict(model.named_modules())
    return [name for name in multiplyadds.per_layer(model, arguments) if layers[name] not in reached]


def _graph(model: nn.Module, arguments: Tensors) -> Any:
    """Torch-Pruning's graph of the model, all of whose parameters must be trainable for that."""
    for parameter in model.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    try:
        with torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # guesses that it makes are checked afterwards, on the outputs
            return torch_pruning.DependencyGraph().build_dependency(
                model,
                example_inputs=arguments,
                forward_fn=lambda traced, inputs: traced(*inputs),
                output_transform=_differentiable,
                verbose=False,
            )
    except FAULTS as error:
        raise _not_followed(model, arguments, error) from error


def _differentiable(outputs: Any) -> list[torch.Tensor]:
    leaves = [leaf for leaf in torch.utils._pytree.tree_leaves(outputs) if isinstance(leaf, torch.Tensor)]
    found = [leaf for leaf in leaves if leaf.grad_fn is not None]
    if not found:
        raise ValueError("no output depends on a layer in a way that autograd can follow")
    return found


def _group(graph: Any, found: Any, names: Mapping[Any, str]) -> Group:
    members, parts = [], 1
    root = found[0].dep.target.module
    for item in found:
        module, handler = item.dep.target.module, item.dep.handler
        if module not in names:
            continue  # an operation between layers, or a bare parameter
        # Depthwise convolutions and norms lose inputs and outputs in one; they hand a channel on rather than read it.
        reads = graph.is_in_channel_pruning_fn(handler) and not graph.is_out_channel_pruning_fn(handler)
        parts = math.lcm(parts, _parts(module))
        members.append(Member(layer=names[module], reads=reads, channels=tuple(item.idxs), roots=tuple(item.root_idxs)))
    width = graph.get_pruner_of_module(root).get_out_channels(root)
    return Group(layer=names[root], width=width, parts=parts if width % parts == 0 else width, members=tuple(members))


def _parts(module: nn.Module) -> int:
    """Parts of a grouped convolution; a depthwise one follows each channel by itself."""
    if not isinstance(module, nn.modules.conv._ConvNd) or module.groups == module.out_channels:
        return 1
    return int(module.groups)


def _not_followed(model: nn.Module, arguments: Tensors, error: BaseException) -> ConversionError:
    layers = list(multiplyadds.per_layer(model, arguments)) or ["(no convolution or dense layer)"]
    return ConversionError(
        f"the model's graph cannot be followed from the layer `{layers[-1]}` on: {error or type(error).__name__}",
        remedy="leave `channels` out of this model's recipes; `prune` and `lowrank` do not need the graph",
    )
