"""`qat`: training with int8 simulated, by the toolkit. The result is the float weights that this training found.

Both runtimes then quantize these weights as they do any others, so that integers of the same training are in both
files. After `prune` and `cluster` the toolkit's preserving schemes keep zeros and clusters (PQAT, CQAT, PCQAT).
Imports tf_keras: for child processes only.
"""

from __future__ import annotations

from typing import Any

import tensorflow_model_optimization as tfmot
import tf_keras

from converters.keras_compress import folding, preserving
from converters.keras_compress.studio import Studio
from converters.reasons import one_line
from harness.errors import ConversionError
from harness.records import Step

_annotate = tfmot.quantization.keras.quantize_annotate_model
_quantize_apply = tfmot.quantization.keras.quantize_apply


def apply(model: Any, step: Step, studio: Studio) -> Any:
    """Raises ConversionError without training data, or for layers that the toolkit cannot simulate."""
    if not studio.trainable:
        raise ConversionError("`qat` needs training data", remedy="add get_training_data() to the model's file")
    apart = folding.with_clamps_apart(model)
    simulated = _simulated(apart, {other.name for other in studio.steps})
    studio.train(simulated, studio.plan("qat"))
    score = studio.judged = studio.score(simulated)
    result = tf_keras.models.clone_model(model)
    result.set_weights(model.get_weights())
    wrappers = {wrapper.layer.name: wrapper for wrapper in simulated.layers if hasattr(wrapper, "quantize_config")}
    trained = [layer.name for layer in result.layers if layer.name in wrappers and _take(layer, wrappers[layer.name])]
    studio.record(layers_simulated=len(trained), **({} if score is None else {"simulated_after": round(score, 6)}))
    return result


def _simulated(model: Any, steps: set[str]) -> Any:
    try:
        scheme = preserving.scheme(pruned="prune" in steps, clustered="cluster" in steps)
        return _quantize_apply(_annotate(model), scheme)
    except (RuntimeError, ValueError, NotImplementedError) as error:
        raise ConversionError(
            f"TensorFlow's toolkit cannot simulate int8 in this model: {one_line(error)}",
            remedy="leave `qat` out; the quantization itself needs no training",
        ) from error


def _take(layer: Any, wrapper: Any) -> bool:
    """Give the layer the weights that its simulation ended with; whether it has any."""
    if not layer.get_weights():
        return False
    found = {_attribute(wrapper, weight): preserving.kept(weight, marks) for weight, _, marks in wrapper._weight_vars}
    for name in ("kernel", "depthwise_kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance"):
        variable = getattr(layer, name, None)
        if variable is not None:
            variable.assign(found[name] if name in found else getattr(wrapper.layer, name))
    return True


def _attribute(wrapper: Any, weight: Any) -> str:
    """`dense/kernel:0` is kernel."""
    return str(weight.name).partition(":")[0].rpartition("/")[2]
