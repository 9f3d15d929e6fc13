"""One training, from its first optimizer step to its last: seeded, resumable, stopped by a loss that is no number.

The same for every framework; what only a framework can do is in its subclass.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from converters import following
from converters.compress import lessons as taught
from converters.compress.lessons import Lessons
from converters.workshop import Progress
from harness.records import Record

_SAVE_EVERY_SECS = 20.0
_TELL_EVERY_SECS = 1.0


class Plan(Record, frozen=True, kw_only=True):
    """What is asked of one training.

    after_step(step, total): after every optimizer step, counted from 1. after_look(score): after every look at the
    validation score, which is once per epoch and at least `looks` times; False ends the training there. parameters:
    which are trained, None for all. keep_best: at the end, go back to the look with the best score. memory: of the
    callbacks; it is saved with every checkpoint and put back.
    """

    label: str
    epochs: float
    batch_size: int
    learning_rate: float
    seed: int
    after_step: Callable[[int, int], None] | None = None
    after_look: Callable[[float | None], bool] | None = None
    looks: int = 0
    parameters: Sequence[Any] | None = None
    keep_best: bool = True
    memory: dict[str, Any] = {}


def total_steps(plan: Plan, lessons: Lessons) -> int:
    """Optimizer steps of a whole training."""
    return max(1, math.ceil(plan.epochs * taught.batches_of(lessons.training, plan.batch_size)))


class Judge(Protocol):
    """Who scores a model, higher is better, and says a score in the metric's own unit."""

    def score(self, model: Any) -> float | None: ...

    def spelled(self, score: float) -> str: ...


class Tools(Record, frozen=True, kw_only=True):
    """What a training works with. checkpoint: where it is saved; digest: of all that must be the same to go on."""

    lessons: Lessons
    jury: Judge
    checkpoint: Path
    digest: str


