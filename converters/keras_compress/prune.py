"""`prune(0.8)`, `prune(0.8,1x4)`, `prune(2:4)`: small weights become zero, while training, by the toolkit's
PolynomialDecay. Without training data all is done at once. Imports tf_keras: for child processes only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow_model_optimization as tfmot
import tf_keras
from msgspec.structs import replace

from converters import recipes
from converters.compress import watch
from converters.keras_compress import schedules
from converters.keras_compress.studio import Studio
from harness.errors import ConversionError
from harness.records import Step

_sparsity = tfmot.sparsity.keras
_KINDS = ("Dense", "Conv1D", "Conv2D", "Conv2DTranspose", "Conv3D")
_MIN_ELEMENTS = 32
_FEW_CHANNELS = 4
_LOOKS = 12  # at the score, where there is a floor to keep
_TOLERANCE = 0.02  # blocks and small layers round


def apply(model: Any, step: Step, studio: Studio) -> Any:
    """Raises ConversionError where no layer can be pruned this way."""
    spelled = recipes.spell(step)
    settings = _settings(step, studio, spelled)
    chosen, left = _choose(model, settings)
    if not chosen:
        raise ConversionError(
            f"`{spelled}` finds no layer that it could prune: {'; '.join(left[:3]) or 'none'}",
            remedy="ask for a pattern that divides the layers' channels, or leave the step out",
        )
    if studio.trainable:
        model = Pruner(model, chosen, settings, studio).train(spelled, _target(step))
    else:
        for name in chosen:
            _cut(model.get_layer(name), step)
        studio.note("pruned in one shot, without fine-tuning: the model has no get_training_data()")
    kernels = {name: model.get_layer(name).get_weights()[0] for name in chosen}
    studio.record(
        sparsity=round(_zeros(kernels.values()), 4),
        target=round(_target(step), 4),
        layers={name: round(_zeros([kernel]), 4) for name, kernel in kernels.items()},
        layers_left=left,
    )
    return model


class Pruner:
    """The toolkit's wrappers around some layers of a copy of the model. Where there is a floor, see watch.py."""

    def __init__(self, model: Any, chosen: list[str], settings: dict[str, Any], studio: Studio) -> None:
        def wrapped(layer: Any) -> Any:
            copy = type(layer).from_config(layer.get_config())
            return _sparsity.prune_low_magnitude(copy, **settings) if layer.name in chosen else copy

        self._studio, self._memory = studio, watch.memory()
        self._schedule = settings["pruning_schedule"]
        self._model = tf_keras.models.clone_model(model, clone_function=wrapped)
        for layer, twin in zip(model.layers, self._model.layers, strict=True):
            inner = twin.layer if hasattr(twin, "pruning_vars") else twin
            inner.set_weights(layer.get_weights())
        self._wrappers = [layer for layer in self._model.layers if hasattr(layer, "pruning_vars")]

    def train(self, label: str, target: float) -> Any:
        """The pruned model, plain again. Studio.stopped says so where it has fewer zeros than asked for."""
        callbacks: list[Any] = [_sparsity.UpdatePruningStep()]
        grows = isinstance(self._schedule, schedules.WaitingDecay)
        if grows:
            callbacks.append(schedules.Holding(self._schedule, self._memory))
        plan = replace(
            self._studio.plan(label),
            after_look=self._after_look if grows else None,
            looks=_LOOKS if grows and self._studio.settings.floor != "" else 0,
            keep_best=not grows,
            memory=self._memory,
        )
        halted = self._studio.train(self._model, plan, callbacks)
        best = self._memory["best"]
        if best is not None:
            self._model.set_weights(best["state"])
        zeros = self._zeros()
        if zeros < target - _TOLERANCE:
            reason = halted or self._memory["fell"] or "the training ended before the schedule did"
            self._studio.stopped = f"at {zeros:.0%} zeros: {reason}"
            self._studio.note(f"{label} stopped {self._studio.stopped}")
        return _sparsity.strip_pruning(self._model)

    def _after_look(self, score: float | None) -> bool:
        self._memory["share"] = self._zeros()
        if self._studio.settings.floor == "":
            return True
        return watch.looked(self._memory, score, self._model.get_weights, self._zeros, self._studio)

    def _zeros(self) -> float:
        return _zeros(wrapper.layer.get_weights()[0] for wrapper in self._wrappers)


def _zeros(kernels: Iterable[np.ndarray[Any, Any]]) -> float:
    """The share of zeros in all of them together."""
    counted = [(int((kernel == 0).sum()), kernel.size) for kernel in kernels]
    return sum(zeros for zeros, _ in counted) / sum(size for _, size in counted)


def _settings(step: Step, studio: Studio, spelled: str) -> dict[str, Any]:
    """What the toolkit's wrapper is told."""
    first, *rest = step.arguments
    schedule, total = studio.settings.schedule, studio.total_steps
    if ":" in first:
        kept, group = (int(number) for number in first.split(":"))
        constant = schedules.constant(_target(step), schedule, total)
        return {"pruning_schedule": constant, "sparsity_m_by_n": (group - kept, group)}
    block = next((tuple(int(size) for size in part.split("x")) for part in rest), (1, 1))
    return {"pruning_schedule": schedules.growing(float(first), schedule, total), "block_size": block}


def _target(step: Step) -> float:
    first = step.arguments[0]
    kept, colon, group = first.partition(":")
    return 1 - int(kept) / int(group) if colon else float(first)


def _choose(model: Any, settings: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Names of the layers to prune, and for each other one with weights why it stays as it is."""
    chosen, left = [], []
    for layer in model.layers:
        reason = _reason_to_leave(layer, settings)
        if reason:
            left.append(f"{layer.name} ({reason})")
        elif reason is None:
            chosen.append(layer.name)
    return chosen, left


def _reason_to_leave(layer: Any, settings: dict[str, Any]) -> str | None:
    """None for a layer to prune, "" for one without a kernel."""
    kind = type(layer).__name__
    if kind not in _KINDS:
        return "depthwise: few weights, each of which matters" if "Depthwise" in kind else ""
    kernel = layer.get_weights()[0]
    if kernel.size < _MIN_ELEMENTS:
        return f"only {kernel.size} weights"
    if kind != "Dense" and kernel.shape[-2] < _FEW_CHANNELS:
        return "reads the input's few channels: few weights, each of which matters"
    group = settings.get("sparsity_m_by_n", (0, 1))[1]
    if kernel.shape[-2] % group:
        return f"{kernel.shape[-2]} inputs do not divide into groups of {group}"
    if settings.get("block_size", (1, 1)) != (1, 1) and kind != "Dense":
        return "the toolkit has blocks for dense layers alone"
    return None


def _cut(layer: Any, step: Step) -> None:
    """Zeros at once: the smallest of the whole kernel, or of every group along its inputs."""
    kernel, *rest = layer.get_weights()
    kept, colon, group = step.arguments[0].partition(":")
    if colon:
        rows = np.moveaxis(kernel, -2, -1).reshape(-1, int(group))
        order = np.abs(rows).argsort(axis=1, kind="stable")
        np.put_along_axis(rows, order[:, : int(group) - int(kept)], 0, axis=1)
        turned = np.moveaxis(kernel, -2, -1)
        kernel = np.moveaxis(rows.reshape(turned.shape), -1, -2)
    else:
        count = round(float(step.arguments[0]) * kernel.size)
        kernel = kernel.copy()
        kernel.reshape(-1)[np.abs(kernel).reshape(-1).argsort(kind="stable")[:count]] = 0
    layer.set_weights([kernel, *rest])
