"""`lowrank(r)`: layers are split into thinner ones in a row until the share `r` of their multiply-adds is gone.

The share is one of the layers that can be split: dense layers, 1x1 and larger convolutions, where the split one is sure
to be faster. Others, and depthwise convolutions, are left alone, and the history says which and why. Ranks follow from
how much the network's outputs suffer when one layer alone is approximated. For child processes only.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from converters.compress import factors, layer_forms, multiplyadds, ranks, refitting, sensitivity, silencing
from converters.compress.dependencies import FAULTS
from converters.compress.factors import Rank
from converters.compress.multiplyadds import Tensors
from converters.compress.ranks import Form, Option
from converters.compress.sampling import first_rows, together
from converters.compress.settling import Settling, settled
from converters.compress.studio import Studio
from harness.errors import ConversionError
from harness.records import Step

BATCH = 16
LOOKED_AT_SAMPLES = 16
MEASURED_RANKS = 4  # of a layer; the loss of the others lies between
RETREATS = (1.0, 2 / 3, 1 / 3)  # of the share asked for, where there is a quality floor
SLACK = 0.05  # as a share of the multiply-adds of the layers that can be split: a larger miss of the target is said
_LISTED = 5
_SLOWER = "split, it would not be faster"
_REMEDY = "leave `lowrank` out of this model's recipes"


@dataclass(frozen=True)
class Material:
    """What can be made of a model. made: per layer the factors at each rank; left: layers that stay, and why."""

    batches: list[Tensors]
    forms: Mapping[str, Form]
    options: Mapping[str, Sequence[Option]]
    made: Mapping[str, Mapping[Rank, tuple[torch.Tensor, ...]]]
    left: dict[str, str]


@dataclass(frozen=True)
class Outcome:
    """ranks: of the layers that were split; slower: those that are no faster in TFLite's int8; left: the others,
    and why."""

    model: nn.Module
    ranks: dict[str, float]
    slower: list[str]
    left: dict[str, str]


def apply(model: nn.Module, step: Step, studio: Studio) -> nn.Module:
    """A model with some layers split; with a quality floor fewer of them, until it holds.

    Raises ConversionError when no layer would be faster for it.
    """
    target, watched = multiplyadds.asked(step), studio.settings.floor != ""
    material = _material(model, studio)
    for part in RETREATS if watched else RETREATS[:1]:
        outcome = _split(model, material, ranks.choose(material.options, target * part))
        if not outcome.ranks:
            raise ConversionError(f"no layer could be split: {_listed(outcome.left)}", remedy=_REMEDY)
        thin = settled(outcome.model, model, Settling(label="lowrank", batches=material.batches), studio)
        score = studio.score(thin) if watched else None
        if not studio.below_floor(score):
            break
    if part < 1 and not studio.below_floor(score):
        studio.stopped = f"at {target * part:.0%} of the {target:.0%} asked for: the floor is {studio.spelled_floor()}"
        studio.note(f"lowrank({target:g}) stopped {studio.stopped}")
    _say(outcome, multiplyadds.per_layer(model, studio.arguments), target * part, studio, material)
    return thin


def _material(model: nn.Module, studio: Studio) -> Material:
    """Every layer that can be split with profit, at every rank. Raises ConversionError when there is none."""
    batches = together(model, studio.calibration(), BATCH)
    forms, left = layer_forms.of_model(model, studio.arguments)
    possible = {name: found for name, form in forms.items() if (found := ranks.possible(form))}
    left |= {name: _SLOWER for name in forms if name not in possible}
    if not possible:
        raise ConversionError(f"no layer can be split with profit: {_listed(left)}", remedy=_REMEDY)
    layers = {name: model.get_submodule(name) for name in possible}
    matrices = {name: layer for name, layer in layers.items() if factors.pointwise(layer) and refitting.fits(layer)}
    moments = refitting.second_moments(model, matrices, batches)
    made = {name: factors.approximations(layer, possible[name], moments.get(name)) for name, layer in layers.items()}
    few = first_rows(batches, LOOKED_AT_SAMPLES)
    options = {name: ranks.options(forms[name], possible[name], _losses(model, name, made[name], few)) for name in made}
    return Material(batches=batches, forms=forms, options=options, made=made, left=left)


def _losses(
    model: nn.Module, name: str, made: Mapping[Rank, tuple[torch.Tensor, ...]], batches: Sequence[Tensors]
) -> dict[Rank, float]:
    """What the network's outputs lose when this layer alone is approximated."""
    wanted = [leaf for batch in batches for leaf in silencing.outputs(model, batch)]
    layer: Any = model.get_submodule(name)
    kept, found = layer.weight.detach().clone(), {}
    for rank in ranks.spread(list(made), MEASURED_RANKS):
        _overwrite(layer, factors.product(made[rank], kept))
        got = [leaf for batch in batches for leaf in silencing.outputs(model, batch)]
        found[rank] = sensitivity.error(got, wanted)
    _overwrite(layer, kept)
    return found


