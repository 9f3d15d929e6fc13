"""How good a model is on samples kept apart from training: the task metric, higher is better.

The same for every framework; who can run its models is in a subclass.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from converters import floors, userfile
from converters.compress.lessons import Lessons
from converters.metric import OwnMetric
from converters.samples import Arrays
from harness.errors import SourceError
from harness.metrics import ACCURACY


class Jury(ABC):
    """Scores models on the validation rows; without labels there is nothing to judge with.

    name: of the metric. sign: -1 where lower is better, so that a score times the sign is in the metric's own unit.
    """

    def __init__(self, lessons: Lessons | None, metric: OwnMetric | None) -> None:
        self._lessons, self._metric = lessons, metric
        self.name = metric.name if metric else ""
        self.sign = 1 if metric is None or metric.higher_is_better else -1

    @property
    def sits(self) -> bool:
        return self._lessons is not None and self._lessons.labels is not None and len(self._lessons.validation) > 0

    def score(self, model: Any) -> float | None:
        """None without labels. Raises SourceError when the metric is not a number."""
        if not self.sits:
            return None
        assert self._lessons is not None
        outputs, labels = self._outputs(model), self._lessons.labels[self._lessons.validation]
        if self._metric is not None:
            return self.sign * self._own(outputs, labels)
        first = outputs[0]
        if labels.dtype.kind == "i" and first.ndim == 2 and labels.size == len(labels) and first.shape[1] > 1:
            self.name = ACCURACY
            return float((first.argmax(1) == labels.reshape(-1)[: len(first)]).mean())
        self.name, self.sign = "loss", -1
        return -self._loss(model)

    def limit(self, floor: floors.Floor, baseline: float) -> float:
        """The floor as a score; baseline: the source model's score."""
        return self.sign * floor.limit(self.sign * baseline)

    def spelled(self, score: float) -> str:
        return f"{self.name} {self.sign * score:.4g}"

    @abstractmethod
    def _outputs(self, model: Any) -> Arrays:
        """What the model gives for the validation rows (whole batches of them, where it takes no others)."""

    @abstractmethod
    def _loss(self, model: Any) -> float:
        """The mean over the validation rows of what training makes small."""

    def _own(self, outputs: Arrays, labels: Any) -> float:
        """The user's metric wants what get_evaluation_data() gives: one sample each, batch of one included."""
        assert self._metric is not None
        single = [array[:, None] for array in outputs]
        with userfile.blaming(self._metric.path, f"in the metric `{self._metric.name}`"):
            value = float(self._metric.function(single, labels[: len(single[0])]))
        if not np.isfinite(value):
            raise SourceError(f"the metric `{self._metric.name}` is {value}", remedy="correct it in get_metric()")
        return value
