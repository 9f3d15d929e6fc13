"""A Keras or TensorFlow model as a SavedModel with one signature, which is what TFLite's converter takes.

The signature has the model's inputs under their own names and `output_<j>`. Imports TensorFlow: for child processes
only.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from converters import keras_models
from harness.records import TensorSpec

SAVED_MODEL = "saved_model"


def save(model: Any, specs: Sequence[TensorSpec], folder: Path, *, any_batch: bool) -> None:
    """Write folder/saved_model. any_batch: the first axis of every input stays open."""
    import tensorflow as tf

    function = keras_models.traced(model, specs, any_batch=any_batch)
    kept = tf.Module()
    # What the graph reads, whatever kind of model it came from; a Keras 3 model as an attribute would lose its weights.
    kept.weights = list(function.graph.variables)
    tf.saved_model.save(kept, str(folder / SAVED_MODEL), signatures={keras_models.SIGNATURE: function})
