"""Compression steps for Keras models, by the TensorFlow Model Optimization Toolkit; the same recipe names as for torch.

A technique is one module with `apply(model, step, studio)`, and one line here. It takes a plain tf_keras model and
gives a plain one back, with nothing of the toolkit left in it.
"""

from __future__ import annotations

# Who does a step, as `module:function`; imported in the child process only.
TECHNIQUES: dict[str, str] = {
    "prune": "converters.keras_compress.prune:apply",
    "cluster": "converters.keras_compress.cluster:apply",
    "qat": "converters.keras_compress.qat:apply",
}
