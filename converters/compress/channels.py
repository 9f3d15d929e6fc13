"""`channels(r)`: whole channels are removed until the share `r` of the network's multiply-adds is gone.

The share is one of multiply-adds, not of channels, because that is what a user pays for: 30 % fewer channels are about
half of the multiply-adds of a plain network and far less of a depthwise one. How much each group of channels loses
follows from how much the outputs suffer when it alone is silenced; within a group the channels go first that the
outputs hang on least, and the layers behind it are fitted anew so that the others speak for them. Counts are rounded to
what the kernels like. For child processes only.
"""

from __future__ import annotations

import math

from torch import nn

from converters.compress import multiplyadds, refitting, sensitivity, silencing, thinning
from converters.compress.multiplyadds import COUNTED
from converters.compress.sampling import together
from converters.compress.settling import Settling, settled
from converters.compress.studio import Studio
from harness.errors import ConversionError
from harness.records import Step

ROUNDS = 3  # with a quality floor: a third of the way, training, a look, and so on
SLACK = 0.05  # as a share of all multiply-adds: a larger miss of the target is said
BATCH = 16
STEPS = " or ".join(str(multiple) for _, multiple in reversed(thinning.MULTIPLES))
_LISTED = 5


def apply(model: nn.Module, step: Step, studio: Studio) -> nn.Module:
    """A model with the share `r` of multiply-adds fewer; its layers are the same ones, thinner.

    With a floor it goes there in rounds and stops before the one that falls below. Raises ConversionError when the
    graph cannot be followed, or the share cannot be reached.
    """
    target, whole = multiplyadds.asked(step), multiplyadds.total(model, studio.arguments)
    if not whole:
        raise ConversionError(
            "the model has no convolution and no dense layer to take channels from", remedy=thinning.LEAVE_OUT
        )
    rounds, source, reached = ROUNDS if studio.settings.floor != "" else 1, model, 0.0
    studio.record(target=target, multiplyadds_before=whole)
    for wanted in (target * number / rounds for number in range(1, rounds + 1)):
        if wanted <= reached:
            continue  # the steps of the round before were that large
        slim = thinner(model, studio, whole, wanted)
        batches = together(slim, studio.calibration(), BATCH)
        how = Settling(label="channels", batches=batches, epochs=studio.settings.epochs / rounds)
        slim = settled(slim, model, how, studio)
        share = 1 - multiplyadds.total(slim, studio.arguments) / whole
        score = studio.score(slim) if rounds > 1 else None
        if reached and studio.below_floor(score):
            studio.stopped = (
                f"at {reached:.0%} fewer multiply-adds, of {target:.0%} asked for: {share:.0%} fewer lead to "
                f"{studio.spelled(score)}, beyond the floor {studio.spelled_floor()}"
            )
            studio.note(f"channels({target:g}) stopped {studio.stopped}")
            break
        model, reached = slim, share
        if studio.below_floor(score):
            break  # the very first round: the driver refuses the step and says why
    after = multiplyadds.total(model, studio.arguments)
    studio.record(removed_share=reached, multiplyadds_after=after, removed_channels=_lost(source, model))
    _say_when_off(studio, target, reached)
    return model


def thinner(model: nn.Module, studio: Studio, whole: int, target: float) -> nn.Module:
    """A copy without so many channels that `target` of the `whole` multiply-adds are gone."""
    batches = together(model, studio.calibration(), BATCH)
    followed = thinning.follow(model, studio.arguments, batches[0])
    _say_who_is_left(studio, followed.left)
    already = 1 - multiplyadds.total(model, studio.arguments) / whole
    scene = thinning.Scene(arguments=studio.arguments, batches=batches, groups=followed.groups)
    plan, ranked = thinning.plan(model, scene, (target - already) / (1 - already))
    reached = already + plan.share * (1 - already)
    if reached < target - SLACK:
        raise ConversionError(
            f"channels({target:g}) cannot be reached: at most {reached:.0%} of the multiply-adds can go with whole "
            f"steps of {STEPS} channels and {thinning.KEPT_SHARE:.0%} of every layer kept",
            remedy=_reachable(reached),
        )
    units = {layer: ranked[layer][:count] for layer, count in plan.removed.items()}
    removed = silencing.unwanted_channels(followed.groups, units)
    fitted = refitting.refit(model, followed.groups, removed, batches)
    slims = [thinning.without(each, studio.arguments, removed) for each in (fitted, model)]
    return min(slims, key=lambda slim: sensitivity.distance(slim, model, batches))


def _say_who_is_left(studio: Studio, left: dict[str, str]) -> None:
    """The layers that keep their channels; that the outputs do goes without saying."""
    telling = {layer: reason for layer, reason in left.items() if reason != silencing.OUTPUTS}
    if not telling:
        return
    listed = "; ".join(f"`{layer}`: {reason}" for layer, reason in list(telling.items())[:_LISTED])
    more = f"; and {len(telling) - _LISTED} more" if len(telling) > _LISTED else ""
    studio.note(f"all channels were kept where the graph cannot be followed: {listed}{more}")
    studio.record(left_alone=[f"{layer}: {reason}" for layer, reason in left.items()])


def _lost(source: nn.Module, model: nn.Module) -> dict[str, float]:
    """Output channels that each layer has less than in the source."""
    before = {name: layer.weight.shape for name, layer in source.named_modules() if isinstance(layer, COUNTED)}
    after = {name: model.get_submodule(name).weight.shape for name in before}
    axis = {name: int(getattr(model.get_submodule(name), "transposed", False)) for name in before}
    lost = {name: float(before[name][axis[name]] - after[name][axis[name]]) for name in before}
    return {name: count for name, count in lost.items() if count}


def _say_when_off(studio: Studio, target: float, reached: float) -> None:
    if not studio.stopped and reached - target > SLACK:
        studio.note(
            f"{reached:.0%} of the multiply-adds were removed where {target:.0%} were asked for: channels go in steps "
            f"of {STEPS}"
        )


def _reachable(share: float) -> str:
    rounded = math.floor(share * 20) / 20
    return f"ask for channels({rounded:g}) or less" if rounded > 0 else thinning.LEAVE_OUT
