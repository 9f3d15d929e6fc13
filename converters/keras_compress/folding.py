"""Batch norms into the layers before them, so that shared values and scales are those of the weights that run.

Imports tf_keras: for child processes only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tf_keras

_LAYERS = ("Conv1D", "Conv2D", "DepthwiseConv2D", "Dense")
_Weights = dict[str, list[Any]]


def fold(model: Any) -> Any:
    """The same model with every batch norm that directly follows a linear layer folded into it; others stay."""
    functional = tf_keras.Model(model.inputs, model.outputs, name=model.name)
    config = functional.get_config()
    by_name = {entry["name"]: entry for entry in config["layers"]}
    weights: _Weights = {layer.name: layer.get_weights() for layer in functional.layers}
    renamed: dict[str, str] = {}
    for entry in config["layers"]:
        source = by_name.get(_only_source(entry))
        if source is not None and _follows(entry, source, config):
            _fold_into(source, entry, weights)
            renamed[entry["name"]] = source["name"]
    if not renamed:
        return functional
    config["layers"] = [entry for entry in config["layers"] if entry["name"] not in renamed]
    twin = tf_keras.Model.from_config(_rewired(config, renamed))
    for layer in twin.layers:
        layer.set_weights(weights[layer.name])
    return twin


def with_clamps_apart(model: Any) -> Any:
    """The same model with `activation="relu6"` as a ReLU layer of its own, the only form that the toolkit knows; the
    layers keep their names."""
    config = model.get_config()
    renamed: dict[str, str] = {}
    for entry in list(config["layers"]):
        if entry["config"].get("activation") == "relu6" and len(entry["inbound_nodes"]) == 1:
            name = f"{entry['name']}_relu6"
            entry["config"]["activation"] = "linear"
            renamed[entry["name"]] = name
    if not renamed:
        return model
    _rewired(config, renamed)
    for source, name in renamed.items():
        clamp = {"name": name, "max_value": 6.0, "negative_slope": 0.0, "threshold": 0.0}
        nodes = [[[source, 0, 0, {}]]]
        config["layers"].append({"class_name": "ReLU", "name": name, "config": clamp, "inbound_nodes": nodes})
    twin = tf_keras.Model.from_config(config)
    for layer in twin.layers:
        if layer.name not in renamed.values():
            layer.set_weights(model.get_layer(layer.name).get_weights())
    return twin


def _only_source(entry: dict[str, Any]) -> str:
    """Name of the layer that feeds a batch norm which is called once; "" for any other layer."""
    nodes = entry["inbound_nodes"]
    is_norm = entry["class_name"] == "BatchNormalization"
    return str(nodes[0][0][0]) if is_norm and len(nodes) == 1 and len(nodes[0]) == 1 else ""


def _follows(norm: dict[str, Any], source: dict[str, Any], config: dict[str, Any]) -> bool:
    """Whether the layer before is linear, called once, and read by the norm alone."""
    name = source["name"]
    readers = [
        call for entry in config["layers"] for node in entry["inbound_nodes"] for call in node if call[0] == name
    ]
    is_end = any(end[0] == name for end in _ends(config["output_layers"]))
    axis = norm["config"]["axis"]
    axis = axis[0] if isinstance(axis, (list, tuple)) else axis
    last = axis in (-1, {"Dense": 1, "Conv1D": 2}.get(source["class_name"], 3))
    linear = source["class_name"] in _LAYERS and source["config"]["activation"] == "linear"
    first = source["config"].get("data_format") != "channels_first"
    return linear and last and first and len(readers) == 1 and not is_end and len(source["inbound_nodes"]) == 1


def _ends(ends: Any) -> list[Any]:
    return [ends] if ends and isinstance(ends[0], str) else list(ends)


def _fold_into(source: dict[str, Any], norm: dict[str, Any], weights: _Weights) -> None:
    settings, values = norm["config"], list(weights[norm["name"]])
    gamma = values.pop(0) if settings["scale"] else np.float32(1)
    beta = values.pop(0) if settings["center"] else np.float32(0)
    mean, variance = values
    factor = (gamma / np.sqrt(variance + settings["epsilon"])).astype(np.float32)
    kernel, *bias = weights[source["name"]]
    offset = bias[0] if bias else np.float32(0)
    # A depthwise kernel is [H, W, channels, multiplier], and its outputs are counted over both.
    shape = kernel.shape[2:] if source["class_name"] == "DepthwiseConv2D" else factor.shape
    weights[source["name"]] = [kernel * factor.reshape(shape), beta + (offset - mean) * factor]
    source["config"]["use_bias"] = True


def _rewired(config: dict[str, Any], renamed: dict[str, str]) -> dict[str, Any]:
    """Every reader of a folded norm reads the layer before it."""
    for entry in config["layers"]:
        for node in entry["inbound_nodes"]:
            for call in node:
                call[0] = renamed.get(call[0], call[0])
    config["output_layers"] = [[renamed.get(end[0], end[0]), *end[1:]] for end in _ends(config["output_layers"])]
    return config
