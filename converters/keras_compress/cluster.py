"""`cluster(16)`: few distinct values per layer, by the toolkit's clustering, whose centroids are trained.

Zeros of a `prune` before it stay zeros. Imports tf_keras: for child processes only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow_model_optimization as tfmot
import tf_keras

# The toolkit has preserve_sparsity in its experimental package only; its version is pinned.
from tensorflow_model_optimization.python.core.clustering.keras.experimental.cluster import cluster_weights

from converters import recipes
from converters.keras_compress.studio import Studio
from harness.errors import ConversionError
from harness.records import Step

_KINDS = ("Dense", "Conv1D", "Conv2D", "Conv2DTranspose", "Conv3D")


def apply(model: Any, step: Step, studio: Studio) -> Any:
    """Raises ConversionError where no layer has more values than are asked for."""
    count, spelled = int(step.arguments[0]), recipes.spell(step)
    per_channel = "channel" in step.arguments
    chosen = [layer.name for layer in model.layers if _has_more(layer, count)]
    if not chosen:
        raise ConversionError(f"no layer has more than {count} distinct values", remedy="ask for fewer clusters")
    pruned = any(other.name == "prune" for other in studio.steps)
    model = _clustered(model, chosen, count, pruned=pruned, per_channel=per_channel)
    if studio.trainable:
        studio.train(model, studio.plan(spelled))
    else:
        studio.note("clustered without fine-tuning: the model has no get_training_data()")
    model = tfmot.clustering.keras.strip_clustering(model)
    values = {name: float(_most_values(model.get_layer(name), per_channel=per_channel)) for name in chosen}
    left = [f"{name} (has {count:g})" for name, found in values.items() if found > count]
    studio.record(values=values, layers_left=left)
    return model


def _clustered(model: Any, chosen: list[str], count: int, *, pruned: bool, per_channel: bool) -> Any:
    def wrapped(layer: Any) -> Any:
        copy = type(layer).from_config(layer.get_config())
        if layer.name not in chosen:
            return copy
        copy.build(layer.input_shape)
        copy.set_weights(layer.get_weights())
        return cluster_weights(
            copy,
            number_of_clusters=count,
            cluster_centroids_init=tfmot.clustering.keras.CentroidInitialization.KMEANS_PLUS_PLUS,
            preserve_sparsity=pruned,
            cluster_per_channel=per_channel and type(layer).__name__ == "Conv2D",
        )

    twin = tf_keras.models.clone_model(model, clone_function=wrapped)
    for ours, theirs in zip(model.layers, twin.layers, strict=True):
        if ours.name not in chosen:
            theirs.set_weights(ours.get_weights())
    return twin


def _has_more(layer: Any, count: int) -> bool:
    return type(layer).__name__ in _KINDS and len(np.unique(layer.get_weights()[0])) > count


def _most_values(layer: Any, *, per_channel: bool) -> int:
    kernel = layer.get_weights()[0]
    if not per_channel:
        return len(np.unique(kernel))
    return max(len(np.unique(kernel[..., channel])) for channel in range(kernel.shape[-1]))
