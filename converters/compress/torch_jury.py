"""The jury of torch models.

Imports torch: for child processes only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from converters.compress.jury import Jury
from converters.compress.lessons import Batch, Lessons
from converters.compress.objective import Objective, leaves
from converters.metric import OwnMetric
from converters.samples import Arrays


class TorchJury(Jury):
    """size: rows at once. whole_batches_only: the model takes no others, so that a rest is left out."""

    def __init__(self, lessons: Lessons | None, metric: OwnMetric | None, objective: Objective) -> None:
        super().__init__(lessons, metric)
        self.size, self.whole_batches_only = 1, False
        self._objective = objective

    def score(self, model: torch.nn.Module) -> float | None:
        was_training = model.training
        model.eval()
        with torch.no_grad():
            found = super().score(model)
        model.train(was_training)
        return found

    def _outputs(self, model: torch.nn.Module) -> Arrays:
        found = [[leaf.detach().numpy() for leaf in leaves(model(*inputs))] for inputs, _ in self._batches()]
        return [np.concatenate(column) for column in zip(*found, strict=True)]

    def _loss(self, model: torch.nn.Module) -> float:
        losses: list[Any] = [
            self._objective.judged(model(*inputs), inputs, expected) for inputs, expected in self._batches()
        ]
        return float(np.mean([float(loss) for loss in losses]))

    def _batches(self) -> Iterator[Batch]:
        assert self._lessons is not None
        rows = self._lessons.validation
        end = len(rows) - self.size + 1 if self.whole_batches_only else len(rows)
        for start in range(0, max(end, 1), self.size):
            yield self._lessons.batch(rows[start : start + self.size])
