"""The child's side of shaping: a recipe's compression steps, one after the other, on the prepared torch model.

The result is a float model with everything baked in: batch-norm folded, masks multiplied, nothing left to remove.
Imports torch: for child processes only.
"""

from __future__ import annotations

import copy
import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import torch

from converters import digests, numerics, recipes, samples, torchmodel, userfile
from converters.compress import TECHNIQUES, distill, folding
from converters.compress.knowing import known
from converters.compress.studio import Studio
from converters.job import SHAPE, Answer, Shape, ShapeJob
from converters.tracking import Tracker
from converters.workshop import read_facts
from harness.errors import ConversionError
from harness.records import Step, StepResult

# Shared values and scales are those of the weights that run, so batch-norm is folded in before them. Zeros stay zeros
# under folding, and a network with its batch-norms alive recovers better from them: 78 % against 76 % of Fashion-MNIST
# for a small one with 70 % zeros, after the same training.
_AFTER_FOLDING = ("cluster", "qat")
Technique = Callable[[torch.nn.Module, Step, Studio], torch.nn.Module]
_LESS = "ask for less, train longer (training.epochs), or lower training.floor"


def shape(job: ShapeJob) -> Answer:
    """Raises SourceError and ConversionError for what cannot be done."""
    prepared, path = Path(job.prepared), Path(job.path)
    tracker = Tracker(ignore=Path(job.store))
    with tracker.watching():
        model = torchmodel.again(path, prepared, read_facts(prepared))
        studio = Studio(job, model, sys.modules[userfile.MODULE])
        model, history = through(model, studio)
    fingerprint = _write(model, studio, job)
    result = Shape(fingerprint=fingerprint, history=history, warnings=tuple(studio.notes))
    (Path(job.folder) / SHAPE).write_bytes(msgspec.json.encode(result))
    return Answer(known=known(job, tracker, studio.lessons))


def through(
    model: torch.nn.Module, studio: Studio, find: Callable[[str], Technique] | None = None
) -> tuple[torch.nn.Module, tuple[StepResult, ...]]:
    """All steps; one that falls below the floor is left out with all after it.

    find: who does a step, by its name; where nothing is given, the real ones. Raises ConversionError when there is
    nothing before the step that falls below.
    """
    for step in studio.steps:
        if step.name == "distill":
            distill.prepare(step, studio)
    history: list[StepResult] = []
    folded = False
    for step in studio.steps:
        if step.name in _AFTER_FOLDING and not folded:
            model, folded = folding.fold(model, studio.arguments), True
        before = copy.deepcopy(model) if studio.settings.floor != "" else model
        model, result = _done((find or find_technique)(step.name), model, step, studio)
        if studio.below_floor(result.score_after):
            if not history:
                fell = f"`{result.step}` cannot keep the quality: {_fell(result, studio)}"
                raise ConversionError(fell, remedy=_LESS)
            studio.note(f"{result.step} was left out, and all after it: {_fell(result, studio)}")
            model = before
            break
        history.append(result)
    return (model if folded else folding.fold(model, studio.arguments)), tuple(history)


def _done(
    technique: Technique, model: torch.nn.Module, step: Step, studio: Studio
) -> tuple[torch.nn.Module, StepResult]:
    started, spelled = time.monotonic(), recipes.spell(step)
    studio.facts, studio.stopped, studio.judged = {}, "", None
    score, shapes = studio.score(model), _output_shapes(model, studio)
    model = technique(model, step, studio).eval()
    if _output_shapes(model, studio) != shapes:
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


def _fell(result: StepResult, studio: Studio) -> str:
    return f"it leads to {studio.spelled(result.score_after)}, beyond the floor {studio.spelled_floor()}"


def _output_shapes(model: torch.nn.Module, studio: Studio) -> list[tuple[int, ...]]:
    return [output.shape for output in torchmodel.run(model, [each.numpy() for each in studio.arguments])]


def find_technique(name: str) -> Technique:
    """The module behind a step's name, imported late."""
    module, _, function = TECHNIQUES[name].partition(":")
    return getattr(importlib.import_module(module), function)  # type: ignore[no-any-return]


def _write(model: torch.nn.Module, studio: Studio, job: ShapeJob) -> str:
    """model.pt2 and the reference outputs; returns the model's fingerprint."""
    folder = Path(job.folder)
    flat = torchmodel.flat(model.eval(), studio.arguments)
    torch.export.save(torch.export.export(flat, studio.arguments), folder / torchmodel.PROGRAM)
    inputs, _ = numerics.of_prepared(Path(job.prepared))
    samples.write_all(folder / "reference", "output", [torchmodel.run(flat, arrays) for arrays in inputs])
    return digests.of_record([torchmodel.state_digest(flat.state_dict()), digests.of_files(folder / "reference", "*")])
