"""A Functional or Sequential model from one generation of Keras to the other, by way of its description.

Both describe the same layers, in other words: shapes of inputs, dtypes, and who feeds whom. Keys that the other
generation does not know are left out where they hold what it does anyway; everything else is refused by the layer's
name. For child processes only.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from converters.reasons import one_line
from harness.errors import ConversionError

Config = dict[str, Any]
# Keys that one generation alone has, with the value that means what the other one does anyway.
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "groups": (1,),
    "implementation": (0, 1, 2),
    "time_major": (False,),
    "noise_shape": (None,),
    "ragged": (False,),
    "sparse": (False,),
    "optional": (False,),
    "quantization_config": (None,),
    "lora_rank": (None,),
    "lora_alpha": (None,),
    "use_cudnn": ("auto",),
    "zero_output_for_mask": (False,),
    "synchronized": (False,),
    "renorm": (False,),
    "seed": (None,),
    "batch_input_shape": (None,),
    "build_config": (None,),
}
_CONTAINERS = ("Functional", "Model", "Sequential")


def to_keras_3(model: Any) -> Any:
    """The same model in Keras 3. Raises ConversionError naming the layer that cannot go over."""
    import keras

    return _rebuilt(model, keras, _current)


def to_tf_keras(model: Any) -> Any:
    """The same model in tf_keras. Raises ConversionError naming the layer that cannot go over."""
    import tf_keras

    return _rebuilt(model, tf_keras, _legacy)


def _rebuilt(model: Any, framework: Any, translate: Callable[[Config, Any], Config]) -> Any:
    kind = type(model).__name__
    if kind not in _CONTAINERS:
        raise ConversionError(
            f"the model is a class of its own (`{kind}`), whose layers are known to its code alone",
            remedy="build it with the Functional or Sequential API",
        )
    config = translate({"class_name": kind, "config": model.get_config()}, framework)
    container = framework.Sequential if kind == "Sequential" else framework.Model
    try:
        twin = container.from_config(config["config"])
        if not twin.built:
            twin.build(model.input_shape)
    except Exception as error:
        raise ConversionError(f"the model cannot be rebuilt in {framework.__name__}: {one_line(error)}") from error
    for ours, theirs in zip(_layers(model), _layers(twin), strict=True):
        _take_weights(ours, theirs)
    return twin


def _take_weights(source: Any, target: Any) -> None:
    weights = source.get_weights()
    shapes = [array.shape for array in weights]
    if shapes != [array.shape for array in target.get_weights()]:
        raise ConversionError(f"the layer `{source.name}` has other weights in the other generation of Keras")
    target.set_weights(weights)


def _layers(model: Any) -> Iterator[Any]:
    """All layers but containers and inputs, in the order of the description."""
    for layer in model.layers:
        if type(layer).__name__ in _CONTAINERS:
            yield from _layers(layer)
        elif type(layer).__name__ != "InputLayer":
            yield layer


def _current(entry: Config, framework: Any) -> Config:
    return _translated(entry, framework, _to_nodes_of_3)


def _legacy(entry: Config, framework: Any) -> Config:
    return _translated(entry, framework, _to_nodes_of_2)


def _translated(entry: Config, framework: Any, nodes: Callable[[Any, str], Any]) -> Config:
    """One layer's entry of a description; of a container's, all of its layers' too."""
    kind, config = entry["class_name"], dict(entry["config"])
    name = str(config.get("name", kind))
    if kind in _CONTAINERS:
        layers = [_translated(layer, framework, nodes) for layer in config["layers"]]
        kept = {"name": name, "layers": layers}
        if kind != "Sequential":
            kept |= {end: _listed(config[end]) for end in ("input_layers", "output_layers")}
        out: Config = {"class_name": kind, "config": kept}
    else:
        cls = getattr(framework.layers, kind, None)
        if cls is None:
            raise ConversionError(
                f"the layer `{name}` is a `{kind}`, which the other generation of Keras does not have",
                remedy="use layers that both generations have",
            )
        out = {"class_name": kind, "config": _layer_config(cls, kind, name, config)}
    if "inbound_nodes" in entry:
        out |= {"name": entry.get("name", name), "inbound_nodes": nodes(entry["inbound_nodes"], name)}
    return out


