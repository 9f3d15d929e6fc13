"""A .pt2 ExportedProgram: looked through for pickles before anything of it is loaded.

torch.export.load() unpickles what a file marks as pickled, and falls back to full unpickling for the example inputs;
such a file could run any code, so it is refused by its own tables of contents.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from converters.reasons import one_line
from harness.errors import SourceError

_CLEAN = "export the model again with plain tensors only: torch.export.save(torch.export.export(model, args), path)"
_PICKLED_PREFIXES = ("custom_obj_", "opaque_obj_")


def load(path: Path) -> Any:
    """The torch.export.ExportedProgram in `path`. Raises SourceError when it holds pickles or cannot be read."""
    import torch

    _refuse_pickles(path)
    try:
        return torch.export.load(path)
    except (RuntimeError, AssertionError, KeyError, TypeError, ValueError) as error:
        raise SourceError(
            f"{path.name} cannot be read by torch {torch.__version__}: {one_line(error)}",
            remedy="export it again with this version of torch",
        ) from error


def example(program: Any) -> tuple[Any, ...]:
    """The example inputs inside the program. Raises SourceError when there are none, or keyword inputs."""
    inputs = program.example_inputs
    if not inputs or not inputs[0]:
        raise SourceError("the .pt2 holds no example inputs", remedy=_CLEAN)
    arguments, keywords = inputs
    if keywords:
        raise SourceError(
            f"the .pt2 takes keyword inputs ({', '.join(keywords)})", remedy="export it with positional inputs only"
        )
    return tuple(arguments)


def check_mode(program: Any) -> None:
    """Raise SourceError when the program was exported in train mode, which cannot be changed afterwards."""
    for node in program.graph.nodes:
        target = str(node.target)
        training = ("dropout" in target and len(node.args) > 2 and node.args[2] is True) or (
            "batch_norm" in target and len(node.args) > 5 and node.args[5] is True
        )
        if training:
            raise SourceError(
                f"the .pt2 was exported in train mode ({target})", remedy="call model.eval() before torch.export.export"
            )


def _refuse_pickles(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        names = {name.partition("/")[2]: name for name in archive.namelist()}
        for inner, name in names.items():
            if inner.startswith("data/aotinductor/"):
                raise SourceError(f"{path.name} holds compiled code", remedy=_CLEAN)
            if inner.startswith(("data/weights/", "data/constants/")):
                _refuse_pickled_payload(path, inner, archive.read(name) if inner.endswith(".json") else b"")
            if inner.startswith("data/sample_inputs/") and not _plain_tensors(archive.read(name)):
                raise SourceError(f"the example inputs of {path.name} are pickled objects", remedy=_CLEAN)


def _refuse_pickled_payload(path: Path, inner: str, config: bytes) -> None:
    pickled = inner.endswith(".pt") or inner.rpartition("/")[2].startswith(_PICKLED_PREFIXES)
    if config:
        entries = json.loads(config).get("config", {}).values()
        pickled = any(entry.get("use_pickle") or _names_pickle(entry) for entry in entries)
    if pickled:
        raise SourceError(f"{path.name} holds pickled objects ({inner}), which could run any code", remedy=_CLEAN)


def _names_pickle(entry: dict[str, Any]) -> bool:
    return str(entry.get("path_name", "")).startswith(_PICKLED_PREFIXES)


def _plain_tensors(data: bytes) -> bool:
    """Whether torch's restricted unpickler, which builds tensors only, is content with it."""
    import pickle

    import torch

    try:
        torch.load(io.BytesIO(data), weights_only=True)
    except (pickle.UnpicklingError, RuntimeError):
        return False
    return True
