"""`prune(0.8)`, `prune(0.8,1x4)`, `prune(2:4)`: small weights become zero, while training, by the toolkit's
PolynomialDecay. Without training data all is done at once. Imports tf_keras: for child processes only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow_model_optimization as tfmot
import tf_keras

from converters.keras_compress.studio import Studio
from harness.errors import ConversionError
from harness.records import Schedule, Step

_sparsity = tfmot.sparsity.keras
_KINDS = ("Dense", "Conv1D", "Conv2D", "Conv2DTranspose", "Conv3D")
_MIN_ELEMENTS = 32
_FEW_CHANNELS = 4


def apply(model: Any, step: Step, studio: Studio) -> Any:
    """Raises ConversionError where no layer can be pruned this way."""
    spelled = f"prune({','.join(step.arguments)})"
    settings = _settings(step, studio, spelled)
    chosen, left = _choose(model, settings)
    if not chosen:
        raise ConversionError(
            f"`{spelled}` finds no layer that it could prune: {'; '.join(left[:3]) or 'none'}",
            remedy="ask for a pattern that divides the layers' channels, or leave the step out",
        )
    if studio.trainable:
        model = _trained(model, chosen, settings, studio, spelled)
    else:
        for name in chosen:
            _cut(model.get_layer(name), step)
        studio.note("pruned in one shot, without fine-tuning: the model has no get_training_data()")
    kernels = {name: model.get_layer(name).get_weights()[0] for name in chosen}
    zeros = sum(int((kernel == 0).sum()) for kernel in kernels.values())
    studio.record(
        sparsity=round(zeros / sum(kernel.size for kernel in kernels.values()), 4),
        target=round(_target(step), 4),
        layers={name: round(float((kernel == 0).mean()), 4) for name, kernel in kernels.items()},
        layers_left=left,
    )
    return model


def _settings(step: Step, studio: Studio, spelled: str) -> dict[str, Any]:
    """What the toolkit's wrapper is told."""
    first, *rest = step.arguments
    schedule = studio.settings.schedule
    total = studio.total_steps if studio.trainable else 1
    if "global" in rest:
        raise ConversionError(
            f"`{spelled}`: TensorFlow's toolkit prunes each layer to the same share, not the model as a whole",
            remedy="leave out `global`",
        )
    if ":" in first:
        kept, group = (int(number) for number in first.split(":"))
        begin, _, frequency = _schedule(schedule, total)
        constant = _sparsity.ConstantSparsity(_target(step), begin, end_step=-1, frequency=frequency)
        return {"pruning_schedule": constant, "sparsity_m_by_n": (group - kept, group)}
    begin, end, frequency = _schedule(schedule, total)
    decay = _sparsity.PolynomialDecay(
        initial_sparsity=min(schedule.initial_sparsity, float(first)),
        final_sparsity=float(first),
        begin_step=begin,
        end_step=end,
        frequency=frequency,
    )
    block = next((tuple(int(size) for size in part.split("x")) for part in rest), (1, 1))
    return {"pruning_schedule": decay, "block_size": block}


def _schedule(schedule: Schedule, total: int) -> tuple[int, int, int]:
    """First step, last step and steps between two masks. The toolkit draws no mask after the last step, so that it must
    fall on one: else the share of zeros asked for would never be reached."""
    begin = int(schedule.begin * total)
    length = max(1, min(int(schedule.end * total), total - 1) - begin)
    frequency = min(schedule.frequency, length)
    return begin, begin + length // frequency * frequency, frequency


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


def _trained(model: Any, chosen: list[str], settings: dict[str, Any], studio: Studio, spelled: str) -> Any:
    def wrapped(layer: Any) -> Any:
        return _sparsity.prune_low_magnitude(layer, **settings) if layer.name in chosen else layer

    pruned = tf_keras.models.clone_model(model, clone_function=lambda layer: wrapped(_copy(layer)))
    for layer, twin in zip(model.layers, pruned.layers, strict=True):
        inner = twin.layer if hasattr(twin, "pruning_vars") else twin
        inner.set_weights(layer.get_weights())
    studio.train(pruned, spelled, [_sparsity.UpdatePruningStep()])
    return _sparsity.strip_pruning(pruned)


def _copy(layer: Any) -> Any:
    return type(layer).from_config(layer.get_config())


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
