"""`prune(0.8)`, `prune(0.8,global)`, `prune(0.8,1x4)`, `prune(2:4)`: small weights become zero, while training.

The share of zeros grows along a cubic, fast at first, when there is much to spare (Zhu and Gupta, "To prune, or not to
prune", arXiv:1710.01878), and the rest of the network makes up for it. Without training data all is done at once.
Imports torch: for child processes only.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from msgspec.structs import replace
from torch import nn

from converters.compress import masks, running_statistics, sampling, watch, weights
from converters.compress.masks import Pattern
from converters.compress.studio import Studio
from converters.compress.weights import Weight
from harness.errors import ConversionError
from harness.records import Schedule, Step

_MIN_ELEMENTS = 32
_REDRAWN = 10  # masks, at least, on the way: a short training must not take it in one leap
_ROWS = 32  # of calibration samples at once, to measure batch-norms anew
_LOOKS = 12  # at the score, where there is a floor to keep
_LEFT: dict[str, str] = {
    "depthwise": "depthwise: few weights, each of which matters",
    "stem": "reads the input's few channels: few weights, each of which matters",
}


def apply(model: nn.Module, step: Step, studio: Studio) -> nn.Module:
    """Raises ConversionError where no layer can be pruned this way."""
    pattern = masks.parse(step.arguments)
    chosen, left = _choose(model, pattern)
    if not chosen:
        raise ConversionError(
            f"`prune({','.join(step.arguments)})` finds no layer that it could prune: {'; '.join(left[:3]) or 'none'}",
            remedy="ask for a pattern that divides the layers' channels, or leave the step out",
        )
    pruner = Pruner(model, chosen, pattern, studio)
    if studio.trainable:
        pruner.train(f"prune({','.join(step.arguments)})")
    else:
        pruner.set(pattern.final_sparsity)
        batches = sampling.together(model, studio.calibration(), _ROWS)
        model, _ = running_statistics.renewed(model, studio.reference, batches)
        studio.note("pruned in one shot, without fine-tuning: the model's file has no get_training_data()")
    studio.record(
        sparsity=round(_sparsity(chosen), 4),
        target=round(pattern.final_sparsity, 4),
        layers={weight.name: round(_sparsity([weight]), 4) for weight in chosen},
        layers_left=left,
    )
    return model


class Pruner:
    """Masks on some weights of a model, redrawn on the way to the final share of zeros and held while training.

    Below the floor no more zeros come until the next look at the score; when it is still below then, the training ends
    and the last state that was good enough is taken.
    """

    def __init__(self, model: nn.Module, chosen: list[Weight], pattern: Pattern, studio: Studio) -> None:
        self._model, self._chosen, self._pattern, self._studio = model, chosen, pattern, studio
        self._schedule: Schedule = studio.settings.schedule
        # masks: of what is kept, drawn before the first step, which moves zeros too; what is zero now stays zero.
        self._memory = watch.memory()
        self._memory["masks"] = [weight.parameter.detach() != 0 for weight in chosen]

    def train(self, label: str) -> None:
        """Leaves the pruned model; Studio.stopped says so where it has fewer zeros than asked for."""
        plan = replace(
            self._studio.plan(label),
            after_step=self._after_step,
            after_look=self._after_look,
            looks=_LOOKS if self._studio.settings.floor != "" else 0,
            keep_best=False,
            memory=self._memory,
        )
        halted = self._studio.train(self._model, plan)
        best = self._memory["best"]
        if best is not None:
            self._model.load_state_dict(best["state"])
        reached = best["share"] if best is not None else self._memory["share"]
        if reached >= self._pattern.final_sparsity - 1e-9:
            return
        if halted or self._memory["fell"]:
            zeros = _sparsity(self._chosen)
            self._studio.stopped = f"at {zeros:.0%} zeros: {halted or self._memory['fell']}"
            self._studio.note(f"{label} stopped {self._studio.stopped}")
        else:
            self.set(self._pattern.final_sparsity)

    def set(self, share: float) -> None:
        """Draw the masks for this share of zeros and apply them."""
        rows = [weight.rows() for weight in self._chosen]
        drawn = masks.make(rows, self._pattern, share)
        self._memory["masks"] = [
            weights.from_rows(mask, weight.parameter, weight.kind)
            for mask, weight in zip(drawn, self._chosen, strict=True)
        ]
        self._memory["share"] = share
        self._hold()

    def _after_step(self, step: int, total: int) -> None:
        span = self._schedule.end - self._schedule.begin
        share = share_at(step / total, self._pattern.final_sparsity, self._schedule)
        every = max(1, min(self._schedule.frequency, round(total * span / _REDRAWN)))
        due = step % every == 0 or step == total or share >= self._pattern.final_sparsity
        if due and share > self._memory["share"] and not self._memory["waits"]:
            self.set(share)
        else:
            self._hold()

    def _after_look(self, score: float | None) -> bool:
        def state() -> Any:
            return copy.deepcopy(self._model.state_dict())

        return watch.looked(self._memory, score, state, lambda: _sparsity(self._chosen), self._studio)

    def _hold(self) -> None:
        with torch.no_grad():
            for mask, weight in zip(self._memory["masks"], self._chosen, strict=True):
                weight.parameter.masked_fill_(~mask, 0)  # a product would leave zeros of both signs, which zip badly


def share_at(time: float, final: float, schedule: Schedule) -> float:
    """Share of zeros at `time`, a share of the training; 0 before the schedule begins."""
    if time < schedule.begin:
        return 0.0
    passed = min(1.0, (time - schedule.begin) / (schedule.end - schedule.begin))
    initial = min(schedule.initial_sparsity, final)
    return final + (initial - final) * (1 - passed) ** 3


def _choose(model: nn.Module, pattern: Pattern) -> tuple[list[Weight], list[str]]:
    """The weights to prune, and for each other one why it stays as it is."""
    chosen, left = [], []
    for weight in weights.of(model):
        reason = _reason_to_leave(weight, pattern)
        if reason:
            left.append(f"{weight.name} ({reason})")
        else:
            chosen.append(weight)
    return chosen, left


def _reason_to_leave(weight: Weight, pattern: Pattern) -> str:
    if weight.kind == "depthwise" or (weight.kind == "stem" and pattern.scope == "layer"):
        return _LEFT[weight.kind]
    if weight.parameter.numel() < _MIN_ELEMENTS:
        return f"only {weight.parameter.numel()} weights"
    return masks.fits(weight.rows(), weight.inputs, pattern)


def _sparsity(chosen: list[Weight]) -> float:
    zeros = sum(int((weight.parameter == 0).sum()) for weight in chosen)
    return zeros / sum(int(weight.parameter.numel()) for weight in chosen)
