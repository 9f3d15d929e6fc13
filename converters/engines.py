"""A finished file, opened in the runtime it is meant for, to see once that it runs and what it gives.

Loading a bad file can crash the process: for child processes only. Imports a runtime only when one is asked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from converters.samples import Arrays
from harness.errors import ConversionError
from harness.records import TensorSpec

# ExecuTorch's scalar types, as its method metadata numbers them.
_SCALARS = {0: "uint8", 1: "int8", 2: "int16", 3: "int32", 4: "int64"}
_SCALARS |= {5: "float16", 6: "float32", 7: "float64", 11: "bool"}


class Engine(Protocol):
    """inputs and outputs in the order in which run() takes and gives them."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def run(self, arrays: Arrays) -> Arrays: ...


def open_build(path: Path) -> Engine:
    """Load the file; raises what the runtime raises, and ConversionError for inputs that are no tensors."""
    return TfliteEngine(path) if path.suffix == ".tflite" else ExecutorchEngine(path)


class TfliteEngine:
    """LiteRT's interpreter, one thread, dynamic dimensions set to 1."""

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_path=str(path), num_threads=1)
        for detail in self._interpreter.get_input_details():
            signature = detail["shape_signature"]
            if (signature < 0).any():
                self._interpreter.resize_tensor_input(detail["index"], np.where(signature < 0, 1, signature))
        self._interpreter.allocate_tensors()
        self.inputs = tuple(_tflite_spec(detail) for detail in self._interpreter.get_input_details())
        self.outputs = tuple(_tflite_spec(detail) for detail in self._interpreter.get_output_details())

    def run(self, arrays: Arrays) -> Arrays:
        for detail, array in zip(self._interpreter.get_input_details(), arrays, strict=True):
            self._interpreter.set_tensor(detail["index"], _as_input(array, detail))
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(detail["index"]) for detail in self._interpreter.get_output_details()]


class ExecutorchEngine:
    """ExecuTorch's Python runtime without the exporter that `executorch.runtime` would import."""

    def __init__(self, path: Path) -> None:
        import torch  # its libraries must be loaded before the next line
        from executorch.extension.pybindings import _C

        self._torch = torch
        if b"quantized_decomposed::" in path.read_bytes():
            import executorch.kernels.quantized  # noqa: F401  registers the kernels that the file names
        self._program = _C._load_program(str(path), False, 0, _C.Verification.InternalConsistency)
        names = [self._program.get_method_name(index) for index in range(self._program.num_methods())]
        name = "forward" if "forward" in names else names[0]
        meta = self._program.method_meta(name)
        self.inputs = tuple(_pte_spec(meta.input_tensor_meta, i, "input") for i in range(meta.num_inputs()))
        self.outputs = tuple(_pte_spec(meta.output_tensor_meta, i, "output") for i in range(meta.num_outputs()))
        self._method = self._load(name, path, _C)

    def run(self, arrays: Arrays) -> Arrays:
        tensors = [self._torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]
        outputs = self._method.call(tensors, True)
        return [output.numpy() for output in outputs if isinstance(output, self._torch.Tensor)]

    def _load(self, name: str, path: Path, binding: Any) -> Any:
        try:
            return self._program.load_method(name)
        except RuntimeError as error:
            if missing := _missing_operators(path, binding):
                raise ConversionError(
                    f"the file uses {', '.join(f'`{operator}`' for operator in missing)}, which this runtime lacks",
                    remedy="export the model with core operators only",
                ) from error
            raise


def _missing_operators(path: Path, binding: Any) -> list[str]:
    from executorch.exir._serialize._program import deserialize_pte_binary

    known = set(binding._get_operator_names())
    plans = deserialize_pte_binary(path.read_bytes()).program.execution_plan
    names = {f"{op.name}.{op.overload}" if op.overload else op.name for plan in plans for op in plan.operators}
    return sorted(names - known)


def _tflite_spec(detail: dict[str, Any]) -> TensorSpec:
    scale, zero_point = detail["quantization"]
    dtype = np.dtype(detail["dtype"])
    if dtype.kind not in "fiub":
        raise ConversionError(
            f"the file's tensor `{detail['name']}` is of type {dtype.name}, not of numbers",
            remedy="name a model that takes and gives numbers",
        )
    return TensorSpec(
        name=detail["name"],
        shape=tuple(int(size) for size in detail["shape"]),
        dtype=dtype.name,
        scale=float(scale) if scale else None,
        zero_point=int(zero_point) if scale else None,
    )


def _pte_spec(meta: Any, index: int, what: str) -> TensorSpec:
    try:
        info = meta(index)
    except RuntimeError as error:
        raise ConversionError(
            f"the file's {what} {index} is not a tensor", remedy="export the model with tensors only"
        ) from error
    dtype = _SCALARS.get(info.dtype())
    if dtype is None:
        raise ConversionError(
            f"the file's {what} {index} has ExecuTorch's scalar type {info.dtype()}, which numpy does not know",
            remedy="export the model with float32 inputs and outputs",
        )
    return TensorSpec(name=f"{what}_{index}", shape=tuple(info.sizes()), dtype=dtype)


def _as_input(array: np.ndarray[Any, Any], detail: dict[str, Any]) -> np.ndarray[Any, Any]:
    """Integers in the input's own type (LiteRT keeps int64 as int32); floats as they are, or as a quantized input's
    integers."""
    dtype, (scale, zero_point) = detail["dtype"], detail["quantization"]
    if scale and array.dtype.kind == "f" and np.dtype(dtype).kind in "iu":
        limits = np.iinfo(dtype)
        codes: np.ndarray[Any, Any] = np.clip(np.rint(array / scale) + zero_point, limits.min, limits.max).astype(dtype)
        return codes
    return array.astype(dtype) if array.dtype.kind in "iub" and np.dtype(dtype).kind in "iub" else array
