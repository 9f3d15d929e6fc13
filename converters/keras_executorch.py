"""Keras model -> the float torch module that ExecuTorch builds start from, through Keras's torch backend.

Inputs keep the layout they have in Keras (NHWC). Imports keras on torch: for child processes only.
"""

from __future__ import annotations

import importlib.abc
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from converters import bridge, frameworks, keras_carrying, userfile
from converters.bridge import layers
from converters.reasons import one_line
from converters.workshop import Facts
from harness.errors import ConversionError

Tensors = tuple[torch.Tensor, ...]


class _WithoutTensorFlow(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Makes its import fail, and nothing else: Keras takes an empty place in sys.modules for an imported TensorFlow,
    and torch only asks where it would be."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname.partition(".")[0] == "tensorflow" else None

    def create_module(self, spec: ModuleSpec) -> None:
        raise ModuleNotFoundError(f"{spec.name} stays out of a process with torch", name=spec.name)


class Flat(torch.nn.Module):  # type: ignore[misc]  # torch is not type-checked here
    """A Keras model that takes its inputs one by one, and gives a plain tuple of tensors."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *arguments: torch.Tensor) -> tuple[torch.Tensor, ...]:
        outputs = self.model(arguments[0] if len(arguments) == 1 else list(arguments), training=False)
        return tuple(torch.utils._pytree.tree_leaves(outputs))


def module(path: Path, facts: Facts, home: Path, arguments: Tensors) -> torch.nn.Module:
    """The model in home/model.keras as a graph of plain torch operators. Raises ConversionError naming what cannot go
    over."""
    check_unchanged(path, facts)
    source = user_module(path, facts) if _needs_own(home) else None
    return graph(opened(home, source), arguments)


def graph(model: Any, arguments: Tensors, *, keep_norms: bool = False) -> torch.fx.GraphModule:
    """The same for a Keras model that is open on torch. keep_norms: see bridge.tidy()."""
    try:
        exported = torch.export.export(Flat(model.eval()), arguments)
    except Exception as error:
        raise ConversionError(
            f"torch cannot export the model: {one_line(error)}", remedy="see the log for the layer"
        ) from error
    found = exported.run_decompositions({}).module()
    layers.name_after(found, {variable.value.data_ptr(): variable.path for variable in model.variables})
    return bridge.tidy(found, arguments, keep_norms=keep_norms)


def check_unchanged(path: Path, facts: Facts) -> None:
    """Raises ConversionError when the user's file is another one than was prepared."""
    if facts.model.format in frameworks.PYTHON_FORMATS:
        userfile.check_unchanged(path, facts.code)


def user_module(path: Path, facts: Facts) -> ModuleType | None:
    """The user's file, for what it defines; None where the source is a bare model."""
    check_unchanged(path, facts)
    if facts.model.format not in frameworks.PYTHON_FORMATS:
        return None
    import keras  # noqa: F401  before the user's code, which may ask for another backend

    return userfile.load(path, required=userfile.REQUIRED[:1])


def opened(home: Path, source: ModuleType | None) -> Any:
    """On torch; TensorFlow stays out, unless the user's own file was needed, which may import it."""
    own: dict[str, Any] = {}
    if source is not None:  # the functions and classes by name, as Keras asks for layers of the user's own
        own = {name: value for name, value in vars(source).items() if callable(value)}
    else:
        sys.meta_path.insert(0, _WithoutTensorFlow())
    import keras

    try:
        return keras.models.load_model(home / keras_carrying.FILE, custom_objects=own, compile=False)
    except Exception as error:
        raise ConversionError(
            f"Keras cannot open the model on torch: {one_line(error)}",
            remedy="write layers of your own with keras.ops, which compute on any backend",
        ) from error


def _needs_own(home: Path) -> bool:
    from converters import keras_files

    return keras_files.has_own_classes(keras_files.describe(home / keras_carrying.FILE))
