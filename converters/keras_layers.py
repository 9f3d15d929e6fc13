"""Keras model -> what the torch techniques of compression work on: named layers, parameters, any batch.

Inputs keep the layout they have in Keras (NHWC). Imports keras on torch: for child processes only.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from converters import keras_executorch, keras_models, numerics, samples, torchmodel
from converters.bridge import layers
from converters.keras_executorch import Tensors
from converters.workshop import read_facts
from harness.errors import ConversionError


def again(path: Path, prepared: Path) -> tuple[torch.fx.GraphModule, ModuleType | None]:
    """The prepared model in torch's layers, seen to give the same outputs, and the user's file, for its data.

    Raises ConversionError naming what cannot go over.
    """
    source = keras_executorch.user_module(path, read_facts(prepared))
    arguments = torchmodel.tensors(samples.read(prepared / "evaluation", "input", 1)[0])
    model = of(keras_executorch.opened(prepared, source), arguments)
    inputs, expected = numerics.of_prepared(prepared)
    difference = numerics.compare([torchmodel.run(model, arrays) for arrays in inputs], expected)
    if difference.relative > numerics.LIMITS["float"].relative:
        raise ConversionError(
            f"the model gives other outputs on torch (by {difference.relative:.2g}), where these steps are done",
            remedy="use prune, cluster and qat alone, which TensorFlow's toolkit does",
        )
    return model, source


def of(model: Any, arguments: Tensors) -> torch.fx.GraphModule:
    """Of a Keras model that computes on torch. Raises ConversionError for one that cannot."""
    if keras_models.generation_of(model) == "tf_keras":
        raise ConversionError(
            "a tf_keras model computes with TensorFlow only, and here torch is needed",
            remedy="build it with keras, or save it and open it with keras.models.load_model()",
        )
    return layers.layered(keras_executorch.graph(model, arguments, keep_norms=True), arguments)
