"""A Keras file or SavedModel folder, read as a file: what it was written by, and what must not be loaded.

Loading a file may run code that it carries: a Lambda layer holds marshalled Python, and the older generation runs it
without being asked. So its description is looked through first. For child processes only (h5py).
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.errors import SourceError
from harness.records import Record

WRAP = (
    "write a Python file whose get_model() builds or loads it (with your own layer classes, and with "
    "keras.config.enable_unsafe_deserialization() if you trust its Lambda layers), and name that file"
)
_FLOAT32 = (
    "build it again under keras.mixed_precision.set_dtype_policy('float32'), load its weights, save it, and name that "
    "file; the recipes do the rest"
)
_LAMBDAS = ("Lambda", "__lambda__")
_METADATA = "keras_metadata.pb"


class Description(Record, frozen=True, kw_only=True):
    """config: the model's architecture as Keras wrote it, {} for a SavedModel. written_by: Keras's version then."""

    config: dict[str, Any] = {}
    written_by: str = ""


def describe(path: Path) -> Description:
    """What a .keras or .h5 file says of itself. Raises SourceError for one that is no model, or a damaged one."""
    return _describe_zip(path) if zipfile.is_zipfile(path) else _describe_hdf5(path)


def refuse_unsafe(path: Path, description: Description) -> None:
    """Raise SourceError for Lambda layers, which are code, and for layers that do not compute in float32."""
    for part in _objects(description.config):
        name = _name_of(part)
        if part.get("class_name") in _LAMBDAS:
            raise SourceError(
                f"{path.name} holds the Lambda layer `{name}`, which is code; it was not run", remedy=WRAP
            )
        if policy := _other_than_float32(part):
            raise SourceError(f"the layer `{name}` of {path.name} computes in {policy}, not float32", remedy=_FLOAT32)


def refuse_unsafe_folder(path: Path) -> None:
    """The same for what a SavedModel folder says about its layers, where Keras wrote it."""
    metadata = path / _METADATA
    text = metadata.read_bytes() if metadata.is_file() else b""
    if b'"class_name": "Lambda"' in text or b'"__lambda__"' in text:
        raise SourceError(
            f"{path.name} holds Lambda layers, which are code; it was not loaded as a Keras model", remedy=WRAP
        )


def has_own_classes(description: Description) -> bool:
    """Whether the model has layers or functions that are not Keras's own, whose code must be at hand to open it."""
    modules = (str(part.get("module") or "") for part in _objects(description.config) if part.get("registered_name"))
    return any(not module.startswith(("keras.", "builtins")) for module in modules)


def has_layers(path: Path) -> bool:
    """Whether Keras wrote the SavedModel folder, so that its layers can be had again."""
    return (path / _METADATA).is_file()


def _describe_zip(path: Path) -> Description:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if "config.json" not in names:
            raise SourceError(f"{path.name} is an archive, but no Keras model: it has no config.json", remedy=WRAP)
        metadata = json.loads(archive.read("metadata.json")) if "metadata.json" in names else {}
        return Description(
            config=json.loads(archive.read("config.json")), written_by=str(metadata.get("keras_version", ""))
        )


def _describe_hdf5(path: Path) -> Description:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            config, version = file.attrs.get("model_config"), file.attrs.get("keras_version", "")
    except OSError as error:
        raise SourceError(
            f"{path.name} is damaged or truncated: {error}", remedy="save it, or copy it, again"
        ) from error
    if config is None:
        raise SourceError(
            f"{path.name} holds weights without the model they belong to",
            remedy="name a Python file whose get_model() builds the model and calls load_weights()",
        )
    return Description(config=json.loads(_text(config)), written_by=_text(version))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every serialized object inside, outermost first."""
    if isinstance(value, dict):
        if "class_name" in value:
            yield value
        for part in value.values():
            yield from _objects(part)
    elif isinstance(value, list):
        for part in value:
            yield from _objects(part)


def _name_of(part: dict[str, Any]) -> str:
    config = part.get("config")
    return str(config.get("name", part["class_name"])) if isinstance(config, dict) else str(part["class_name"])


def _other_than_float32(part: dict[str, Any]) -> str:
    """The dtype policy of a layer, "" where it computes in float32 (or in integers, as an input may)."""
    config = part.get("config")
    given = config.get("dtype") if isinstance(config, dict) else None
    name = (
        given["config"].get("name", "") if isinstance(given, dict) and isinstance(given.get("config"), dict) else given
    )
    return name if isinstance(name, str) and ("float16" in name or name.startswith("quantized")) else ""
