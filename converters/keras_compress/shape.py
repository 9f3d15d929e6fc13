"""The child's side of shaping a Keras model: a recipe's compression steps, one after the other, in tf_keras.

The result is a float model in both forms that conversions start from, a SavedModel and a Keras 3 file.
Imports TensorFlow: for child processes only.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import tf_keras

from converters import (
    digests,
    frameworks,
    keras_carrying,
    keras_export,
    keras_files,
    keras_generations,
    keras_models,
    numerics,
    samples,
    userfile,
)
from converters.compress import sequence
from converters.compress.knowing import known
from converters.compress.sequence import Hands
from converters.job import SHAPE, Answer, Shape, ShapeJob
from converters.keras_compress import TECHNIQUES, folding
from converters.keras_compress.jury import outputs
from converters.keras_compress.studio import Studio
from converters.tracking import Tracker
from converters.workshop import read_facts
from harness.errors import ConversionError
from harness.records import StepResult


def shape(job: ShapeJob) -> Answer:
    """Raises SourceError and ConversionError for what cannot be done."""
    tf_keras.utils.set_random_seed(job.seed)
    tracker = Tracker(ignore=Path(job.store))
    with tracker.watching():
        studio = Studio(job, _source(job), _module(job))
        model, history = through(copied(studio.reference), studio)
    fingerprint = _write(model, job)
    result = Shape(fingerprint=fingerprint, history=history, warnings=tuple(studio.notes))
    (Path(job.folder) / SHAPE).write_bytes(msgspec.json.encode(result))
    return Answer(known=known(job, tracker, studio.lessons))


def _source(job: ShapeJob) -> Any:
    """The prepared model in tf_keras, which is what the toolkit works on, checked to be still the same."""
    path = keras_carrying.home(Path(job.prepared))
    model = keras_models.load(path, "keras", keras_files.describe(path))
    twin = keras_generations.to_tf_keras(model)
    inputs, expected = numerics.of_prepared(Path(job.prepared))
    got = [outputs(twin, arrays) for arrays in inputs]
    difference = numerics.compare(got, expected)
    if difference.relative > numerics.LIMITS["float"].relative:
        raise ConversionError(
            f"the model gives other outputs once it is rebuilt in tf_keras (by {difference.relative:.2g}), "
            "where TensorFlow's toolkit works",
            remedy="leave the compression steps out",
        )
    return twin


def _module(job: ShapeJob) -> ModuleType | None:
    """The user's file, for its data; None where the source is a bare model."""
    if job.format not in frameworks.PYTHON_FORMATS:
        return None
    path = Path(job.path)
    userfile.check_unchanged(path, read_facts(Path(job.prepared)).code)
    return userfile.load(path, required=userfile.REQUIRED[:1])


def copied(model: Any) -> Any:
    twin = tf_keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    return twin


def through(model: Any, studio: Studio) -> tuple[Any, tuple[StepResult, ...]]:
    """See compress/sequence.py."""
    hands = Hands(fold=folding.fold, copy=copied, shapes=lambda each: _output_shapes(each, studio), find=_technique)
    return sequence.through(model, studio, hands)


def _technique(name: str) -> Any:
    """The function behind a step's name, imported late."""
    module, _, function = TECHNIQUES[name].partition(":")
    return getattr(importlib.import_module(module), function)


def _output_shapes(model: Any, studio: Studio) -> list[tuple[int, ...]]:
    return [output.shape for output in outputs(model, studio.arguments)]


def _write(model: Any, job: ShapeJob) -> str:
    """saved_model/, model.keras and the reference outputs; returns the model's fingerprint."""
    folder, prepared = Path(job.folder), Path(job.prepared)
    facts = read_facts(prepared)
    keras_export.save(model, facts.model.inputs, folder, any_batch=facts.dynamic_batch)
    keras_generations.to_keras_3(model).save(folder / keras_carrying.FILE)
    inputs, _ = numerics.of_prepared(prepared)
    samples.write_all(folder / "reference", "output", [outputs(model, arrays) for arrays in inputs])
    weights = keras_models.weights_digest(model.get_weights())
    return digests.of_record([weights, digests.of_files(folder / "reference", "*")])
