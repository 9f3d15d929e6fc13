"""One training, from its first optimizer step to its last: seeded, resumable, stopped by a loss that is no number.

Imports torch: for child processes only.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from converters import following
from converters.compress import lessons as taught
from converters.compress.jury import Jury
from converters.compress.lessons import Lessons
from converters.compress.objective import Objective
from converters.compress.running_statistics import held
from converters.workshop import Progress
from harness.records import Record

_SAVE_EVERY_SECS = 20.0
_NORM = torch.nn.modules.batchnorm._BatchNorm
_ROWS_AT_LEAST, _PROBED_BATCHES = 8, 4
_WORSE, _NEAR_ZERO = 1.5, 0.05  # a loss near 0 may double without meaning anything
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


class Tools(Record, frozen=True, kw_only=True):
    """What a training works with. checkpoint: where it is saved; digest: of all that must be the same to go on."""

    lessons: Lessons
    objective: Objective
    jury: Jury
    checkpoint: Path
    digest: str


class Tuning:
    """A training while it runs. halted: why it ended early, "" when it did not. held: whether batch-norms stayed as
    they were."""

    def __init__(self, model: torch.nn.Module, plan: Plan, tools: Tools) -> None:
        self.halted, self.held = "", False
        self._model, self._plan, self._tools = model, plan, tools
        self._parameters = list(plan.parameters) if plan.parameters is not None else _trainable(model)
        self._optimizer = torch.optim.Adam(self._parameters, lr=plan.learning_rate)
        self._per_epoch = taught.batches_of(tools.lessons.training, plan.batch_size)
        self._total = max(1, math.ceil(plan.epochs * self._per_epoch))
        self._look_every = max(1, min(self._per_epoch, self._total // max(1, plan.looks)))
        self._step, self._ended, self._loss = 0, False, math.nan
        self._best: tuple[float, Any] | None = None
        self._good, self._good_step = copy.deepcopy(model.state_dict()), 0
        self._told = self._saved = time.monotonic()

    def run(self) -> None:
        """Train in place, going on from the checkpoint where one fits. Raises SourceError for a user's fault."""
        torch.manual_seed(self._plan.seed)
        self._resume()
        self.held = not statistics_fit(self._model, self._plan, self._tools)
        with self._tools.objective.attached(self._model), held(self._model) if self.held else nullcontext():
            self._model.train()
            while self._step < self._total and not self._ended:
                self._epoch()
        if self._plan.keep_best and self._best is not None:
            self._model.load_state_dict(self._best[1])
        self._ended = True
        self._save()
        self._model.eval()

    def _epoch(self) -> None:
        number, done = divmod(self._step, self._per_epoch)
        rows, plan = self._tools.lessons.training, self._plan
        order = list(taught.epoch(rows, plan.batch_size, (plan.seed, number)))
        for batch in order[done:]:
            if not self._one(batch):
                self._restore_good()
            elif self._step % self._look_every == 0 or self._step == self._total:
                self._look()
            elif time.monotonic() - self._saved > _SAVE_EVERY_SECS:
                self._save()
            if self._ended or self._step == self._total:
                return

    def _one(self, rows: Any) -> bool:
        """One optimizer step; False when the loss is no number."""
        rate = self._plan.learning_rate * 0.5 * (1 + math.cos(math.pi * self._step / self._total))
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        inputs, labels = self._tools.lessons.batch(rows)
        self._optimizer.zero_grad()
        loss = self._tools.objective(self._model, inputs, labels)
        self._loss = float(loss.detach())
        if not math.isfinite(self._loss):
            return False
        loss.backward()
        self._optimizer.step()
        self._step += 1
        if self._plan.after_step is not None:
            self._plan.after_step(self._step, self._total)
        self._tell()
        return True

    def _look(self) -> None:
        """The score, the best state and the last good one kept, a checkpoint."""
        score = self._tools.jury.score(self._model)
        if self._plan.keep_best and score is not None and (self._best is None or score > self._best[0]):
            self._best = (score, copy.deepcopy(self._model.state_dict()))
        self._good, self._good_step = copy.deepcopy(self._model.state_dict()), self._step
        if self._plan.after_look is not None and not self._plan.after_look(score):
            self._ended = True
        self._tell(score, at_once=True)
        self._save()

    def _restore_good(self) -> None:
        self._model.load_state_dict(self._good)
        self._ended = True
        kept = f"after step {self._good_step}" if self._good_step else "before the training"
        self.halted = f"the loss became {self._loss} at step {self._step + 1} of {self._total}; the weights {kept} stay"

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
            "model": self._model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "good": self._good,
            "good_step": self._good_step,
            "best": self._best,
            "memory": self._plan.memory,
            "random": torch.get_rng_state(),
        }
        torch.save(kept, temporary)
        temporary.replace(path)

    def _resume(self) -> None:
        """A checkpoint of other data, settings or architecture is none."""
        path = self._tools.checkpoint
        if not path.exists():
            return
        try:
            kept = torch.load(path, weights_only=True)
            fits = kept["digest"] == self._tools.digest
        except (RuntimeError, EOFError, KeyError, ValueError, OSError) as error:
            print(f"the checkpoint {path.name} cannot be read ({error}); starting anew", flush=True)  # noqa: T201
            return
        if not fits:
            return
        self._model.load_state_dict(kept["model"])
        self._optimizer.load_state_dict(kept["optimizer"])
        self._step, self._ended, self.halted = kept["step"], kept["ended"], kept["halted"]
        self._good, self._good_step, self._best = kept["good"], kept["good_step"], kept["best"]
        self._plan.memory.clear()
        self._plan.memory.update(kept["memory"])
        torch.set_rng_state(kept["random"])
        print(f"{self._plan.label}: going on at step {self._step} of {self._total}", flush=True)  # noqa: T201


def _trainable(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    """What the user left trainable; all of it where the whole model was frozen, as for inference."""
    parameters = [parameter for parameter in model.parameters() if parameter.is_floating_point()]
    chosen = [parameter for parameter in parameters if parameter.requires_grad]
    if not chosen:
        for parameter in parameters:
            parameter.requires_grad_(True)
    return chosen or parameters


def statistics_fit(model: torch.nn.Module, plan: Plan, tools: Tools) -> bool:
    """Whether batch-norms may train along: when the loss with the statistics of training batches is about that with
    their own. A backbone trained on other data, and batches of a few rows, would be broken by it."""
    if not any(isinstance(part, _NORM) for part in model.modules()):
        return True
    if plan.batch_size < _ROWS_AT_LEAST:
        return False
    probe = copy.deepcopy(model).eval()
    before = _loss(probe, plan, tools)
    for part in probe.modules():
        if isinstance(part, _NORM):
            part.train()
    return _loss(probe, plan, tools) <= _WORSE * before + _NEAR_ZERO


def _loss(model: torch.nn.Module, plan: Plan, tools: Tools) -> float:
    """The mean over a few training batches, the model in the mode that it is in."""
    rows = tools.lessons.training[: _PROBED_BATCHES * plan.batch_size]
    with torch.no_grad(), tools.objective.attached(model):
        batches = [tools.lessons.batch(each) for each in taught.epoch(rows, plan.batch_size, (plan.seed,))]
        return sum(float(tools.objective(model, *batch)) for batch in batches) / len(batches)
