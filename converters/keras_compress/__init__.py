"""Compression steps for Keras models, by the TensorFlow Model Optimization Toolkit; the same recipe names as for torch.

A technique is one module with `apply(model, step, studio)`, and one line here. It takes a plain tf_keras model and
gives a plain one back, with nothing of the toolkit left in it. A recipe with a step that the toolkit has not got is
done on torch as a whole, with the techniques of converters/compress.
"""

from __future__ import annotations

from collections.abc import Iterable

from converters.frameworks import KERAS_FORMATS
from harness.records import Format, Step

# Who does a step, as `module:function`; imported in the child process only.
TECHNIQUES: dict[str, str] = {
    "prune": "converters.keras_compress.prune:apply",
    "cluster": "converters.keras_compress.cluster:apply",
    "qat": "converters.keras_compress.qat:apply",
}


def does(format_: Format, steps: Iterable[Step]) -> bool:
    """Whether the toolkit does these steps for such a source; it prunes each layer to the same share, not globally."""
    if format_ not in KERAS_FORMATS:
        return False
    return all(step.name in TECHNIQUES and "global" not in step.arguments for step in steps)