def _layer_config(cls: Any, kind: str, name: str, config: Config) -> Config:
    if kind == "InputLayer":
        shape = config.get("batch_shape") or config.get("batch_input_shape")
        key = "batch_input_shape" if cls.__module__.startswith("tf_keras") else "batch_shape"
        return {key: shape, "dtype": _dtype(config.get("dtype")), "name": name}
    known = _parameters(cls)
    out: Config = {}
    for key, value in config.items():
        if key == "dtype":
            out[key] = _dtype(value)
        elif key.endswith(("_initializer", "_constraint")):
            continue  # the weights are there already
        elif key in known or key in ("name", "trainable"):
            out[key] = _plain(value, f"{name}.{key}")
        elif key in _NEUTRAL and value not in _NEUTRAL[key]:
            raise ConversionError(f"the layer `{name}` has {key} = {value!r}, which the other generation does not have")
        elif key not in _NEUTRAL and value is not None:
            raise ConversionError(
                f"the layer `{name}` has the setting `{key}`, which the other generation does not have"
            )
    if kind in ("Bidirectional", "TimeDistributed"):
        raise ConversionError(f"the layer `{name}` is a `{kind}` around another one, which is not carried over")
    return out


def _parameters(cls: Any) -> set[str]:
    """What a layer's constructors take, its parents' too (they pass the rest on)."""
    found: set[str] = set()
    for part in cls.__mro__:
        if "__init__" in vars(part):
            found |= set(inspect.signature(part.__init__).parameters)
    return found


def _plain(value: Any, where: str) -> Any:
    """Activations and regularizers are objects in one generation and names in the other."""
    if not isinstance(value, dict) or "class_name" not in value:
        return value
    if value["class_name"] == "function" and isinstance(value.get("config"), str):
        return value["config"]
    if "module" in value and not str(value["module"] or "").startswith(("keras", "builtins", "tf_keras")):
        raise ConversionError(f"`{where}` is `{value['class_name']}`, which is not one of Keras's own")
    return {"class_name": value["class_name"], "config": value.get("config", {})}


def _dtype(value: Any) -> str:
    """A dtype policy is an object in Keras 3 and a name in tf_keras."""
    name = value.get("config", {}).get("name", "float32") if isinstance(value, dict) else value
    return str(name or "float32")


def _listed(ends: Any) -> list[Any]:
    """`["a", 0, 0]` for one tensor, a list of such for several: always the latter."""
    if isinstance(ends, dict):
        raise ConversionError("the model takes or gives a dictionary of tensors", remedy="give it a list of tensors")
    single = len(ends) == 3 and isinstance(ends[0], str)
    return [list(ends)] if single else [list(end) for end in ends]


def _to_nodes_of_3(nodes: Any, name: str) -> Any:
    """Keras 3 still reads the older generation's nodes."""
    return nodes


def _to_nodes_of_2(nodes: Any, name: str) -> Any:
    """`{"args": [tensors], "kwargs": {...}}` -> `[[layer, node, tensor, {}], ...]` per call."""
    for node in nodes:
        _refuse_settings(node.get("kwargs", {}), name)
    return [[[*history, {}] for history in _histories(node, name)] for node in nodes]


def _histories(node: Config, name: str) -> Iterator[list[Any]]:
    first = node["args"][0] if len(node["args"]) == 1 else None
    tensors = first if isinstance(first, list) else [first]
    for tensor in tensors:
        if not isinstance(tensor, dict) or tensor.get("class_name") != "__keras_tensor__":
            raise ConversionError(f"the layer `{name}` is called with more than tensors, which is not carried over")
        yield list(tensor["config"]["keras_history"])


def _refuse_settings(settings: Config, name: str) -> None:
    given = [key for key, value in settings.items() if value is not None and key != "training"]
    if given:
        raise ConversionError(f"the layer `{name}` is called with {', '.join(given)}, which is not carried over")
