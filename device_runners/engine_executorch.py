"""ExecuTorch in a child process, by the short way in.

`executorch.runtime` imports all of the exporter (seconds of CPU time) for one warning class. What it wraps, the native
module of the wheel, needs torch alone. That module is not public, so all use of it stands here, and `_native` checks
its names at the door.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import re
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from executorch.extension.pybindings import _C

from device_runners import pte
from device_runners.engines import Delegation, one_line
from device_runners.tensors import Array, spelled
from harness.errors import RunnerError
from harness.records import TensorSpec

_NEEDED = ("_load_program", "_unsafe_reset_threadpool", "_threadpool_get_thread_count")
_MISSING = re.compile(r"Missing operator: \[\d+\] (\S+)")
# Of the operators that the core library lacks: where the wheel keeps them, by namespace.
_KERNELS = {
    "quantized_decomposed": "lib/libexecutorch_kernels_quantized.so",
    "llama": "extension/llm/custom_ops/libcustom_ops_aot_lib.so",
}
# c10::ScalarType
_DTYPES = {0: "uint8", 1: "int8", 2: "int16", 3: "int32", 4: "int64", 5: "float16", 6: "float32", 7: "float64"}
_DTYPES |= {11: "bool", 15: "bfloat16", 27: "uint16", 28: "uint32", 29: "uint64"}


def _native() -> Any:
    if missing := [name for name in _NEEDED if not hasattr(_C, name)]:
        raise RunnerError(
            f"executorch {version('executorch')} has no {', '.join(missing)}",
            remedy="pip install 'pocketbench[executorch]' brings a version that has",
        )
    return _C


class ExecuTorchRuntime:
    """The imported runtime; its thread pool must be sized before the first build is loaded."""

    def __init__(self, num_threads: int) -> None:
        self._native = _native()
        torch.set_num_threads(1)  # torch only carries tensors here
        if self._native._threadpool_get_thread_count() != num_threads:
            self._native._unsafe_reset_threadpool(num_threads)
        self._threads = self._native._threadpool_get_thread_count()
        if self._threads != num_threads:
            raise RunnerError(f"ExecuTorch was asked for {num_threads} threads and has {self._threads}")

    def load(self, path: Path, shapes: Sequence[tuple[int, ...]]) -> ExecuTorchEngine:
        """A method's dynamic dimensions need no preparation; `shapes` is not used."""
        try:
            program = self._native._load_program(str(path))
            names = [program.get_method_name(i) for i in range(program.num_methods())]
            if "forward" not in names:
                raise RunnerError(f"the file has no method 'forward', but {', '.join(names) or 'none'}")
            method, kernels = _load_method(program)
            return ExecuTorchEngine(program, method, path=path, kernels=kernels)
        except (RuntimeError, ValueError) as error:
            raise _refused(error) from error

    def facts(self) -> dict[str, str]:
        return {
            "executorch_version": version("executorch"),
            "torch_version": str(torch.__version__),
            "executorch_threads": str(self._threads),
        }


class ExecuTorchEngine:
    """One loaded method. kernels: libraries that were loaded because the core library lacks operators."""

    def __init__(self, program: Any, method: Any, *, path: Path, kernels: Sequence[str]) -> None:
        self._program = program  # owns what the method runs on
        self._method = method
        self._path = path
        self._kernels = kernels
        meta = method.method_meta()
        inputs, outputs = range(meta.num_inputs()), range(meta.num_outputs())
        self.inputs = tuple(_spec(f"input_{i}", meta.input_tensor_meta(i)) for i in inputs)
        self.outputs = tuple(_spec(f"output_{i}", meta.output_tensor_meta(i)) for i in outputs)
        self.invoke: Callable[[], object] = method.execute
        # The binding redirects stdout and stderr around whatever it calls: microseconds that no phone pays.
        self.idle: Callable[[], object] | None = program.num_methods

    def feeding(self, arrays: Sequence[Array]) -> Callable[[], object]:
        tensors = tuple(
            torch.from_numpy(array).to(getattr(torch, spec.dtype))
            for array, spec in zip(arrays, self.inputs, strict=True)
        )
        put = self._method.set_inputs

        def feed() -> None:
            try:
                put(tensors)
            except RuntimeError as error:
                given = ", ".join(spelled(array.dtype.name, array.shape) for array in arrays)
                wanted = ", ".join(spelled(spec.dtype, spec.shape) for spec in self.inputs)
                raise RunnerError(
                    f"the inputs are {given}, the build wants {wanted}: {one_line(error)}",
                    remedy="give data of the shape and dtype that get_args() has",
                ) from error

        return feed

    def read(self) -> list[Array]:
        return [_array(value) for value in self._method.get_outputs(True)]

    def reset(self) -> None:
        """The runtime cannot: a mutable buffer keeps its value for as long as the method lives."""

    def delegation(self) -> Delegation:
        """Every delegate that the file names was started, or it would not have loaded; it tells no counts."""
        return Delegation(delegate="+".join(sorted(set(pte.delegates(self._path)))))

    def facts(self) -> dict[str, str]:
        return {"extra_kernels": ", ".join(self._kernels)} if self._kernels else {}


def _load_method(program: Any) -> tuple[Any, list[str]]:
    """(method, kernel libraries that had to be loaded). The runtime names what it lacks only in its log."""
    loaded: list[str] = []
    while True:
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said):
                return program.load_method("forward"), loaded
        except RuntimeError as error:
            missing = sorted(set(_MISSING.findall(said.getvalue())))
            wanted = {_KERNELS[name.partition("::")[0]] for name in missing if name.partition("::")[0] in _KERNELS}
            if not missing or not wanted - set(loaded):
                raise _lacking(missing) if missing else error from error
            for library in sorted(wanted - set(loaded)):
                _register(library)
                loaded.append(library)
        finally:
            sys.stderr.write(said.getvalue())


def _register(library: str) -> None:
    """The library registers its kernels as it is loaded."""
    import executorch

    path = Path(next(iter(executorch.__path__)), library)
    try:
        ctypes.CDLL(str(path))
    except OSError as error:
        raise RunnerError(f"the kernels of {path.name} cannot be loaded: {one_line(error)}") from error


def _lacking(operators: Sequence[str]) -> RunnerError:
    return RunnerError(
        f"the file needs {', '.join(map(repr, operators))}, which ExecuTorch does not have",
        remedy="lower the model to other operators, or register the kernels",
    )


def _refused(error: Exception) -> RunnerError:
    return RunnerError(f"ExecuTorch refused the file: {one_line(error)}", remedy="see the log; make the file anew")


def _spec(name: str, info: Any) -> TensorSpec:
    code = int(info.dtype())
    if code not in _DTYPES:
        raise RunnerError(f"{name} of the build is of scalar type {code}, which has no numpy counterpart")
    return TensorSpec(name=name, shape=tuple(int(n) for n in info.sizes()), dtype=_DTYPES[code])


def _array(value: Any) -> Array:
    if not isinstance(value, torch.Tensor):
        return np.asarray(value)
    return np.asarray((value.float() if value.dtype == torch.bfloat16 else value).numpy())