def _split(model: nn.Module, material: Material, chosen: Mapping[str, Option]) -> Outcome:
    """A copy with layers split as chosen, each seen to compute what its factors say."""
    thin, twin, left = copy.deepcopy(model), copy.deepcopy(model), dict(material.left)
    split: dict[str, float] = {}
    slower = []
    for name, option in chosen.items():
        if option.rank is None:
            left[name] = "splitting others cost the outputs less"
            continue
        made, original = material.made[name][option.rank], twin.get_submodule(name)
        kept = original.weight.detach().clone()
        _overwrite(original, factors.product(made, kept))
        reason = _replaced(thin, twin, name, factors.split(model.get_submodule(name), made), material.batches[0])
        if reason:
            _overwrite(original, kept)
            left[name] = reason
        else:
            split[name] = float(option.rank.read)
            slower += [] if ranks.pays_in_int8(material.forms[name], option.rank) else [name]
    return Outcome(model=thin, ranks=split, slower=slower, left=left)


def _replaced(thin: nn.Module, twin: nn.Module, name: str, new: nn.Module, batch: Tensors) -> str:
    """Put the new layers in; "" or, with the old one back in its place, why they do not do what it does."""
    old = thin.get_submodule(name)
    _put(thin, name, new)
    try:
        got = silencing.outputs(thin, batch)
    except FAULTS as error:
        reason = f"the model needs more of it than that it is called ({error})"
    else:
        reason = silencing.differs(got, silencing.outputs(twin, batch)) and "its class does more than its weight says"
    if reason:
        _put(thin, name, old)
    return reason


def _say(outcome: Outcome, whole: dict[str, int], target: float, studio: Studio, material: Material) -> None:
    """Record what was done; a note where it is not what was asked for."""
    after = multiplyadds.total(outcome.model, studio.arguments)
    before = sum(whole.values())
    share = (before - after) / sum(whole[name] for name in material.options)
    studio.record(target=target, removed_share_of_splittable=share, removed_share=1 - after / before)
    studio.record(multiplyadds_before=before, multiplyadds_after=after, ranks=outcome.ranks)
    studio.record(slower_in_tflite_int8=outcome.slower)
    studio.record(left_alone=[f"{name}: {reason}" for name, reason in outcome.left.items()])
    if abs(share - target) > SLACK:
        studio.note(
            f"lowrank: {share:.0%} of the multiply-adds of the layers that can be split went, not {target:.0%}: "
            f"ranks go in steps of {ranks.TILE}, and every split must pay"
        )


def _listed(left: Mapping[str, str]) -> str:
    return "; ".join(f"`{name}`: {reason}" for name, reason in list(left.items())[:_LISTED]) or "the model has none"


def _put(model: nn.Module, name: str, layer: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(model.get_submodule(parent), own, layer)


def _overwrite(layer: Any, weight: torch.Tensor) -> None:
    with torch.no_grad():
        layer.weight.copy_(weight)
