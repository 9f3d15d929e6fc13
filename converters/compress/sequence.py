"""The steps of a recipe, one after the other, whatever the framework: batch norms folded at the right moment, scores
before and after, the floor."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from converters import recipes
from converters.compress.watch import Watched
from harness.errors import ConversionError
from harness.records import Record, Step, StepResult, Training

# Shared values and scales are those of the weights that run, so batch-norm is folded in before them. Zeros stay zeros
# under folding, and a network with its batch-norms alive recovers better from them: 78 % against 76 % of Fashion-MNIST
# for a small one with 70 % zeros, after the same training.
_AFTER_FOLDING = ("cluster", "qat")
_LESS = "ask for less, train longer (training.epochs), or lower training.floor"
Shapes = list[tuple[int, ...]]


class Atelier(Watched, Protocol):
    """The part of a studio that the driver feeds and reads."""

    settings: Training
    steps: tuple[Step, ...]
    stopped: str
    judged: float | None
    facts: dict[str, Any]

    def score(self, model: Any) -> float | None: ...

    def note(self, text: str) -> None: ...


class Hands(Record, frozen=True, kw_only=True):
    """What only a framework can do with a model. shapes(model): of its outputs; find(name): who does the step, as
    technique(model, step, studio) -> model."""

    fold: Callable[[Any], Any]
    copy: Callable[[Any], Any]
    shapes: Callable[[Any], Shapes]
    find: Callable[[str], Callable[[Any, Step, Any], Any]]


def through(model: Any, studio: Atelier, hands: Hands) -> tuple[Any, tuple[StepResult, ...]]:
    """All steps; one that falls below the floor is left out with all after it.

    Raises ConversionError when there is nothing before the step that falls below.
    """
    history: list[StepResult] = []
    folded = False
    for step in studio.steps:
        if step.name in _AFTER_FOLDING and not folded:
            model, folded = hands.fold(model), True
        before = hands.copy(model) if studio.settings.floor != "" else model
        model, result = _done(model, step, studio, hands)
        if studio.below_floor(result.score_after):
            if not history:
                fell = f"`{result.step}` cannot keep the quality: {_fell(result, studio)}"
                raise ConversionError(fell, remedy=_LESS)
            studio.note(f"{result.step} was left out, and all after it: {_fell(result, studio)}")
            model = before
            break
        history.append(result)
    return (model if folded else hands.fold(model)), tuple(history)


def _done(model: Any, step: Step, studio: Atelier, hands: Hands) -> tuple[Any, StepResult]:
    started, spelled = time.monotonic(), recipes.spell(step)
    studio.facts, studio.stopped, studio.judged = {}, "", None
    score, shapes = studio.score(model), hands.shapes(model)
    model = hands.find(step.name)(model, step, studio)
    if hands.shapes(model) != shapes:
        raise ConversionError(f"`{spelled}` changed the shape of the model's outputs", remedy="leave the step out")
    result = StepResult(
        step=spelled,
        seconds=time.monotonic() - started,
        score_before=score,
        score_after=studio.score(model) if studio.judged is None else studio.judged,
        stopped=studio.stopped,
        facts=dict(studio.facts),
    )
    return model, result


def _fell(result: StepResult, studio: Atelier) -> str:
    return f"it leads to {studio.spelled(result.score_after)}, beyond the floor {studio.spelled_floor()}"
