"""One training of a Keras model: what of a `Course` only tf_keras can do, the toolkit's callbacks among it.

Imports tf_keras: for child processes only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import tf_keras

from converters.compress.course import Course, Plan, Tools
from harness.records import Record


class Teaching(Record, frozen=True, kw_only=True):
    """batch(rows): inputs, and what is wanted of them. callbacks: of the toolkit, to which a look is an epoch's end."""

    loss: Any
    batch: Callable[[Any], tuple[Any, Any]]
    callbacks: Sequence[Any] = ()


class Tuning(Course):
    """A training while it runs."""

    def __init__(self, model: Any, plan: Plan, tools: Tools, teaching: Teaching) -> None:
        model.compile(optimizer=tf_keras.optimizers.Adam(plan.learning_rate), loss=teaching.loss)
        model.optimizer.build(model.trainable_variables)
        super().__init__(model, plan, tools)
        self._batch = teaching.batch
        self._callbacks = tf_keras.callbacks.CallbackList(list(teaching.callbacks), model=model)

    def _seed(self) -> None:
        tf_keras.utils.set_random_seed(self._plan.seed)

    @contextmanager
    def _training(self) -> Iterator[None]:
        self._callbacks.on_train_begin()
        yield
        self._callbacks.on_train_end()

    def _learn(self, rows: Any, rate: float) -> float:
        self._model.optimizer.learning_rate.assign(rate)
        found = self._model.train_on_batch(*self._batch(rows))
        return float(np.ravel(found)[0])

    def _look(self) -> None:
        self._callbacks.on_epoch_end(0)
        super()._look()

    def _weights(self) -> Any:
        return self._model.get_weights()

    def _put_weights(self, weights: Any) -> None:
        self._model.set_weights(weights)

    def _are_numbers(self) -> bool:
        return all(bool(np.isfinite(variable.numpy()).all()) for variable in self._model.trainable_variables)

    def _surroundings(self) -> dict[str, Any]:
        return {"optimizer": [variable.numpy() for variable in self._optimizer_variables()]}

    def _put_surroundings(self, kept: dict[str, Any]) -> None:
        for variable, value in zip(self._optimizer_variables(), kept["optimizer"], strict=True):
            variable.assign(value)

    def _optimizer_variables(self) -> list[Any]:
        return list(self._model.optimizer.variables)

    def _write(self, path: Path, kept: dict[str, Any]) -> None:
        path.write_bytes(msgspec.msgpack.encode(kept, enc_hook=_plain))

    def _read(self, path: Path) -> dict[str, Any]:
        kept: dict[str, Any] = _revived(msgspec.msgpack.decode(path.read_bytes()))
        return kept


_ARRAY = "ndarray"


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    assert isinstance(value, np.ndarray), f"a checkpoint cannot hold {type(value).__name__}"
    return {_ARRAY: value.dtype.str, "shape": value.shape, "data": value.tobytes()}


def _revived(value: Any) -> Any:
    if isinstance(value, dict) and _ARRAY in value:
        return np.frombuffer(value["data"], value[_ARRAY]).reshape(value["shape"])
    if isinstance(value, dict):
        return {key: _revived(part) for key, part in value.items()}
    return [_revived(part) for part in value] if isinstance(value, list) else value