class Course(ABC):
    """A training while it runs. halted: why it ended early, "" when it did not."""

    def __init__(self, model: Any, plan: Plan, tools: Tools) -> None:
        self.halted = ""
        self._model, self._plan, self._tools = model, plan, tools
        self._per_epoch = taught.batches_of(tools.lessons.training, plan.batch_size)
        self._total = total_steps(plan, tools.lessons)
        self._look_every = max(1, min(self._per_epoch, self._total // max(1, plan.looks)))
        self._step, self._ended, self._loss = 0, False, math.nan
        self._best: tuple[float, Any] | None = None
        self._good, self._good_step = self._weights(), 0
        self._told = self._saved = time.monotonic()

    def run(self) -> None:
        """Train in place, going on from the checkpoint where one fits. Raises SourceError for a user's fault."""
        self._seed()
        self._resume()
        with self._training():
            while self._step < self._total and not self._ended:
                self._epoch()
            if self._plan.keep_best and self._best is not None:
                self._put_weights(self._best[1])
            self._ended = True
            self._save()

    @abstractmethod
    def _seed(self) -> None:
        """Set the framework's generators to the plan's seed."""

    @abstractmethod
    def _training(self) -> AbstractContextManager[None]:
        """Around the training: what the model has to be in meanwhile."""

    @abstractmethod
    def _learn(self, rows: Any, rate: float) -> float:
        """One optimizer step on these rows; its loss. After one that is no number the weights may be anything."""

    @abstractmethod
    def _weights(self) -> Any:
        """A copy of all that the model holds."""

    @abstractmethod
    def _put_weights(self, weights: Any) -> None: ...

    @abstractmethod
    def _are_numbers(self) -> bool:
        """Whether all weights that are trained are finite."""

    @abstractmethod
    def _surroundings(self) -> dict[str, Any]:
        """What else has to be put back to go on: the optimizer's state, generators."""

    @abstractmethod
    def _put_surroundings(self, kept: dict[str, Any]) -> None: ...

    @abstractmethod
    def _write(self, path: Path, kept: dict[str, Any]) -> None: ...

    @abstractmethod
    def _read(self, path: Path) -> dict[str, Any]:
        """Raises RuntimeError, EOFError, ValueError or OSError for a file that is damaged."""

    def _epoch(self) -> None:
        number, done = divmod(self._step, self._per_epoch)
        rows, plan = self._tools.lessons.training, self._plan
        order = list(taught.epoch(rows, plan.batch_size, (plan.seed, number)))
        for batch in order[done:]:
            if not self._one(batch):
                self._restore_good(f"the loss became {self._loss} at step {self._step + 1} of {self._total}")
            elif self._step % self._look_every == 0 or self._step == self._total:
                self._look()
            elif time.monotonic() - self._saved > _SAVE_EVERY_SECS:
                self._save()
            if self._ended or self._step == self._total:
                return

    def _one(self, rows: Any) -> bool:
        """One optimizer step; False when the loss is no number."""
        rate = self._plan.learning_rate * 0.5 * (1 + math.cos(math.pi * self._step / self._total))
        self._loss = self._learn(rows, rate)
        if not math.isfinite(self._loss):
            return False
        self._step += 1
        if self._plan.after_step is not None:
            self._plan.after_step(self._step, self._total)
        self._tell()
        return True

    def _look(self) -> None:
        """The score, the best state and the last good one kept, a checkpoint."""
        if not self._are_numbers():
            self._restore_good(f"weights were no numbers any more at step {self._step} of {self._total}")
            return
        score = self._tools.jury.score(self._model)
        self._good, self._good_step = self._weights(), self._step
        if self._plan.keep_best and score is not None and (self._best is None or score > self._best[0]):
            self._best = (score, self._good)
        if self._plan.after_look is not None and not self._plan.after_look(score):
            self._ended = True
        self._tell(score, at_once=True)
        self._save()

    def _restore_good(self, reason: str) -> None:
        self._put_weights(self._good)
        self._ended = True
        kept = f"after step {self._good_step}" if self._good_step else "before the training"
        self.halted = f"{reason}; the weights {kept} stay"

    def _tell(self, score: float | None = None, at_once: bool = False) -> None:
        now = time.monotonic()
        if not at_once and self._step > 1 and now - self._told < _TELL_EVERY_SECS:
            return
        self._told = now
        judged = "" if score is None else f", {self._tools.jury.spelled(score)}"
        text = f"{self._plan.label}, loss {self._loss:.4g}{judged}"
        print(following.line(Progress(done=self._step, total=self._total, now=text)), flush=True)  # noqa: T201

    def _save(self) -> None:
        """Whole or not at all."""
        self._saved = time.monotonic()
        path = self._tools.checkpoint
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + ".tmp")
        kept = {
            "digest": self._tools.digest,
            "step": self._step,
            "ended": self._ended,
            "halted": self.halted,
            "model": self._weights(),
            "good": self._good,
            "good_step": self._good_step,
            "best": self._best,
            "memory": self._plan.memory,
            **self._surroundings(),
        }
        self._write(temporary, kept)
        temporary.replace(path)

    def _resume(self) -> None:
        """A checkpoint of other data, settings or architecture is none."""
        path = self._tools.checkpoint
        if not path.exists():
            return
        try:
            kept = self._read(path)
            fits = kept["digest"] == self._tools.digest
        except (RuntimeError, EOFError, KeyError, ValueError, OSError) as error:
            print(f"the checkpoint {path.name} cannot be read ({error}); starting anew", flush=True)  # noqa: T201
            return
        if not fits:
            return
        self._put_weights(kept["model"])
        self._put_surroundings(kept)
        self._step, self._ended, self.halted = kept["step"], kept["ended"], kept["halted"]
        self._good, self._good_step, self._best = kept["good"], kept["good_step"], kept["best"]
        self._plan.memory.clear()
        self._plan.memory.update(kept["memory"])
        print(f"{self._plan.label}: going on at step {self._step} of {self._total}", flush=True)  # noqa: T201
