"""What a compression step works with: training on the user's data, a score, the quality floor, samples, notes.

Imports torch: for child processes only.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from converters import frameworks, samples, torchmodel, userfile
from converters.compress import lessons as taught
from converters.compress import objective as objectives
from converters.compress.course import Plan, Tools
from converters.compress.ledger import Ledger
from converters.compress.lessons import Lessons
from converters.compress.objective import Objective
from converters.compress.torch_jury import TorchJury
from converters.compress.tuning import Tuning
from converters.job import ShapeJob
from converters.metric import own as own_metric
from converters.workshop import read_facts

_TOLERANCE = 1e-3  # of the largest output
_KERAS_TRAINING = "train() in the model's file was not called: this recipe trains on torch, on get_training_data()"
_REFUSALS = (RuntimeError, ValueError, TypeError, IndexError, AssertionError, NotImplementedError)


class Studio(Ledger):
    """Fed by the driver, step by step. arguments: example inputs with the prepared batch. reference: the source model,
    frozen. trainable: there is training data, or a train() of the user's."""

    _jury: TorchJury

    def __init__(self, job: ShapeJob, reference: torch.nn.Module, module: ModuleType | None) -> None:
        super().__init__(job)
        path, prepared = Path(job.path), Path(job.prepared)
        facts = read_facts(prepared)
        self.arguments = torchmodel.tensors(samples.read(prepared / "evaluation", "input", 1)[0])
        self.reference = _frozen(reference)
        self.lessons: Lessons | None = taught.read(module, path, facts.model.inputs, job.training, job.seed)
        self.notes += self.lessons.notes if self.lessons else ()
        keras = job.format in frameworks.KERAS_FORMATS
        self.objective = Objective(objectives.own(module, path, keras=keras), self.reference)
        self._job, self._path = job, path
        self._own_training = userfile.function(module, "train")
        if self._own_training is not None and keras:
            self._own_training = None
            self.note(_KERAS_TRAINING)
        self._calibration = (prepared, facts.model.calibration_samples)
        self._jury = TorchJury(self.lessons, own_metric(module, path), self.objective)
        self._batch_size = self._possible_batch()
        self._limit = self._floor()

    @property
    def trainable(self) -> bool:
        return self.lessons is not None or self._own_training is not None

    @property
    def has_own_training(self) -> bool:
        """Whether the user's train() does the training."""
        return self._own_training is not None

    @property
    def example_batch(self) -> int:
        """Rows of the example inputs."""
        first = self.arguments[0]
        return first.shape[0] if first.dim() else 1

    def tune(
        self,
        model: torch.nn.Module,
        *,
        label: str,
        after_step: Callable[[int, int], None] | None = None,
        epochs: float | None = None,
        parameters: Sequence[torch.nn.Parameter] | None = None,
    ) -> bool:
        """Fine-tune in place, seeded; afterwards the epoch with the best score is kept. False without training data.

        after_step(step, total) is called after every optimizer step, counted from 1, to re-apply masks and the like.
        parameters: which are trained, None for all. epochs: None for the experiment's.
        """
        if not self.trainable:
            return False
        plan = self.plan(label, epochs=epochs)
        self.train(model, _with(plan, after_step=after_step, parameters=parameters))
        return True

    def plan(self, label: str, *, epochs: float | None = None) -> Plan:
        """The experiment's training, to be changed and handed to train()."""
        return self._planned(label, epochs, self._batch_size)

    def train(self, model: torch.nn.Module, plan: Plan) -> str:
        """Train in place by the plan; "" or why it ended early, which is noted as well. Only where `trainable`."""
        self._trainings += 1
        if self._own_training is not None:
            return self._train_by_user(model, plan)
        assert self.lessons is not None
        number = self._trainings
        tuning = Tuning(model, plan, self._tools(model, plan, number), self.objective)
        tuning.run()
        if tuning.held:
            self.record(batch_norms="held as they were: their statistics are not those of the training batches")
        return self._ended(plan.label, tuning.halted)

    def calibration(self) -> list[tuple[torch.Tensor, ...]]:
        """Inputs with the prepared batch: calibration samples, else training samples, else the example inputs."""
        folder, count = self._calibration
        rows = samples.read(folder / "calibration", "input", count)
        if rows:
            return [torchmodel.tensors(row) for row in rows]
        if self.lessons is None:
            return [self.arguments]
        size = self.example_batch
        chosen = self.lessons.training[: 100 * size]
        return [self.lessons.batch(chosen[at : at + size])[0] for at in range(0, len(chosen) - size + 1, size)]

    def _tools(self, model: torch.nn.Module, plan: Plan, number: int) -> Tools:
        assert self.lessons is not None
        shapes = [[name, list(tensor.shape)] for name, tensor in model.state_dict().items()]
        return Tools(
            lessons=self.lessons,
            jury=self._jury,
            checkpoint=Path(self._job.checkpoints) / f"training-{number}.pt",
            digest=self._digest(plan, self.lessons.digest, shapes),
        )

    def _train_by_user(self, model: torch.nn.Module, plan: Plan) -> str:
        calls = 0

        def after_step(step: int, total: int) -> None:
            nonlocal calls
            calls += 1
            if plan.after_step is not None:
                plan.after_step(step, total)

        assert self._own_training is not None
        before = copy.deepcopy(model.state_dict())
        torch.manual_seed(plan.seed)
        model.train()
        with self.objective.attached(model), userfile.blaming(self._path, "in train()"):
            self._own_training(model, after_step)
        model.eval()
        if plan.after_step is not None and not calls:
            self.note(f"{plan.label}: train() never called after_step(step, total), so nothing was done while it ran")
        if all(bool(torch.isfinite(tensor).all()) for tensor in model.state_dict().values()):
            return ""
        model.load_state_dict(before)
        self.stopped = "train() left weights that are no numbers; those before it stay"
        self.note(f"{plan.label}: {self.stopped}")
        return self.stopped

    def _possible_batch(self) -> int:
        """Training wants many rows at once; a model that is bound to the batch of get_args() gets that one."""
        size = self.example_batch
        if self.lessons is None:
            return size
        wanted = min(self.settings.batch_size, len(self.lessons.training))
        if _takes(self.reference, self.lessons, wanted, size):
            self._jury.size = wanted
            return wanted
        self._jury.size, self._jury.whole_batches_only = size, True
        if wanted != size:
            self.note(f"it was trained with batches of {size}: larger ones do not fit the model, or change its answers")
        return size


