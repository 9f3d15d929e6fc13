"""Channels made silent: nobody listens to them, which is what removing them must come to.

Setting the weights that read a channel to zero changes nothing but what the channel contributes, so it tells what a
removal will do to the outputs without any surgery, and whether a surgery did just that. Imports torch: for child
processes only.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from converters.compress import dependencies
from converters.compress.dependencies import FAULTS, Group
from converters.compress.multiplyadds import COUNTED, Tensors
from converters.reasons import one_line
from harness.errors import ConversionError

_TOLERANCE = 1e-3  # of the largest output; sums in another order differ by 1e-6, a wrong channel by 0.01 and more
_PROBED_SHARE = 0.25
OUTPUTS = "its channels are the model's outputs"


@contextmanager
def silenced(model: nn.Module, group: Group, units: Sequence[int]) -> Iterator[None]:
    """Within it, nothing reads these units of the group."""
    kept = [(model.get_submodule(member.layer), member) for member in group.readers]
    saved = [layer.weight.detach().clone() for layer, _ in kept]
    _silence(model, group, units)
    try:
        yield
    finally:
        with torch.no_grad():
            for (layer, _), weight in zip(kept, saved, strict=True):
                layer.weight.copy_(weight)


def by_input(weight: torch.Tensor, layer: Any) -> torch.Tensor:
    """`weight` (a layer's own, or one shaped like it) as [parts, outputs of a part, inputs of a part, kernel]."""
    parts = getattr(layer, "groups", 1)
    if getattr(layer, "transposed", False):
        return weight.reshape(parts, 1, weight.shape[0] // parts, -1)
    return weight.reshape(parts, weight.shape[0] // parts, weight.shape[1], -1)


def unfollowable(model: nn.Module, arguments: Tensors, sample: Tensors, found: Sequence[Group]) -> dict[str, str]:
    """Groups whose removal is not the same as their silence, each by its layer's name with the reason.

    arguments: what the graph is traced with. sample: what is looked at. All are tried at once; only where that fails
    are they looked at in halves, down to the layer that is to blame.
    """
    left = {group.layer: reason for group in found if (reason := _unreadable(model, group))}
    return left | _blamed(model, arguments, sample, [group for group in found if group.layer not in left])


def outputs(model: nn.Module, sample: Tensors) -> list[torch.Tensor]:
    with torch.no_grad():
        leaves = torch.utils._pytree.tree_leaves(model(*sample))
    return [leaf.detach() for leaf in leaves if isinstance(leaf, torch.Tensor)]


def _silence(model: nn.Module, group: Group, units: Sequence[int]) -> None:
    unwanted = torch.zeros(group.width, dtype=torch.bool)
    unwanted[group.channels_of(units)] = True
    with torch.no_grad():
        for member in group.readers:
            layer: Any = model.get_submodule(member.layer)
            weights = by_input(layer.weight, layer)
            heard = torch.ones(weights.shape[0] * weights.shape[2], dtype=weights.dtype)
            heard[torch.tensor(member.channels)[unwanted[torch.tensor(member.roots)]]] = 0
            layer.weight.copy_((weights * heard.reshape(weights.shape[0], 1, -1, 1)).reshape(layer.weight.shape))


def _unreadable(model: nn.Module, group: Group) -> str:
    if group.units < 2:
        return "it has one channel only"
    if not group.readers:
        return OUTPUTS
    layers = dict(model.named_modules())
    for member in group.readers:
        if not isinstance(layers[member.layer], COUNTED):
            return (
                f"its channels go into `{member.layer}` ({type(layers[member.layer]).__name__}), which keeps its width"
            )
    return ""


def _blamed(model: nn.Module, arguments: Tensors, sample: Tensors, found: list[Group]) -> dict[str, str]:
    reason = _fault(model, arguments, sample, found) if found else ""
    if not reason:
        return {}
    if len(found) == 1:
        return {found[0].layer: reason}
    half = len(found) // 2
    return _blamed(model, arguments, sample, found[:half]) | _blamed(model, arguments, sample, found[half:])


def _fault(model: nn.Module, arguments: Tensors, sample: Tensors, found: Collection[Group]) -> str:
    """Why removing some channels of all these groups is not what silencing them is; "" when it is."""
    rng = np.random.default_rng(0)
    units = {g.layer: rng.choice(g.units, max(1, int(g.units * _PROBED_SHARE)), replace=False) for g in found}
    silent = copy.deepcopy(model)
    for group in found:
        _silence(silent, group, units[group.layer].tolist())
    unwanted = {group.layer: group.channels_of(units[group.layer].tolist()) for group in found}
    try:
        got = outputs(dependencies.remove(model, arguments, unwanted), sample)
    except ConversionError as error:
        return error.message
    except FAULTS as error:
        return f"the model does not run without some of its channels ({one_line(error)})"
    return differs(got, outputs(silent, sample))


def differs(got: Sequence[torch.Tensor], wanted: Sequence[torch.Tensor]) -> str:
    if [each.shape for each in got] != [each.shape for each in wanted]:
        return OUTPUTS
    for left, right in zip(got, wanted, strict=True):
        limit = _TOLERANCE * max(float(right.abs().max()), 1e-9) if right.numel() else 0.0
        if right.numel() and not float((left.double() - right.double()).abs().max()) <= limit:
            return "the model computes something else without its channels than when nothing listens to them"
    return ""


def unwanted_channels(found: Sequence[Group], units: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """The channels to remove, from the units of each group by its layer's name; groups that lose none are not there."""
    return {group.layer: group.channels_of(units[group.layer]) for group in found if units.get(group.layer)}
