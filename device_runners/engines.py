"""One runtime behind one small interface; what a runtime is imported by stands in its own module.

A new runtime is a module and a line in ENGINES.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from device_runners.tensors import Array
from harness.errors import RunnerError
from harness.records import Runtime, TensorSpec

ENGINES: dict[Runtime, str] = {
    "tflite": "device_runners.engine_litert:LiteRtRuntime",
    "executorch": "device_runners.engine_executorch:ExecuTorchRuntime",
}


class Engine(Protocol):
    """One loaded build. Arrays are one sample, in the build's own shapes and dtypes (see `tensors.fitted`)."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    invoke: Callable[[], object]  # what is timed, and nothing else
    idle: (
        Callable[[], object] | None
    )  # the same way into the runtime with nothing to do there, where it is not for free

    def feeding(self, arrays: Sequence[Array]) -> Callable[[], object]:
        """A function that hands these inputs to the build; everything that can be done before is done here."""

    def read(self) -> list[Array]:
        """Copies of the outputs of the last call."""

    def reset(self) -> None:
        """Forget what earlier calls left behind in the build's variables, where the runtime can."""

    def delegation(self) -> Delegation:
        """What was taken off the runtime's own kernels."""

    def facts(self) -> dict[str, str]:
        """What else this runtime tells about the build."""


class EngineRuntime(Protocol):
    """A runtime that was imported and told how many threads to use."""

    def __init__(self, num_threads: int) -> None: ...

    def load(self, path: Path, shapes: Sequence[tuple[int, ...]]) -> Engine:
        """shapes: of the inputs to come, for builds with dynamic dimensions. RunnerError: what was refused."""

    def facts(self) -> dict[str, str]:
        """Name, version, threads."""


class Delegation(msgspec.Struct, frozen=True, kw_only=True):
    """delegate: "" for none. Counts as the runtime tells them after loading, None where it does not."""

    delegate: str = ""
    delegated_operators: int | None = None
    total_operators: int | None = None


def start(runtime: Runtime, num_threads: int) -> EngineRuntime:
    """Import a runtime; RunnerError naming the extra to install when it is not there."""
    module, _, name = ENGINES[runtime].partition(":")
    try:
        kind: Callable[[int], EngineRuntime] = getattr(importlib.import_module(module), name)
        return kind(num_threads)
    except ImportError as error:
        raise RunnerError(
            f"the {runtime} runtime cannot be imported: {one_line(error)}",
            remedy=f"pip install 'pocketbench[{runtime}]'",
        ) from error


def one_line(error: BaseException) -> str:
    """What a runtime says about a file, without its line breaks."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 400 else f"{text[:400]} ..."