def _with(plan: Plan, **changes: Any) -> Plan:
    from msgspec.structs import replace

    return replace(plan, **changes)


def _frozen(model: torch.nn.Module) -> torch.nn.Module:
    kept = copy.deepcopy(model).eval()
    for parameter in kept.parameters():
        parameter.requires_grad_(False)
    return kept


def _takes(model: torch.nn.Module, lessons: Lessons, size: int, few: int) -> bool:
    """Whether so many rows at once give an output each, the first `few` of them what they give by themselves."""
    inputs, _ = lessons.batch(lessons.training[np.arange(size)])
    try:
        with torch.no_grad():
            outputs: Iterable[torch.Tensor] = objectives.leaves(model(*inputs))
            alone = objectives.leaves(model(*(each[:few] for each in inputs)))
    except _REFUSALS:
        return False
    if any(output.dim() == 0 or output.shape[0] != size for output in outputs):
        return False
    return all(_alike(output[:few].double(), one.double()) for output, one in zip(outputs, alone, strict=True))


def _alike(one: torch.Tensor, other: torch.Tensor) -> bool:
    if one.shape != other.shape or not other.numel():
        return bool(one.shape == other.shape)
    return float((one - other).abs().max()) <= _TOLERANCE * max(float(other.abs().max()), 1e-9)
