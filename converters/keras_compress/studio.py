"""What a compression step works with: training on the user's data, a score, the quality floor, notes.

Imports tf_keras: for child processes only.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import tf_keras

from converters import floors, samples, userfile
from converters.compress import lessons as taught
from converters.compress.lessons import Lessons
from converters.following import line
from converters.job import ShapeJob
from converters.keras_compress.loss import loss_of
from converters.metric import own as own_metric
from converters.workshop import Progress, read_facts
from harness.errors import ConversionError, SourceError
from harness.metrics import ACCURACY
from harness.records import Training

Fact = str | float | int | list[str] | dict[str, float]
_TOLD_STEPS = 20


class Studio:
    """Fed by the driver, step by step. arguments: one prepared sample. reference: the source model, which is never
    changed. trainable: there is training data."""

    def __init__(self, job: ShapeJob, reference: Any, module: ModuleType | None) -> None:
        self.path, prepared = Path(job.path), Path(job.prepared)
        inputs = read_facts(prepared).model.inputs
        self.arguments = samples.read(prepared / "evaluation", "input", 1)[0]
        self.settings: Training = job.training
        self.seed, self.steps = job.seed, job.steps
        self.reference = reference
        self.lessons: Lessons | None = None
        if module is not None:
            _refuse_own_training(module)
            self.lessons = taught.read(module, self.path, inputs, job.training, job.seed)
        self.notes: list[str] = [*(self.lessons.notes if self.lessons else ())]
        self.facts: dict[str, Fact] = {}
        self._metric = own_metric(module, self.path) if module is not None else None
        self._loss = loss_of(module, self.path, self.lessons, reference)
        self._limit = self._floor()

    @property
    def trainable(self) -> bool:
        return self.lessons is not None

    @property
    def total_steps(self) -> int:
        """Optimizer steps of one training."""
        assert self.lessons is not None
        return max(1, round(self.settings.epochs * taught.batches_of(self.lessons.training, self.settings.batch_size)))

    def train(self, model: Any, label: str, callbacks: Sequence[Any] = ()) -> None:
        """Fine-tune in place, seeded. Raises ConversionError where it ends in weights that are no numbers."""
        total = self.total_steps
        tf_keras.utils.set_random_seed(self.seed)
        rate = tf_keras.optimizers.schedules.CosineDecay(self.settings.learning_rate, total)
        model.compile(optimizer=tf_keras.optimizers.Adam(rate), loss=self._loss)
        told = _Telling(label, total)
        model.fit(self._batches(total), steps_per_epoch=total, epochs=1, verbose=0, callbacks=[*callbacks, told])
        if not all(np.isfinite(array).all() for array in model.get_weights() if array.dtype.kind == "f"):
            raise ConversionError(
                f"{label}: the training ended in weights that are no numbers",
                remedy="lower training.learning_rate, or clean the data",
            )

    def score(self, model: Any) -> float | None:
        """The task metric on samples kept apart from training, higher is better; None without labels."""
        if self.lessons is None or self.lessons.labels is None or not len(self.lessons.validation):
            return None
        rows = self.lessons.validation
        outputs = [np.asarray(each) for each in _listed(model.predict(self._inputs(rows), verbose=0))]
        labels = self.lessons.labels[rows]
        if self._metric is not None:
            return self._own(outputs, labels)
        classes = outputs[0].ndim == 2 and outputs[0].shape[1] > 1
        if labels.dtype.kind == "i" and classes and labels.size == len(rows):
            return float((outputs[0].argmax(1) == labels.reshape(-1)).mean())
        return -float(np.mean(self._loss(labels, outputs[0])))

    def below_floor(self, score: float | None) -> bool:
        return score is not None and self._limit is not None and score < self._limit

    def spelled(self, score: float | None) -> str:
        """The score in the metric's own unit."""
        name = self._metric.name if self._metric else ACCURACY
        lower = self._metric is not None and not self._metric.higher_is_better
        return "no score" if score is None else f"{name} {-score if lower else score:.4g}"

    def spelled_floor(self) -> str:
        return self.spelled(self._limit)

    def note(self, text: str) -> None:
        """A doubt that the user must see with the build."""
        self.notes.append(text)

    def record(self, **facts: Fact) -> None:
        """Something the present step says of itself, for the build's history."""
        self.facts.update(facts)

    def _batches(self, total: int) -> Any:
        assert self.lessons is not None
        done = epoch = 0
        while done < total:
            for rows in taught.epoch(self.lessons.training, self.settings.batch_size, (self.seed, epoch)):
                inputs = self._inputs(rows)
                yield inputs, self._wanted(rows, inputs)
                done += 1
            epoch += 1

    def _inputs(self, rows: Any) -> Any:
        assert self.lessons is not None
        columns = [column[rows] for column in self.lessons.inputs]
        return columns[0] if len(columns) == 1 else columns

    def _wanted(self, rows: Any, inputs: Any) -> Any:
        """Labels, or where there are none what the source model gives."""
        assert self.lessons is not None
        return self.reference.predict_on_batch(inputs) if self.lessons.labels is None else self.lessons.labels[rows]

    def _own(self, outputs: list[Any], labels: Any) -> float:
        """The user's metric wants what get_evaluation_data() gives: one sample each, batch of one included."""
        assert self._metric is not None
        with userfile.blaming(self._metric.path, f"in the metric `{self._metric.name}`"):
            value = float(self._metric.function([array[:, None] for array in outputs], labels))
        if not np.isfinite(value):
            raise SourceError(f"the metric `{self._metric.name}` is {value}", remedy="correct it in get_metric()")
        return value if self._metric.higher_is_better else -value

    def _floor(self) -> float | None:
        floor = floors.parse(self.settings.floor)
        if floor is None:
            return None
        baseline = self.score(self.reference)
        if baseline is None:
            self.note(f"the floor `{self.settings.floor}` was not watched: there is no training data with labels")
            return None
        sign = -1 if self._metric is not None and not self._metric.higher_is_better else 1
        return sign * floor.limit(sign * baseline)


class _Telling(tf_keras.callbacks.Callback):  # type: ignore[misc]  # tf_keras is not type-checked here
    """Prints how far the training is, for the parent to hand on."""

    def __init__(self, label: str, total: int) -> None:
        super().__init__()
        self._label, self._total = label, total

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        done = batch + 1
        if done % max(1, self._total // _TOLD_STEPS) == 0 or done == self._total:
            now = f"{self._label}, loss {(logs or {}).get('loss', float('nan')):.3g}"
            print(line(Progress(done=done, total=self._total, now=now)), flush=True)  # noqa: T201


def _refuse_own_training(module: ModuleType) -> None:
    if userfile.function(module, "train") is not None:
        raise ConversionError(
            "train() in the model's file is for torch models; Keras models are trained by the toolkit's own callbacks",
            remedy="remove it, and give get_training_data(), get_loss() and the `training` settings in bench.yaml",
        )


def _listed(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
