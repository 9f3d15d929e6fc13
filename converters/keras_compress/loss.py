"""What training makes small: the user's get_loss(), else what the labels suggest, else how far the source model is.

Imports tf_keras: for child processes only.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import tf_keras

from converters import userfile
from converters.compress.lessons import Lessons
from harness.errors import SourceError

Loss = Callable[[Any, Any], Any]
_SQUARES: Loss = tf_keras.losses.mean_squared_error


def loss_of(module: ModuleType | None, path: Path, lessons: Lessons | None, reference: Any) -> Loss:
    """A Keras loss (labels, outputs) -> loss per sample. Raises SourceError where none fits the labels."""
    get = userfile.function(module, "get_loss") if module is not None else None
    if get is not None:
        with userfile.blaming(path, "in get_loss()"):
            own = get()
        if not callable(own):
            raise SourceError(
                f"get_loss() returned {type(own).__name__}, not a function", remedy="return loss(outputs, labels)"
            )
        return lambda labels, outputs: own(outputs, labels)
    return _SQUARES if lessons is None else _suggested(lessons, reference)


def _suggested(lessons: Lessons, reference: Any) -> Loss:
    inputs = [column[lessons.training[:4]] for column in lessons.inputs]
    outputs = reference.predict_on_batch(inputs[0] if len(inputs) == 1 else inputs)
    if lessons.labels is None:
        return _SQUARES
    first = outputs[0] if isinstance(outputs, (list, tuple)) else outputs
    labels = lessons.labels[lessons.training[:4]]
    if labels.dtype.kind == "i" and first.ndim == 2 and first.shape[1] > 1 and labels.size == len(first):
        probabilities = bool((first >= 0).all() and np.allclose(first.sum(1), 1, atol=1e-3))
        return lambda wanted, given: tf_keras.losses.sparse_categorical_crossentropy(
            wanted, given, from_logits=not probabilities
        )
    if labels.shape[1:] == first.shape[1:]:
        return _SQUARES
    raise SourceError(
        f"no loss is known for outputs {list(first.shape)} with labels {labels.dtype} {list(labels.shape)}",
        remedy="add get_loss() to the model's file, which returns loss(outputs, labels)",
    )
