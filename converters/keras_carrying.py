"""What ExecuTorch builds start from: the model as a Keras 3 file, which Keras can open on torch as well.

A model of the older generation is rebuilt in Keras 3 from its description; whether it is still the same model is
checked by running it. For child processes only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from converters import keras_files, keras_generations, keras_models, numerics
from converters.dataset import Subject
from converters.reasons import one_line
from harness.errors import ConversionError

FILE = "model.keras"
_LAYERS_ONLY = "ExecuTorch builds take a Functional or Sequential Keras model of Keras's own layers"


def carry(subject: Subject) -> None:
    """Write model.keras into the subject's folder. Raises ConversionError that names what cannot go over."""
    model = _with_layers(subject) if subject.generation == "savedmodel" else subject.network
    if keras_models.generation_of(model) == "tf_keras":
        model = keras_generations.to_keras_3(model)
        _check_same(subject, model)
    _refuse_lambdas(model)
    try:
        model.save(subject.folder / FILE)
    except Exception as error:
        raise ConversionError(f"Keras cannot save the model: {one_line(error)}", remedy=_LAYERS_ONLY) from error


def _with_layers(subject: Subject) -> Any:
    path = subject.path
    if not keras_files.has_layers(path):
        raise ConversionError(
            "a SavedModel is a TensorFlow graph without layers", remedy="name the Keras model that it was made from"
        )
    keras_files.refuse_unsafe_folder(path)
    return keras_models.load(path, "tf_keras", keras_files.Description())


def _refuse_lambdas(model: Any) -> None:
    for layer in model._flatten_layers():
        if type(layer).__name__ == "Lambda":
            raise ConversionError(
                f"the layer `{layer.name}` is a Lambda, whose code is not carried over to torch",
                remedy="write it as a layer class with keras.ops",
            )


def _check_same(subject: Subject, model: Any) -> None:
    """The rebuilt model must give the outputs of the original."""
    expected = subject.run(subject.arrays)
    got = [np.asarray(output) for output in keras_models.caller(model)(*subject.arrays)]
    difference = numerics.compare([got], [expected])
    if difference.relative > numerics.LIMITS["float"].relative:
        raise ConversionError(
            f"the model gives other outputs once it is rebuilt in Keras 3 (by {difference.relative:.2g})",
            remedy="save it with Keras 3",
        )


def home(folder: Path) -> Path:
    return folder / FILE
