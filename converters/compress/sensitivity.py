"""How much the outputs hang on each channel, and on each group of channels: no labels needed, some input samples.

Imports torch: for child processes only.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from converters.compress import silencing
from converters.compress.channel_plan import Curve
from converters.compress.dependencies import Group
from converters.compress.multiplyadds import Tensors
from converters.compress.sampling import split

DRAWS = 64  # random directions; the estimate of a channel is then good to about a sixth
_ROWS = 4  # samples in a draw: more of them cost time and make the draws no fewer
LEVELS = (0.125, 0.3, 0.6, 0.875)  # shares of a group that are silenced to learn its curve


def importance(model: nn.Module, found: Sequence[Group], batches: Sequence[Tensors]) -> dict[str, np.ndarray]:
    """Per group (by its layer's name) how much the outputs would change, to first order, without each unit.

    What leaves with a channel is what its readers make of it, weight times gradient summed over the readers. The
    expected square of that along random +-1 directions of the outputs is the squared change of all outputs over all
    samples, since the signs of different outputs and samples are independent (Hutchinson's trick).
    """
    scores = {group.layer: torch.zeros(group.width, dtype=torch.float64) for group in found}
    signs = torch.Generator().manual_seed(0)
    parameters = [parameter for parameter in model.parameters() if parameter.is_floating_point()]
    wanted = [parameter.requires_grad for parameter in parameters]
    for parameter in parameters:
        parameter.requires_grad_(True)
    small = [piece for batch in batches for piece in split(batch, _ROWS)]
    for batch in itertools.islice(itertools.cycle(small), DRAWS):
        model.zero_grad(set_to_none=True)
        with torch.enable_grad():
            _along(model, batch, signs).backward()
        for group in found:
            scores[group.layer] += _left_with(model, group).square()
    model.zero_grad(set_to_none=True)
    for parameter, trainable in zip(parameters, wanted, strict=True):
        parameter.requires_grad_(trainable)
    return {group.layer: _per_unit(group, scores[group.layer]) for group in found}


def order(scores: np.ndarray) -> list[int]:
    """Units from the least to the most important."""
    return [int(unit) for unit in np.argsort(scores, kind="stable")]


def curve(model: nn.Module, group: Group, ranked: Sequence[int], batches: Sequence[Tensors]) -> Curve:
    """What the outputs lose when this group alone goes without more and more of its least important units."""
    reference = [leaf for batch in batches for leaf in silencing.outputs(model, batch)]
    points, worst = [(0.0, 0.0)], 0.0
    for level in LEVELS:
        units = ranked[: round(level * group.units)]
        with silencing.silenced(model, group, units):
            got = [leaf for batch in batches for leaf in silencing.outputs(model, batch)]
        worst = max(worst, error(got, reference))
        points.append((len(units) / group.units, worst))
    return tuple(points)


def distance(model: nn.Module, reference: nn.Module, batches: Sequence[Tensors]) -> float:
    """How far a model's outputs are from the reference's, as `error` has it."""
    got, wanted = (
        [leaf for batch in batches for leaf in silencing.outputs(each, batch)] for each in (model, reference)
    )
    return error(got, wanted)


def error(got: Sequence[torch.Tensor], reference: Sequence[torch.Tensor]) -> float:
    """Squared difference over the reference's own spread (squared), the mean over all floating-point outputs."""
    shares = []
    for left, right in zip(got, reference, strict=True):
        if right.is_floating_point() and right.numel():
            spread = (right.double() - right.double().mean()).square().sum()
            shares.append(float((left.double() - right.double()).square().sum() / max(float(spread), 1e-12)))
    return float(np.mean(shares)) if shares else 0.0


def _along(model: nn.Module, batch: Tensors, signs: torch.Generator) -> torch.Tensor:
    """The outputs along one random direction, each output in units of its own size."""
    total = torch.zeros(())
    for leaf in torch.utils._pytree.tree_leaves(model(*batch)):
        if isinstance(leaf, torch.Tensor) and leaf.requires_grad:
            direction = torch.randint(0, 2, leaf.shape, generator=signs).to(leaf.dtype) * 2 - 1
            total = total + (leaf * direction).sum() / leaf.detach().abs().mean().clamp_min(1e-9)
    return total


def _left_with(model: nn.Module, group: Group) -> torch.Tensor:
    found = torch.zeros(group.width, dtype=torch.float64)
    for member in group.readers:
        layer = model.get_submodule(member.layer)
        if layer.weight.grad is None:
            continue
        product = silencing.by_input(layer.weight.detach() * layer.weight.grad, layer)
        by_channel = product.sum((1, 3)).flatten().double()
        found.index_add_(0, torch.tensor(member.roots), by_channel[torch.tensor(member.channels)])
    return found


def _per_unit(group: Group, scores: torch.Tensor) -> np.ndarray:
    return np.asarray(scores.reshape(group.parts, group.units).sum(0))
