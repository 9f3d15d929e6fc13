"""What a compression step works with: training on the user's data, a score, the quality floor, notes.

Imports tf_keras: for child processes only.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from converters import samples
from converters.compress import lessons as taught
from converters.compress.course import Plan, Tools, total_steps
from converters.compress.ledger import Ledger
from converters.compress.lessons import Lessons
from converters.job import ShapeJob
from converters.keras_compress.jury import KerasJury
from converters.keras_compress.loss import loss_of
from converters.keras_compress.tuning import Teaching, Tuning
from converters.metric import own as own_metric
from converters.workshop import read_facts

_OWN_TRAINING = (
    "train() in the model's file was not called: a Keras model is trained by the toolkit, on get_training_data()"
)


class Studio(Ledger):
    """Fed by the driver, step by step. arguments: one prepared sample. reference: the source model, which is never
    changed. trainable: there is training data."""

    def __init__(self, job: ShapeJob, reference: Any, module: ModuleType | None) -> None:
        super().__init__(job)
        path, prepared = Path(job.path), Path(job.prepared)
        inputs = read_facts(prepared).model.inputs
        self.arguments = samples.read(prepared / "evaluation", "input", 1)[0]
        self.reference = reference
        self.lessons: Lessons | None = None
        if module is not None:
            self.lessons = taught.read(module, path, inputs, job.training, job.seed)
            self.notes += self.lessons.notes if self.lessons else ()
            if callable(getattr(module, "train", None)):
                self.notes.append(_OWN_TRAINING)
        self._loss = loss_of(module, path, self.lessons, reference)
        self._jury = KerasJury(self.lessons, own_metric(module, path), self._loss)
        self._checkpoints = Path(job.checkpoints)
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
        return self._planned(label, None, self.settings.batch_size)

    def train(self, model: Any, plan: Plan, callbacks: Sequence[Any] = ()) -> str:
        """Train in place by the plan; "" or why it ended early, which is noted as well. Only where `trainable`.

        callbacks: of the toolkit, for each of which a look at the score is the end of an epoch.
        """
        self._trainings += 1
        tuning = Tuning(
            model, plan, self._tools(model, plan), Teaching(loss=self._loss, batch=self._batch, callbacks=callbacks)
        )
        tuning.run()
        return self._ended(plan.label, tuning.halted)

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
        return Tools(
            lessons=self.lessons,
            jury=self._jury,
            checkpoint=self._checkpoints / f"training-{self._trainings}.msgpack",
            digest=self._digest(plan, self.lessons.digest, shapes),
        )
