"""How good a model is on samples kept apart from training: the task metric, higher is better.

Imports torch: for child processes only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from converters import floors, userfile
from converters.compress.lessons import Batch, Lessons
from converters.compress.objective import Objective, leaves
from converters.metric import OwnMetric
from harness.errors import SourceError
from harness.metrics import ACCURACY


class Jury:
    """Scores models on the validation rows; without labels there is nothing to judge with.

    name: of the metric. sign: -1 where lower is better, so that a score times the sign is in the metric's own unit.
    """

    def __init__(self, lessons: Lessons | None, metric: OwnMetric | None, objective: Objective) -> None:
        self._lessons, self._metric, self._objective = lessons, metric, objective
        self.size, self.whole_batches_only = 1, False
        self.name = metric.name if metric else ""
        self.sign = 1 if metric is None or metric.higher_is_better else -1

    @property
    def sits(self) -> bool:
        return self._lessons is not None and self._lessons.labels is not None and len(self._lessons.validation) > 0

    def score(self, model: torch.nn.Module) -> float | None:
        """None without labels. Raises SourceError when the metric is not a number."""
        if not self.sits:
            return None
        assert self._lessons is not None
        assert self._lessons is not None
        was_training = model.training
        model.eval()
        with torch.no_grad():
            score = self._score(model, self._lessons.labels[self._lessons.validation])
        model.train(was_training)
        return score

    def _score(self, model: torch.nn.Module, labels: Any) -> float:
        if self._metric is not None:
            return self.sign * self._own(model, labels)
        outputs = self._outputs(model)[0]
        if labels.dtype.kind == "i" and outputs.ndim == 2 and labels.size == len(labels) and outputs.shape[1] > 1:
            self.name = ACCURACY
            return float((outputs.argmax(1) == labels.reshape(-1)[: len(outputs)]).mean())
        self.name, self.sign = "loss", -1
        losses = [self._objective.judged(model(*inputs), inputs, expected) for inputs, expected in self._batches()]
        return -float(np.mean([float(loss) for loss in losses]))

    def limit(self, floor: floors.Floor, baseline: float) -> float:
        """The floor as a score; baseline: the source model's score."""
        return self.sign * floor.limit(self.sign * baseline)

    def spelled(self, score: float) -> str:
        return f"{self.name} {self.sign * score:.4g}"

    def _batches(self) -> Iterator[Batch]:
        assert self._lessons is not None
        rows = self._lessons.validation
        end = len(rows) - self.size + 1 if self.whole_batches_only else len(rows)
        for start in range(0, max(end, 1), self.size):
            yield self._lessons.batch(rows[start : start + self.size])

    def _outputs(self, model: torch.nn.Module) -> list[Any]:
        found = [[leaf.detach().numpy() for leaf in leaves(model(*inputs))] for inputs, _ in self._batches()]
        return [np.concatenate(column) for column in zip(*found, strict=True)]

    def _own(self, model: torch.nn.Module, labels: Any) -> float:
        """The user's metric wants what get_evaluation_data() gives: one sample each, batch of one included."""
        assert self._metric is not None
        single = [array[:, None] for array in self._outputs(model)]
        with userfile.blaming(self._metric.path, f"in the metric `{self._metric.name}`"):
            value = float(self._metric.function(single, labels[: len(single[0])]))
        if not np.isfinite(value):
            raise SourceError(f"the metric `{self._metric.name}` is {value}", remedy="correct it in get_metric()")
        return value
