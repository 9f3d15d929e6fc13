"""The torch model of a source: its inputs and outputs, its weights as one file, and how it is had again.

Imports torch: for child processes only.
"""

from __future__ import annotations

import hashlib
import inspect
import io
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from converters import exported, frameworks, samples, userfile
from converters.samples import Arrays
from converters.workshop import Facts
from harness.errors import ConversionError, SourceError
from harness.records import TensorSpec

STATE = "state.pt"
PROGRAM = "model.pt2"


def build(module: Any, path: Path, seed: int = 0) -> torch.nn.Module:
    """Call the user's get_model() with every generator seeded, and check what it gave. Raises SourceError."""
    return checked(got(module, path, seed))


def got(module: Any, path: Path, seed: int = 0) -> Any:
    """What the user's get_model() gives, whatever it is."""
    _seed(seed)
    with userfile.blaming(path, "in get_model()"):
        return module.get_model()


def checked(model: Any) -> torch.nn.Module:
    """A module of torch's that can be worked with. Raises OtherFormat for a Keras model, else SourceError."""
    if isinstance(model, torch.export.ExportedProgram):
        model = model.module()
    if isinstance(model, torch.jit.ScriptModule):
        raise SourceError(
            "get_model() returned a TorchScript module, a graph of an earlier generation",
            remedy="return the plain torch.nn.Module that it was made from",
        )
    if frameworks.is_keras(model):
        raise frameworks.OtherFormat("keras-python")
    if not isinstance(model, torch.nn.Module):
        raise SourceError(
            f"get_model() returned {type(model).__name__}, not a torch.nn.Module",
            remedy="return the network itself, with its weights loaded",
        )
    _check_dtypes(model)
    return model


def evaluate(model: torch.nn.Module) -> str:
    """Put the model into eval mode; a note when that changed what it computes, else ""."""
    matters = (torch.nn.modules.batchnorm._NormBase, torch.nn.modules.dropout._DropoutNd)
    left = sum(isinstance(part, matters) and part.training for part in model.modules())
    try:
        model.eval()
    except NotImplementedError:  # of the module of an exported program, which stays in the mode that it was exported in
        for part in model.modules():
            part.training = False
    return f"the model was in train mode ({left} layers behave otherwise there); eval() was called" if left else ""


def run(model: torch.nn.Module, arrays: Arrays) -> Arrays:
    """Outputs of the model in eager mode: tensors of any nesting in torch's own order, as numpy arrays."""
    with torch.no_grad():
        outputs = model(*tensors(arrays))
    leaves = torch.utils._pytree.tree_leaves(outputs)
    found = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
    if not found:
        raise SourceError(f"the model returned {type(outputs).__name__}, no tensor", remedy="return tensors")
    return [(leaf.float() if leaf.dtype == torch.bfloat16 else leaf).detach().cpu().numpy() for leaf in found]


class Flat(torch.nn.Module):  # type: ignore[misc]  # torch is not type-checked here
    """A model whose outputs are a plain tuple of tensors, whatever the nesting of the wrapped one's."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *arguments: torch.Tensor) -> tuple[torch.Tensor, ...]:
        leaves = torch.utils._pytree.tree_leaves(self.model(*arguments))
        return tuple(leaf for leaf in leaves if isinstance(leaf, torch.Tensor))


def flat(model: torch.nn.Module, arguments: tuple[torch.Tensor, ...]) -> torch.nn.Module:
    """The model itself where it returns one tensor or a tuple of tensors, else wrapped, so that both runtimes give the
    outputs in the same order."""
    with torch.no_grad():
        outputs = model(*arguments)
    parts = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
    if all(isinstance(part, torch.Tensor) for part in parts):
        return model
    wrapped = Flat(model)
    wrapped.training = False  # its model already is in eval mode
    return wrapped


def tensors(arrays: Arrays) -> tuple[torch.Tensor, ...]:
    return tuple(torch.from_numpy(np.array(array)) for array in arrays)


def specs(arrays: Arrays, names: Sequence[str]) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(name=name, shape=tuple(array.shape), dtype=array.dtype.name)
        for name, array in zip(names, arrays, strict=True)
    )


def input_names(model: torch.nn.Module, count: int) -> list[str]:
    """The names of forward()'s parameters where it has that many, else input_0, input_1 ..."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [p.name for p in inspect.signature(model.forward).parameters.values() if p.kind in positional]
    return names[:count] if len(names) >= count else [f"input_{index}" for index in range(count)]


def state_digest(state: Mapping[str, torch.Tensor]) -> str:
    """Fingerprint of all weights: names, dtypes, shapes and every byte."""
    total = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        total.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def save_state(model: torch.nn.Module, folder: Path) -> None:
    """Write the weights so that every build comes from the same ones; the same weights give the same bytes."""
    buffer = io.BytesIO()
    torch.save(dict(model.state_dict()), buffer)
    (folder / STATE).write_bytes(buffer.getvalue())


def again(path: Path, prepared: Path, facts: Facts) -> torch.nn.Module:
    """The prepared model once more: the user's code with the weights that were saved, or the kept .pt2.

    Raises ConversionError when the code has changed since, or gives another model for the same weights.
    """
    if facts.model.format == "pt2":
        return exported.load(prepared / PROGRAM).module()
    userfile.check_unchanged(path, facts.code)
    model = build(userfile.load(path), path)
    state = torch.load(prepared / STATE, weights_only=True)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise ConversionError(
            "get_model() does not build the same network twice: its weights do not fit",
            remedy="make the architecture independent of time, chance and environment",
        ) from error
    evaluate(model)
    _check_same(model, prepared)
    return model


def shaped(folder: Path) -> torch.nn.Module:
    """The float model that the compression steps left in `folder`."""
    return exported.load(folder / PROGRAM).module()


def _check_same(model: torch.nn.Module, prepared: Path) -> None:
    """Random tensors outside of state_dict() would make every build another model."""
    inputs = samples.read(prepared / "evaluation", "input", 1)[0]
    expected = samples.read(prepared / "reference", "output", 1)[0]
    for got, wanted in zip(run(model, inputs), expected, strict=True):
        if not np.allclose(got, wanted, rtol=1e-3, atol=1e-4 * max(1e-9, float(np.abs(wanted).max(initial=0)))):
            raise ConversionError(
                "get_model() gives another model for the same weights",
                remedy="register every tensor that is drawn at random as a parameter or buffer",
            )


def _check_dtypes(model: torch.nn.Module) -> None:
    for name, tensor in model.state_dict().items():
        if not isinstance(tensor, torch.Tensor):
            raise SourceError(
                f"`{name}` in the model's state is {type(tensor).__name__}, not a tensor",
                remedy="keep get_extra_state() out of the model",
            )
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            raise SourceError(
                f"the weight `{name}` is {str(tensor.dtype).removeprefix('torch.')}, not float32",
                remedy="return model.float() from get_model(); the recipes do the rest",
            )


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)  # the user's code may use the global generator
    torch.manual_seed(seed)
