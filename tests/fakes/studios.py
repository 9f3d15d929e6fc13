"""A studio for tests of single steps: no user's file, no training but what a test brings along."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from converters.compress.studio import Studio
from harness.records import Training


class FakeStudio(Studio):
    """samples: [N, ...] of the model's only input. train: what tune() does to a model, None for no training data.

    score, floor: the metric of a model, and what it may not fall below.
    """

    def __init__(
        self,
        samples: torch.Tensor,
        *,
        train: Callable[[Any], None] | None = None,
        score: Callable[[Any], float] | None = None,
        floor: float | None = None,
    ) -> None:
        self.arguments = (torch.zeros_like(samples[:1]),)
        self.settings = Training(floor="" if floor is None else floor)
        self.seed, self.stopped = 0, ""
        self.notes: list[str] = []
        self.facts: dict[str, Any] = {}
        self.tuned: list[tuple[str, float | None]] = []
        self._samples, self._train, self._metric, self._floor_at = samples, train, score, floor

    def tune(self, model: Any, *, label: str, epochs: float | None = None, **_: object) -> bool:
        if self._train is None:
            return False
        self.tuned.append((label, epochs))
        model.train()
        self._train(model)
        model.eval()
        return True

    def score(self, model: Any) -> float | None:
        return None if self._metric is None else self._metric(model)

    def below_floor(self, score: float | None) -> bool:
        return self._floor_at is not None and score is not None and score < self._floor_at

    def spelled(self, score: float | None) -> str:
        return f"score {score}"

    def spelled_floor(self) -> str:
        return f"score {self._floor_at}"

    def calibration(self) -> Sequence[tuple[torch.Tensor, ...]]:
        return [(sample[None],) for sample in self._samples]
