"""One thinning of a network: which groups can lose channels, which do, and the network without them.

Imports torch: for child processes only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from converters import following
from converters.compress import dependencies, multiplyadds, sensitivity, silencing
from converters.compress.channel_plan import Choice, Curve, Part, Plan, Price, choose, steps
from converters.compress.dependencies import FAULTS, Group, Member
from converters.compress.multiplyadds import Tensors
from converters.compress.sampling import first_rows, split
from converters.workshop import Progress
from harness.errors import ConversionError
from harness.records import Record

# XNNPACK works on 16 output channels at a time, float and int8, in both runtimes: 68 channels take as long as 80
# (benchmarks/layer_costs.py). Narrow layers would have no choice then; theirs is finer, and what they lose is saved by
# the layers that read them.
MULTIPLES = ((32, 16), (16, 8), (0, 4))  # of layers wider than so many channels
KEPT_SHARE = 1 / 8  # at least, of every group: a layer of a few channels is a wall
CURVE_SAMPLES = (4, 16)  # at least and at most
MOST_MULTIPLYADDS = 200_000_000_000  # for all curves: about a minute
LEAVE_OUT = "leave `channels` out of this model's recipes"


class Followed(Record, frozen=True, kw_only=True):
    """Groups that can lose channels, and those that cannot, by their layer, with the reason."""

    groups: tuple[Group, ...]
    left: dict[str, str]


@dataclass(frozen=True)
class Scene:
    """What a thinning looks at. arguments: what the graph is traced with; batches: samples."""

    arguments: Tensors
    batches: Sequence[Tensors]
    groups: Sequence[Group]


def follow(model: nn.Module, arguments: Tensors, sample: Tensors) -> Followed:
    """Raises ConversionError, naming a layer, when no group can lose channels."""
    found = dependencies.groups(model, arguments)
    left = silencing.unfollowable(model, arguments, sample, found)
    cut_off = dependencies.cut_off(model, arguments)
    left |= {layer: "autograd knows no way from it to the outputs" for layer in cut_off}
    kept = tuple(group for group in found if group.layer not in left)
    if not kept:
        # That the last layer keeps its channels is no news; another layer says more.
        layer = next((layer for layer, reason in left.items() if reason != silencing.OUTPUTS), next(iter(left), ""))
        why = f"at the layer `{layer}`: {left[layer]}" if layer else "it has no convolution and no dense layer"
        raise ConversionError(f"no channel of the model can be removed; {why}", remedy=LEAVE_OUT)
    return Followed(groups=kept, left=left)


def plan(model: nn.Module, scene: Scene, target: float) -> tuple[Plan, dict[str, list[int]]]:
    """What each group loses so that `target` of the multiply-adds goes, and its units from the least important on.

    The plan's share is smaller than the target when that much cannot go.
    """
    scores = sensitivity.importance(model, scene.groups, scene.batches)
    ranked = {layer: sensitivity.order(each) for layer, each in scores.items()}
    choices = [
        Choice(group=group.layer, units=group.units, steps=_steps(group), curve=curve)
        for group, curve in zip(scene.groups, _curves(model, scene, ranked), strict=True)
    ]
    return choose(choices, _prices(model, scene), target), ranked


def _curves(model: nn.Module, scene: Scene, ranked: Mapping[str, Sequence[int]]) -> Iterator[Curve]:
    """One per group, on as many samples as the network's size allows."""
    calls = max(1, multiplyadds.total(model, scene.arguments)) * len(scene.groups) * len(sensitivity.LEVELS)
    rows = min(max(MOST_MULTIPLYADDS // calls, CURVE_SAMPLES[0]), CURVE_SAMPLES[1])
    few = [piece for batch in first_rows(scene.batches, rows) for piece in split(batch, rows)]
    for number, group in enumerate(scene.groups):
        now = f"channels, how much hangs on {group.layer}"
        print(following.line(Progress(done=number, total=len(scene.groups), now=now)), flush=True)  # noqa: T201
        yield sensitivity.curve(model, group, ranked[group.layer], first_rows(few, rows))


def without(model: nn.Module, arguments: Tensors, unwanted: Mapping[str, Sequence[int]]) -> nn.Module:
    """A copy of the model without these channels (by layer), seen to run. Raises ConversionError when it does not."""
    try:
        slim = dependencies.remove(model, arguments, unwanted)
        got = silencing.outputs(slim.eval(), arguments)
    except FAULTS as error:
        raise ConversionError(
            f"the model does not run without some channels of {', '.join(unwanted)}: {error}", remedy=LEAVE_OUT
        ) from error
    shapes = [tuple(leaf.shape) for leaf in silencing.outputs(model, arguments)]
    if [tuple(leaf.shape) for leaf in got] != shapes:
        raise ConversionError(f"without some channels the model's outputs are not {shapes} any more", remedy=LEAVE_OUT)
    return slim


def _steps(group: Group) -> tuple[int, ...]:
    """A unit is as many channels as the group has parts, and it is channels that are rounded."""
    multiple = next(multiple for wider, multiple in MULTIPLES if group.width > wider)
    multiple //= math.gcd(multiple, group.parts)
    return steps(group.units, multiple, math.ceil(group.units * KEPT_SHARE))


def _prices(model: nn.Module, scene: Scene) -> list[Price]:
    layers = dict(model.named_modules())
    parts: dict[str, list[Part]] = {}
    for group in scene.groups:
        for member in group.members:
            if isinstance(layers[member.layer], multiplyadds.COUNTED):
                parts.setdefault(member.layer, []).append(_part(group, member, layers[member.layer]))
    macs = multiplyadds.per_layer(model, scene.arguments)
    return [Price(macs=count, parts=tuple(parts.get(layer, ()))) for layer, count in macs.items()]


def _part(group: Group, member: Member, layer: Any) -> Part:
    per_unit = len(member.channels) / group.units
    if member.reads:
        return Part(group=group.layer, written=0.0, read=per_unit / _width(layer, "in"))
    return Part(group=group.layer, written=per_unit / _width(layer, "out"), read=0.0)


def _width(layer: Any, side: str) -> int:
    return int(getattr(layer, f"{side}_channels", 0) or getattr(layer, f"{side}_features"))
