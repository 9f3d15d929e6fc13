"""What a compression step works with: training on the user's data, a score, the quality floor, notes.

Imports tf_keras: for child processes only.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from converters import digests, floors, samples
from converters.compress import lessons as taught
from converters.compress.course import Plan, Tools, total_steps
from converters.compress.lessons import Lessons
from converters.job import ShapeJob
from converters.keras_compress.jury import KerasJury
from converters.keras_compress.loss import loss_of
from converters.keras_compress.tuning import Teaching, Tuning
from converters.metric import own as own_metric
from converters.workshop import read_facts
from harness.records import Training

_OWN_TRAINING = (
    "train() in the model's file was not called: a Keras model is trained by the toolkit, on get_training_data()"
)
Fact = str | float | int | list[str] | dict[str, float]


class Studio:
    """Fed by the driver, step by step. arguments: one prepared sample. reference: the source model, which is never
    changed. trainable: there is training data. stopped: where the present step ended before its target, and why;
    judged: the score of what its result is meant for, where that is not the float model. Both are set by the step."""

    def __init__(self, job: ShapeJob, reference: Any, module: ModuleType | None) -> None:
        path, prepared = Path(job.path), Path(job.prepared)
        inputs = read_facts(prepared).model.inputs
        self.arguments = samples.read(prepared / "evaluation", "input", 1)[0]
        self.settings: Training = job.training
        self.seed, self.steps = job.seed, job.steps
        self.reference = reference
        self.lessons: Lessons | None = None
        self.notes: list[str] = []
        if module is not None:
            self.lessons = taught.read(module, path, inputs, job.training, job.seed)
            self.notes += self.lessons.notes if self.lessons else ()
            if callable(getattr(module, "train", None)):
                self.notes.append(_OWN_TRAINING)
        self.facts: dict[str, Fact] = {}
        self.stopped = ""
        self.judged: float | None = None
        self._loss = loss_of(module, path, self.lessons, reference)
        self._jury = KerasJury(self.lessons, own_metric(module, path), self._loss)
        self._checkpoints, self._trainings = Path(job.checkpoints), 0
        self._limit = self._floor()

    @property
    def trainable(self) -> bool:
        return self.lessons is not None

    @property
    def total_steps(self) -> int:
        """Optimizer steps of one training; 1 without any."""
        return 1 if self.lessons is None else total_steps(self.plan(""), self.lessons)

    def plan(self, label: str) -> Plan:
        """The experiment's training, to be changed and handed to train()."""
        settings = self.settings
        return Plan(
            label=label,
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            seed=self.seed + self._trainings,
            memory={},
        )

    def train(self, model: Any, plan: Plan, callbacks: Sequence[Any] = ()) -> str:
        """Train in place by the plan; "" or why it ended early, which is noted as well. Only where `trainable`.

        callbacks: of the toolkit, for each of which a look at the score is the end of an epoch.
        """
        self._trainings += 1
        tuning = Tuning(
            model, plan, self._tools(model, plan), Teaching(loss=self._loss, batch=self._batch, callbacks=callbacks)
        )
        tuning.run()
        if tuning.halted:
            self.note(f"{plan.label}: {tuning.halted}")
            self.stopped = tuning.halted
        return tuning.halted

    def score(self, model: Any) -> float | None:
        """The task metric on samples kept apart from training, higher is better; None without labels."""
        return self._jury.score(model)

    def below_floor(self, score: float | None) -> bool:
        return self._limit is not None and score is not None and score < self._limit

    def spelled(self, score: float | None) -> str:
        """A score in the metric's own name and sign, for notes."""
        return "no score" if score is None else self._jury.spelled(score)

    def spelled_floor(self) -> str:
        return self.spelled(self._limit)

    def note(self, text: str) -> None:
        """A doubt that the user must see with the build."""
        if text not in self.notes:
            self.notes.append(text)

    def record(self, **facts: Fact) -> None:
        """Something the present step says of itself, for the build's history."""
        self.facts.update(facts)

    def _batch(self, rows: Any) -> tuple[Any, Any]:
        """Inputs, and labels or, where there are none, what the source model gives."""
        assert self.lessons is not None
        columns = [column[rows] for column in self.lessons.inputs]
        inputs = columns[0] if len(columns) == 1 else columns
        return inputs, self.reference(inputs, training=False) if self.lessons.labels is None else self.lessons.labels[
            rows
        ]

    def _tools(self, model: Any, plan: Plan) -> Tools:
        assert self.lessons is not None
        shapes = [list(variable.shape) for variable in model.variables]
        asked = [plan.label, plan.epochs, plan.batch_size, plan.learning_rate, plan.seed]
        return Tools(
            lessons=self.lessons,
            jury=self._jury,
            checkpoint=self._checkpoints / f"training-{self._trainings}.msgpack",
            digest=digests.of_record([self.lessons.digest, shapes, asked]),
        )

    def _floor(self) -> float | None:
        floor = floors.parse(self.settings.floor)
        if floor is None:
            return None
        baseline = self.score(self.reference)
        if baseline is None:
            self.note(f"the floor `{self.settings.floor}` was not watched: there is no training data with labels")
            return None
        return self._jury.limit(floor, baseline)
