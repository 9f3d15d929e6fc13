"""One training of a torch model: what of a `Course` only torch can do.

Imports torch: for child processes only.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from converters.compress import lessons as taught
from converters.compress.course import Course, Plan, Tools
from converters.compress.objective import Objective
from converters.compress.running_statistics import held

_NORM = torch.nn.modules.batchnorm._BatchNorm
_ROWS_AT_LEAST, _PROBED_BATCHES = 8, 4
_WORSE, _NEAR_ZERO = 1.5, 0.05  # a loss near 0 may double without meaning anything


class Tuning(Course):
    """A training while it runs. held: whether batch-norms stayed as they were."""

    def __init__(self, model: torch.nn.Module, plan: Plan, tools: Tools, objective: Objective) -> None:
        super().__init__(model, plan, tools)
        self.held = False
        self._objective = objective
        self._parameters = list(plan.parameters) if plan.parameters is not None else _trainable(model)
        self._optimizer = torch.optim.Adam(self._parameters, lr=plan.learning_rate)

    def _seed(self) -> None:
        torch.manual_seed(self._plan.seed)

    @contextmanager
    def _training(self) -> Iterator[None]:
        self.held = not self._statistics_fit()
        with self._objective.attached(self._model), held(self._model) if self.held else nullcontext():
            self._model.train()
            yield
        self._model.eval()

    def _learn(self, rows: Any, rate: float) -> float:
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        inputs, labels = self._tools.lessons.batch(rows)
        self._optimizer.zero_grad()
        loss = self._objective(self._model, inputs, labels)
        found = float(loss.detach())
        if torch.isfinite(loss):
            loss.backward()
            self._optimizer.step()
        return found

    def _weights(self) -> Any:
        return copy.deepcopy(self._model.state_dict())

    def _put_weights(self, weights: Any) -> None:
        self._model.load_state_dict(weights)

    def _are_numbers(self) -> bool:
        return all(bool(torch.isfinite(parameter).all()) for parameter in self._parameters)

    def _surroundings(self) -> dict[str, Any]:
        return {"optimizer": self._optimizer.state_dict(), "random": torch.get_rng_state()}

    def _put_surroundings(self, kept: dict[str, Any]) -> None:
        self._optimizer.load_state_dict(kept["optimizer"])
        torch.set_rng_state(kept["random"])

    def _write(self, path: Path, kept: dict[str, Any]) -> None:
        torch.save(kept, path)

    def _read(self, path: Path) -> dict[str, Any]:
        return torch.load(path, weights_only=True)  # type: ignore[no-any-return]

    def _statistics_fit(self) -> bool:
        """Whether batch-norms may train along: when the loss with the statistics of training batches is about that with
        their own. A backbone trained on other data, and batches of a few rows, would be broken by it."""
        if not any(isinstance(part, _NORM) for part in self._model.modules()):
            return True
        if self._plan.batch_size < _ROWS_AT_LEAST:
            return False
        probe = copy.deepcopy(self._model).eval()
        before = self._probed(probe)
        for part in probe.modules():
            if isinstance(part, _NORM):
                part.train()
        return self._probed(probe) <= _WORSE * before + _NEAR_ZERO

    def _probed(self, model: torch.nn.Module) -> float:
        """The mean loss over a few training batches, the model in the mode that it is in."""
        lessons, size = self._tools.lessons, self._plan.batch_size
        rows = lessons.training[: _PROBED_BATCHES * size]
        with torch.no_grad(), self._objective.attached(model):
            batches = [lessons.batch(each) for each in taught.epoch(rows, size, (self._plan.seed,))]
            return sum(float(self._objective(model, *batch)) for batch in batches) / len(batches)


def _trainable(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    """What the user left trainable; all of it where the whole model was frozen, as for inference."""
    parameters = [parameter for parameter in model.parameters() if parameter.is_floating_point()]
    chosen = [parameter for parameter in parameters if parameter.requires_grad]
    if not chosen:
        for parameter in parameters:
            parameter.requires_grad_(True)
    return chosen or parameters
