"""Keras model -> what the torch techniques of compression work on: named layers, parameters, any batch.

Inputs keep the layout they have in Keras (NHWC). Imports keras on torch: for child processes only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from converters import keras_executorch, keras_models, numerics, samples, torchmodel
from converters.bridge import layers
from converters.keras_executorch import Tensors
from converters.workshop import read_facts
from harness.errors import ConversionError

_SILENT = ("Dropout", "GaussianNoise", "Random")
_NOTABLE = 0.02  # a smaller share of the weights that nothing trains is not worth a word


@dataclass(frozen=True)
class Again:
    """The prepared model in torch's layers; the user's file, for its data; what differs from training it in Keras."""

    model: torch.fx.GraphModule
    source: ModuleType | None
    notes: tuple[str, ...]


def again(path: Path, prepared: Path) -> Again:
    """Seen to give the same outputs. Raises ConversionError naming what cannot go over."""
    source = keras_executorch.user_module(path, read_facts(prepared))
    arguments = torchmodel.tensors(samples.read(prepared / "evaluation", "input", 1)[0])
    original = keras_executorch.opened(prepared, source)
    model = of(original, arguments)
    inputs, expected = numerics.of_prepared(prepared)
    difference = numerics.compare([torchmodel.run(model, arrays) for arrays in inputs], expected)
    if difference.relative > numerics.LIMITS["float"].relative:
        raise ConversionError(
            f"the model gives other outputs on torch (by {difference.relative:.2g}), where these steps are done",
            remedy="use prune, cluster and qat alone, which TensorFlow's toolkit does",
        )
    return Again(model, source, tuple(_notes(original, model)))


def _notes(original: Any, model: torch.fx.GraphModule) -> Iterator[str]:
    trained, fixed = layers.left_over(model)
    if fixed > _NOTABLE * (trained + fixed):
        yield (
            f"{fixed / (trained + fixed):.0%} of the weights lie in no convolution, dense layer or batch norm "
            "(attention, recurrent layers, embeddings): they stay as they are"
        )
    silent = [
        layer.name for layer in original._flatten_layers() if any(kind in type(layer).__name__ for kind in _SILENT)
    ]
    if silent:
        named = ", ".join(f"`{name}`" for name in silent[:3]) + ", ..." * (len(silent) > 3)
        yield f"{named} did nothing while the model was trained on torch"


def of(model: Any, arguments: Tensors) -> torch.fx.GraphModule:
    """Of a Keras model that computes on torch. Raises ConversionError for one that cannot."""
    if keras_models.generation_of(model) == "tf_keras":
        raise ConversionError(
            "a tf_keras model computes with TensorFlow only, and here torch is needed",
            remedy="build it with keras, or save it and open it with keras.models.load_model()",
        )
    return layers.layered(keras_executorch.graph(model, arguments, keep_norms=True), arguments)
