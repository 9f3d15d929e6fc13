"""What compression steps tell, and the quality that they must keep: the part of a studio that is the same for every
framework."""

from __future__ import annotations

from typing import Any

from converters import digests, floors
from converters.compress.course import Plan
from converters.compress.jury import Jury
from converters.job import ShapeJob
from harness.errors import ConversionError
from harness.metrics import ACCURACY
from harness.records import Step, Training

Fact = str | float | int | list[str] | dict[str, float]


class Ledger:
    """Fed by steps, read by the driver. stopped: where the present step ended before its target, and why; judged: the
    score of what its result is meant for, where that is not the float model. Both are set by the step."""

    settings: Training
    seed: int
    reference: Any
    _jury: Jury
    _limit: float | None

    def __init__(self, job: ShapeJob) -> None:
        self.settings, self.seed = job.training, job.seed
        self.steps: tuple[Step, ...] = job.steps
        self.stopped = ""
        self.judged: float | None = None
        self.notes: list[str] = []
        self.facts: dict[str, Fact] = {}
        self._trainings = 0

    def score(self, model: Any) -> float | None:
        """The task metric on samples kept apart from training, higher is better (a lower-is-better one comes negated).

        None without training data or labels.
        """
        return self._jury.score(model)

    def below_floor(self, score: float | None) -> bool:
        return self._limit is not None and score is not None and score < self._limit

    def spelled(self, score: float | None) -> str:
        """A score in the metric's own name and sign, for notes."""
        return "no score" if score is None else self._jury.spelled(score)

    def spelled_floor(self) -> str:
        return "none" if self._limit is None else self._jury.spelled(self._limit)

    def note(self, text: str) -> None:
        """A doubt that the user must see with the build."""
        if text not in self.notes:
            self.notes.append(text)

    def record(self, **facts: Fact) -> None:
        """Something the present step says of itself, for the build's history."""
        self.facts.update(facts)

    def _planned(self, label: str, epochs: float | None, batch_size: int) -> Plan:
        """The experiment's training; each has a seed of its own."""
        return Plan(
            label=label,
            epochs=self.settings.epochs if epochs is None else epochs,
            batch_size=batch_size,
            learning_rate=self.settings.learning_rate,
            seed=self.seed + self._trainings,
            memory={},
        )

    def _digest(self, plan: Plan, data: str, shapes: Any) -> str:
        """Of all that must be the same for a training to go on where it was."""
        asked = [plan.label, plan.epochs, plan.batch_size, plan.learning_rate, plan.seed]
        return digests.of_record([data, shapes, asked])

    def _ended(self, label: str, halted: str) -> str:
        """Note why a training ended early, if it did."""
        if halted:
            self.note(f"{label}: {halted}")
            self.stopped = halted
        return halted

    def _floor(self) -> float | None:
        """The score not to fall below. Raises ConversionError for an accuracy that there cannot be."""
        floor = floors.parse(self.settings.floor)
        if floor is None:
            return None
        baseline = self.score(self.reference)
        if baseline is None:
            self.note(f"the floor `{self.settings.floor}` was not watched: there is no training data with labels")
            return None
        limit = self._jury.limit(floor, baseline)
        if self._jury.name == ACCURACY and not 0 <= limit <= 1:
            raise ConversionError(
                f"training.floor `{self.settings.floor}` is an accuracy of {limit:g}, and they lie between 0 and 1",
                remedy="write a share, such as 0.9 or `baseline - 0.01`",
            )
        return limit
