"""Keras and TensorFlow models in their own framework: opened, called, described. Imports TensorFlow when it is used.

Three kinds: Keras 3, the older generation (tf_keras), and a SavedModel's signature, which has no layers.
For child processes only.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from converters import frameworks
from converters.keras_files import WRAP, Description
from converters.reasons import one_line
from converters.samples import Arrays
from harness.errors import SourceError
from harness.records import TensorSpec

Generation = Literal["keras", "tf_keras", "savedmodel"]
SIGNATURE = "serving_default"
_UNKNOWN_CLASS = re.compile(r"(?:Could not locate (?:class|function)|Unknown (?:layer|object)):? '?(?:Custom>)?(\w+)'?")


def load(path: Path, generation: Generation, description: Description) -> Any:
    """The model in the file, by one generation. Raises frameworks.Unopened with that generation's reason."""
    if generation == "keras":
        import keras as framework
    else:
        import tf_keras as framework
    try:
        return framework.models.load_model(str(path), compile=False)
    except Exception as error:
        unknown = _UNKNOWN_CLASS.search(str(error))
        reason = f"it knows no class `{unknown.group(1)}`" if unknown else one_line(error)
        by = f" (the file was written by Keras {description.written_by})" if description.written_by else ""
        raise frameworks.Unopened(f"{_called(generation)} does not open it{by}: {reason}", remedy=WRAP) from error


def generation_of(model: object) -> Generation:
    """Raises OtherFormat for a torch model and SourceError for anything else."""
    if frameworks.is_keras(model):
        ours = any(part.__module__.startswith("tf_keras") for part in type(model).__mro__)
        return "tf_keras" if ours else "keras"
    if frameworks.is_torch(model):
        raise frameworks.OtherFormat("python")
    raise SourceError(
        f"get_model() returned {type(model).__name__}, neither a torch.nn.Module nor a Keras model",
        remedy="return the network itself, with its weights loaded",
    )


def signature(path: Path) -> Any:
    """The serving function of a SavedModel folder. Raises SourceError where it has none, or cannot be read."""
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(path))
    except Exception as error:
        raise SourceError(
            f"{path.name} cannot be read as a SavedModel: {one_line(error)}", remedy="save it again"
        ) from error
    names = list(loaded.signatures)
    if SIGNATURE not in names and len(names) != 1:
        has = f"has the signatures {', '.join(names)}, none of them `{SIGNATURE}`" if names else "has no signatures"
        raise SourceError(
            f"the SavedModel {path.name} {has}, so nothing says what goes in and out",
            remedy="save it with model.export(folder), or tf.saved_model.save(..., signatures={'serving_default': f})",
        )
    found = loaded.signatures[SIGNATURE if SIGNATURE in names else names[0]]
    found.kept = loaded  # a signature alone does not keep its variables
    return found


def declared(model: Any) -> tuple[TensorSpec, ...]:
    """What the model itself says of its inputs, -1 for an axis that it leaves open; empty where it does not say."""
    if hasattr(model, "structured_input_signature"):
        specs = model.structured_input_signature[1]
        return tuple(_spec(name, specs[name]) for name in sorted(specs))
    tensors = getattr(model, "inputs", None) or []
    names = _unique([str(getattr(tensor, "name", "")).partition(":")[0] or "input" for tensor in tensors])
    return tuple(_spec(name, tensor) for name, tensor in zip(names, tensors, strict=True))


def caller(model: Any) -> Callable[..., Any]:
    """The model as a function of its inputs, in their order, at inference; it gives a flat list of tensors."""
    import tensorflow as tf

    if hasattr(model, "structured_input_signature"):
        names = sorted(model.structured_input_signature[1])
        return lambda *tensors: tf.nest.flatten(model(**dict(zip(names, tensors, strict=True))))
    return lambda *tensors: tf.nest.flatten(model(tensors[0] if len(tensors) == 1 else list(tensors), training=False))


def traced(model: Any, specs: Sequence[TensorSpec], *, any_batch: bool = False) -> Any:
    """A concrete function: TensorFlow's graph of the model for these inputs. any_batch: the first axis stays open."""
    import tensorflow as tf

    shapes = [(None, *spec.shape[1:]) if any_batch else spec.shape for spec in specs]
    call = caller(model)

    def outputs(*tensors: Any) -> dict[str, Any]:
        return {f"output_{index}": output for index, output in enumerate(call(*tensors))}

    inputs = [tf.TensorSpec(shape, spec.dtype, name=spec.name) for shape, spec in zip(shapes, specs, strict=True)]
    return tf.function(outputs, autograph=False).get_concrete_function(*inputs)


def run(function: Any, arrays: Arrays) -> Arrays:
    """Outputs of a traced model, in their order, as numpy arrays."""
    import tensorflow as tf

    outputs = function(*[tf.constant(array) for array in arrays])
    return [np.asarray(outputs[f"output_{index}"]) for index in range(len(outputs))]


def weights_digest(arrays: Sequence[np.ndarray[Any, Any]]) -> str:
    """Fingerprint of all weights: dtypes, shapes and every byte, in their order."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(f"{array.dtype}|{array.shape}|".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


def _called(generation: Generation) -> str:
    return f"Keras {version('keras')}" if generation == "keras" else f"tf_keras {version('tf_keras')}"


def _spec(name: str, tensor: Any) -> TensorSpec:
    dtype = tensor.dtype if isinstance(tensor.dtype, str) else tensor.dtype.name
    shape = tuple(-1 if size is None else int(size) for size in tensor.shape)
    return TensorSpec(name=re.sub(r"\W", "_", name), shape=shape, dtype=dtype)


def _unique(names: list[str]) -> list[str]:
    return [name if names.count(name) == 1 else f"{name}_{index}" for index, name in enumerate(names)]
