"""The jury of Keras models, which are called as they are: a graph of its own for every model costs more than it saves.

Imports TensorFlow: for child processes only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from converters.compress.jury import Jury
from converters.compress.lessons import Lessons
from converters.metric import OwnMetric
from converters.samples import Arrays

_ROWS = 64


class KerasJury(Jury):
    """loss(labels, outputs): what training makes small."""

    def __init__(self, lessons: Lessons | None, metric: OwnMetric | None, loss: Any) -> None:
        super().__init__(lessons, metric)
        self._of = loss

    def _outputs(self, model: Any) -> Arrays:
        found = [outputs(model, inputs) for inputs, _ in self._batches()]
        return [np.concatenate(column) for column in zip(*found, strict=True)]

    def _loss(self, model: Any) -> float:
        losses = [np.mean(self._of(labels, outputs(model, inputs)[0])) for inputs, labels in self._batches()]
        return float(np.mean(losses))

    def _batches(self) -> Iterator[tuple[Arrays, Any]]:
        assert self._lessons is not None
        for start in range(0, len(self._lessons.validation), _ROWS):
            rows = self._lessons.validation[start : start + _ROWS]
            yield [column[rows] for column in self._lessons.inputs], self._lessons.labels[rows]


def outputs(model: Any, arrays: Arrays) -> Arrays:
    """What the model gives at inference, in the order of its outputs."""
    found = model(arrays[0] if len(arrays) == 1 else arrays, training=False)
    return [each.numpy() for each in tf.nest.flatten(found)]
