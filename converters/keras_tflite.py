"""Keras or TensorFlow model -> float .tflite by TensorFlow's own converter; the quantizer goes on from there.

Imports TensorFlow: for child processes only.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from converters import keras_export, keras_models
from harness.errors import ConversionError
from harness.records import TensorSpec


def lower(home: Path, inputs: Sequence[TensorSpec], target: Path) -> None:
    """Write the fp32 file of the SavedModel in `home`; its inputs and outputs stand in the model's own order."""
    import tensorflow as tf

    folder = home / keras_export.SAVED_MODEL
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=[keras_models.SIGNATURE])
    target.write_bytes(converter.convert())
    _put_in_order(target, [spec.name for spec in inputs])


def signature_inputs(path: Path) -> list[str]:
    """The names that the file's signature has for its inputs, in the inputs' order."""
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(str(path))
    names = {entry.tensorIndex: entry.name.decode() for entry in model.signatureDefs[0].inputs}
    return [names[tensor] for tensor in model.subgraphs[0].inputs]


def name_inputs(path: Path, names: Sequence[str]) -> None:
    """Give the inputs of a file that came by way of torch the names that TensorFlow's converter would have kept."""
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(str(path))
    entries = {int(entry.tensorIndex): entry for entry in model.signatureDefs[0].inputs}
    for place, name in zip(model.subgraphs[0].inputs, names, strict=True):
        entries[int(place)].name = name.encode()
        model.subgraphs[0].tensors[place].name = f"serving_default_{name}:0".encode()
    flatbuffer_utils.write_model(model, str(path))


def _put_in_order(path: Path, inputs: Sequence[str]) -> None:
    """The converter orders a graph's ends as it likes, and whoever feeds the file goes by position."""
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(str(path))
    graph, signature = model.subgraphs[0], model.signatureDefs[0]
    outputs = [f"output_{index}" for index in range(len(signature.outputs))]
    graph.inputs = _places(signature.inputs, inputs)
    graph.outputs = _places(signature.outputs, outputs)
    flatbuffer_utils.write_model(model, str(path))


def _places(entries: Any, names: Sequence[str]) -> list[int]:
    places = {entry.name.decode(): int(entry.tensorIndex) for entry in entries}
    missing = [name for name in names if name not in places]
    if missing:
        raise ConversionError(
            f"TensorFlow's converter left out `{', '.join(missing)}`, which nothing in the model uses",
            remedy="remove inputs that the model does not use",
        )
    return [places[name] for name in names]
