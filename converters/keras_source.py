"""A Keras or TensorFlow model while it is looked at: a file, a SavedModel folder, or the user's Python file.

Imports TensorFlow: for child processes only.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from msgspec.structs import replace

from converters import keras_carrying, keras_export, keras_files, keras_models, samples, userfile
from converters.dataset import Subject
from converters.job import PrepareJob
from converters.samples import Arrays
from harness.errors import ConversionError, SourceError
from harness.records import TensorSpec

_NO_ARGS = "no get_args(): the example inputs are seeded noise of the shapes that the model declares"
_NO_OPERATORS = ("InputLayer", "Functional", "Sequential", "Dropout")
_BARE = "a bare model file: its inputs are seeded noise; a Python file whose get_model() loads it can give real data"


def look(job: PrepareJob) -> Subject:
    """Raises SourceError for whatever is wrong with the source, Unopened where another generation may open it and
    OtherFormat where it is a torch model."""
    path = Path(job.path)
    if job.format == "keras":  # looked through before TensorFlow is even imported
        description = keras_files.describe(path)
        keras_files.refuse_unsafe(path, description)
    _seed(0)
    if job.format == "keras-python":
        module = userfile.load(path, required=userfile.REQUIRED[:1])
        return _described(job, build(module, path), module)
    if job.format == "savedmodel":
        return _described(job, keras_models.signature(path), None)
    return _described(job, keras_models.load(path, job.generation, description), None)


def operators(subject: Subject) -> dict[str, int]:
    """The model's layers, count per class; of a SavedModel, nothing."""
    flatten = getattr(subject.network, "_flatten_layers", lambda **_: ())
    kinds = (type(layer).__name__ for layer in flatten(include_self=False))
    return dict(sorted(Counter(kind for kind in kinds if kind not in _NO_OPERATORS).items()))


def keep(subject: Subject) -> Subject:
    """Write what every build starts from: saved_model/ for TFLite, model.keras for ExecuTorch where it can go over."""
    any_batch = subject.job.source.dynamic_batch
    keras_export.save(subject.network, subject.inputs, subject.folder, any_batch=any_batch)
    try:
        keras_carrying.carry(subject)
    except ConversionError as error:
        return replace(subject, unbridged=f"{error.message}; {error.remedy}" if error.remedy else error.message)
    return subject


def build(module: ModuleType, path: Path, seed: int = 0) -> Any:
    """Call the user's get_model() with every generator seeded."""
    _seed(seed)
    with userfile.blaming(path, "in get_model()"):
        model = module.get_model()
    keras_models.generation_of(model)
    return model


def _seed(seed: int) -> None:
    import keras  # before the user's code: it computes with TensorFlow here
    import tensorflow as tf

    keras.utils.set_random_seed(seed)  # Python's, numpy's and TensorFlow's generators
    tf.config.experimental.enable_op_determinism()


def _described(job: PrepareJob, network: Any, module: ModuleType | None) -> Subject:
    arrays, inputs, note = _example(network, module, Path(job.path))
    with userfile.blaming(Path(job.path), "when the model was run on its example inputs"):
        function = keras_models.traced(network, inputs)
    weights = _weights(network)
    subject = Subject(
        job=job,
        network=network,
        module=module,
        arrays=arrays,
        inputs=inputs,
        run=partial(keras_models.run, function),
        digest=keras_models.weights_digest(weights),
        parameters=sum(array.size for array in weights),
        generation="savedmodel" if _is_signature(network) else keras_models.generation_of(network),
        notes=(note,) if note else (),
    )
    _check_float32(network)
    return replace(subject, random_weights=module is not None and _draws_weights(module, subject))


def _example(network: Any, module: ModuleType | None, path: Path) -> tuple[Arrays, tuple[TensorSpec, ...], str]:
    """Example inputs and what they are called: of get_args(), else noise of the declared shapes, batch 1."""
    declared = keras_models.declared(network)
    get_args = userfile.function(module, "get_args") if module is not None else None
    if get_args is None:
        specs = tuple(_closed(spec, path) for spec in declared)
        if not specs:
            raise SourceError(
                f"the model of {path.name} does not say what goes in",
                remedy="define get_args(), which returns its inputs",
            )
        return samples.of_noise(specs, None)[0], specs, _NO_ARGS if module is not None else _BARE
    with userfile.blaming(path, "in get_args()"):
        given = get_args()
    arrays = samples.arrays_of(given, "get_args()")
    names = [spec.name for spec in declared]
    if len(names) != len(arrays):
        names = [f"input_{index}" for index in range(len(arrays))]
    specs = tuple(
        TensorSpec(name=name, shape=array.shape, dtype=array.dtype.name)
        for name, array in zip(names, arrays, strict=True)
    )
    _check_declared(arrays, declared)
    return arrays, specs, ""


def _closed(spec: TensorSpec, path: Path) -> TensorSpec:
    """The first axis, where it is open, is a batch of 1; any other must be known."""
    if any(size < 0 for size in spec.shape[1:]):
        raise SourceError(
            f"the input `{spec.name}` of {path.name} leaves axes open: {list(spec.shape)}",
            remedy="name a Python file with get_model() and get_args(), whose arrays say how large they are",
        )
    if np.dtype(spec.dtype).kind not in "fiub":
        raise SourceError(
            f"the input `{spec.name}` of {path.name} takes {spec.dtype}, not numbers",
            remedy="leave layers that work on text or objects out of the deployed model",
        )
    return replace(spec, shape=tuple(1 if size < 0 else size for size in spec.shape))


def _check_declared(arrays: Arrays, declared: tuple[TensorSpec, ...]) -> None:
    for index, (array, spec) in enumerate(zip(arrays, declared, strict=False)):
        open_or_equal = [wanted in (-1, size) for wanted, size in zip(spec.shape, array.shape, strict=False)]
        if len(array.shape) != len(spec.shape) or not all(open_or_equal):
            raise SourceError(
                f"get_args(), input {index} is {list(array.shape)}, the model's `{spec.name}` is {list(spec.shape)}",
                remedy="return arrays of the model's own input shapes, batch included",
            )


def _weights(network: Any) -> list[np.ndarray[Any, Any]]:
    if _is_signature(network):
        return [variable.numpy() for variable in getattr(network.kept, "variables", ())]
    return list(network.get_weights())


def _is_signature(network: Any) -> bool:
    return hasattr(network, "structured_input_signature")


def _check_float32(network: Any) -> None:
    """A model that was built under a mixed-precision policy still computes in 16-bit floats."""
    for layer in getattr(network, "layers", ()):
        computed = str(getattr(layer, "compute_dtype", "float32"))
        if "float16" in computed:
            raise SourceError(
                f"the layer `{layer.name}` computes in {computed}, not float32",
                remedy="build it under keras.mixed_precision.set_dtype_policy('float32'); the recipes do the rest",
            )


def _draws_weights(module: ModuleType, subject: Subject) -> bool:
    """Whether get_model() draws its weights: another seed gives others."""
    second = build(module, subject.path, seed=1)
    keras_models.traced(second, subject.inputs)  # builds the weights of a model that was not built yet
    return keras_models.weights_digest(_weights(second)) != subject.digest
