"""Quantization schemes of the toolkit that simulate int8 weights in every layer, and keep zeros and clusters there.

The toolkit's own schemes choose weight quantizers by a registry that its graph transformations bypass: a layer with a
ReLU of its own behind it gets a `NoOpQuantizeConfig`, so that its weights are neither rounded nor held to their zeros
and clusters, without a word. Here such a layer is given its weight quantizer. The schemes are in no public module of
the toolkit; its version is pinned. Imports tf_keras: for child processes only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_model_optimization.python.core.quantization.keras.collab_opts.cluster_preserve import (
    cluster_preserve_quantize_registry as clusters,
)
from tensorflow_model_optimization.python.core.quantization.keras.collab_opts.prune_preserve import (
    prune_preserve_quantize_registry as zeros,
)
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
    default_8bit_quantize_configs as configs,
)
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
    default_8bit_quantize_registry as plain,
)
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
    default_8bit_quantize_scheme as default,
)


def scheme(*, pruned: bool, clustered: bool) -> Any:
    """The scheme for a model that was pruned, clustered, or both, before."""
    if clustered:
        registry: Any = clusters.Default8bitClusterPreserveQuantizeRegistry(pruned)
        return _Preserving(registry, registry.apply_cluster_preserve_quantize_config)
    if pruned:
        registry = zeros.Default8bitPrunePreserveQuantizeRegistry()
        return _Preserving(registry, registry.apply_sparsity_preserve_quantize_config)
    return _Preserving(plain.Default8BitQuantizeRegistry(), lambda _, config: config)


def kept(weight: Any, marks: dict[str, Any]) -> np.ndarray[Any, Any]:
    """The float weight with the clusters or zeros that its quantizer holds it to; marks: what the quantizer keeps."""
    if clusters.CLUSTER_CENTROIDS in marks:
        implementation = marks[clusters.CLUSTERING_IMPL]
        indices, original = marks[clusters.PULLING_INDICES], marks[clusters.ORIGINAL_WEIGHTS]
        return np.asarray(implementation.get_clustered_weight(indices, original))
    if clusters.SPARSITY_MASK in marks:
        return np.asarray(tf.multiply(weight, marks[clusters.SPARSITY_MASK]))
    return np.asarray(weight)


class _Preserving(default.Default8BitQuantizeScheme):  # type: ignore[misc]  # the toolkit is not type-checked here
    def __init__(self, registry: Any, preserve: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self._registry, self._preserve = registry, preserve

    def get_quantize_registry(self) -> Any:
        return self._registry

    def get_layout_transformer(self) -> Any:
        return _Transformer(super().get_layout_transformer(), self._registry, self._preserve)


class _Transformer:
    """The toolkit's transformations, and then weight quantizers for the layers that these left without."""

    def __init__(self, inner: Any, registry: Any, preserve: Callable[[Any, Any], Any]) -> None:
        self._inner, self._registry, self._preserve = inner, registry, preserve

    def apply(self, model: Any, chosen: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        model, chosen = self._inner.apply(model, chosen)
        for layer in model.layers:
            config = chosen.get(layer.name, {}).get("quantize_config")
            if isinstance(config, configs.NoOpQuantizeConfig) and self._registry.supports(layer):
                chosen[layer.name]["quantize_config"] = self._weights_only(layer)
        return model, chosen

    def _weights_only(self, layer: Any) -> Any:
        """The activation behind the layer is quantized after the ReLU, by the toolkit."""
        config = plain.Default8BitQuantizeRegistry().get_quantize_config(layer)
        config.activation_attrs, config.quantize_output = [], False
        return self._preserve(layer, config)
