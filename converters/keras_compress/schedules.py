"""When zeros come while training: the toolkit's schedules, and one that can be made to wait for the quality.

Imports tf_keras: for child processes only.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras

from converters.compress.watch import Memory
from harness.records import Schedule


def constant(target: float, schedule: Schedule, total: int) -> Any:
    """All zeros from the schedule's first step on."""
    begin, _, frequency = _steps(schedule, total)
    return tfmot.sparsity.keras.ConstantSparsity(target, begin, end_step=-1, frequency=frequency)


def growing(target: float, schedule: Schedule, total: int) -> WaitingDecay:
    begin, end, frequency = _steps(schedule, total)
    return WaitingDecay(
        initial_sparsity=min(schedule.initial_sparsity, target),
        final_sparsity=target,
        begin_step=begin,
        end_step=end,
        frequency=frequency,
    )


class WaitingDecay(tfmot.sparsity.keras.PolynomialDecay):  # type: ignore[misc]  # not type-checked here
    """The toolkit's PolynomialDecay, which draws no new masks while `held`, and goes on drawing after its last step, so
    that the share asked for is reached all the same."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.held = tf.Variable(False, trainable=False, name="held")

    def __call__(self, step: Any) -> tuple[Any, Any]:
        _, share = super().__call__(step)
        due = self._should_prune_in_step(step, self.begin_step, -1, self.frequency)
        return tf.logical_and(due, tf.logical_not(self.held)), share


class Holding(tf_keras.callbacks.Callback):  # type: ignore[misc]  # tf_keras is not type-checked here
    """Makes a schedule wait while the memory of a training says so, where it was taken up again, too."""

    def __init__(self, schedule: WaitingDecay, memory: Memory) -> None:
        super().__init__()
        self._schedule, self._memory = schedule, memory

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self._schedule.held.assign(self._memory["waits"])

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self.on_train_begin()


def _steps(schedule: Schedule, total: int) -> tuple[int, int, int]:
    """First step, last step and steps between two masks. The last mask must fall on the last step of the schedule: else
    it would come late, or never."""
    begin = int(schedule.begin * total)
    length = max(1, min(int(schedule.end * total), total - 1) - begin)
    frequency = min(schedule.frequency, length)
    return begin, begin + length // frequency * frequency, frequency
