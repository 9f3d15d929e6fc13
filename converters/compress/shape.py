"""The child's side of shaping: a recipe's compression steps, one after the other, on the prepared torch model.

The result is a float model with everything baked in: batch-norm folded, masks multiplied, nothing left to remove.
Imports torch: for child processes only.
"""

from __future__ import annotations

import copy
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import msgspec
import torch

from converters import digests, frameworks, numerics, samples, torchmodel, userfile
from converters.compress import TECHNIQUES, distill, folding, sequence
from converters.compress.knowing import known
from converters.compress.sequence import Hands
from converters.compress.studio import Studio
from converters.job import SHAPE, Answer, Shape, ShapeJob
from converters.tracking import Tracker
from converters.workshop import read_facts
from harness.records import Step, StepResult

Technique = Callable[[torch.nn.Module, Step, Studio], torch.nn.Module]


def shape(job: ShapeJob) -> Answer:
    """Raises SourceError and ConversionError for what cannot be done."""
    tracker = Tracker(ignore=Path(job.store))
    with tracker.watching():
        model, module, notes = _source(job)
        studio = Studio(job, model, module)
        for note in notes:
            studio.note(note)
        model, history = through(model, studio)
    fingerprint = _write(model, studio, job)
    result = Shape(fingerprint=fingerprint, history=history, warnings=tuple(studio.notes))
    (Path(job.folder) / SHAPE).write_bytes(msgspec.json.encode(result))
    return Answer(known=known(job, tracker, studio.lessons))


def _source(job: ShapeJob) -> tuple[torch.nn.Module, ModuleType | None, tuple[str, ...]]:
    """The prepared model once more, the user's file, which a bare Keras model has not got, and notes."""
    prepared, path = Path(job.prepared), Path(job.path)
    if job.format in frameworks.KERAS_FORMATS:
        from converters import keras_layers

        found = keras_layers.again(path, prepared)
        return found.model, found.source, found.notes
    return torchmodel.again(path, prepared, read_facts(prepared)), sys.modules[userfile.MODULE], ()


def through(
    model: torch.nn.Module, studio: Studio, find: Callable[[str], Technique] | None = None
) -> tuple[torch.nn.Module, tuple[StepResult, ...]]:
    """See sequence.py. find: who does a step, by its name; where nothing is given, the real ones."""
    for step in studio.steps:
        if step.name == "distill":
            distill.prepare(step, studio)

    def evaluated(name: str) -> Technique:
        technique = (find or find_technique)(name)
        return lambda model, step, studio: technique(model, step, studio).eval()

    hands = Hands(
        fold=lambda model: folding.fold(model, studio.arguments),
        copy=copy.deepcopy,
        shapes=lambda model: _output_shapes(model, studio),
        find=evaluated,
    )
    return sequence.through(model, studio, hands)


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
