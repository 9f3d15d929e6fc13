"""LiteRT (TensorFlow Lite) in a child process: the interpreter with its default XNNPACK delegate."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ai_edge_litert
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from device_runners import linux
from device_runners.engines import Delegation, one_line
from device_runners.tensors import Array, check_shape
from harness.errors import RunnerError
from harness.records import TensorSpec

_CUSTOM = re.compile(r"unresolved custom op:? *'?([^\s.']+)", re.IGNORECASE)


class LiteRtRuntime:
    """The imported runtime."""

    def __init__(self, num_threads: int) -> None:
        self._num_threads = num_threads

    def load(self, path: Path, shapes: Sequence[tuple[int, ...]]) -> LiteRtEngine:
        before = linux.thread_count()
        try:
            interpreter = Interpreter(model_path=str(path), num_threads=self._num_threads)
            _resize(interpreter, shapes)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise _refused(error) from error
        return LiteRtEngine(interpreter, linux.thread_count() - before)

    def facts(self) -> dict[str, str]:
        return {"litert_version": str(ai_edge_litert.__version__)}


class LiteRtEngine:
    """One build in one interpreter. threads_started: worker threads that came with it, one less than in use."""

    def __init__(self, interpreter: Any, threads_started: int) -> None:
        self._interpreter = interpreter
        self._threads_started = threads_started
        self._input_indices = [detail["index"] for detail in interpreter.get_input_details()]
        self._output_indices = [detail["index"] for detail in interpreter.get_output_details()]
        self.inputs = tuple(_spec(detail) for detail in interpreter.get_input_details())
        self.outputs = tuple(_spec(detail) for detail in interpreter.get_output_details())
        self.invoke: Callable[[], object] = interpreter.invoke
        self.idle: Callable[[], object] | None = None

    def feeding(self, arrays: Sequence[Array]) -> Callable[[], object]:
        for array, spec in zip(arrays, self.inputs, strict=True):
            check_shape(array.shape, array.dtype, spec)
        pairs = list(zip(self._input_indices, arrays, strict=True))
        put = self._interpreter.set_tensor

        def feed() -> None:
            for index, array in pairs:
                put(index, array)

        return feed

    def read(self) -> list[Array]:
        return [np.asarray(self._interpreter.get_tensor(index)) for index in self._output_indices]

    def reset(self) -> None:
        self._interpreter.reset_all_variables()

    def delegation(self) -> Delegation:
        """Counts the file's own operators that stand behind a DELEGATE node of the loaded graph."""
        nodes = self._interpreter._get_ops_details()
        delegates = [node for node in nodes if node["op_name"] == "DELEGATE"]
        own = [node for node in nodes if node["op_name"] != "DELEGATE"]
        return Delegation(
            delegate="XNNPACK" if delegates else "",
            delegated_operators=len(_behind(delegates, own)),
            total_operators=len(own),
        )

    def facts(self) -> dict[str, str]:
        return {"worker_threads": str(self._threads_started)}


def _behind(delegates: Sequence[dict[str, Any]], own: Sequence[dict[str, Any]]) -> set[int]:
    """Indices of the operators between the outputs and the inputs of the delegates."""
    maker = {int(tensor): node for node in own for tensor in node["outputs"]}
    found: set[int] = set()
    for delegate in delegates:
        border = {int(tensor) for tensor in delegate["inputs"]}
        left = [int(tensor) for tensor in delegate["outputs"]]
        while left:
            node = maker.get(left.pop())
            if node is not None and node["index"] not in found:
                found.add(node["index"])
                left += [int(tensor) for tensor in node["inputs"] if int(tensor) not in border]
    return found


def _resize(interpreter: Any, shapes: Sequence[tuple[int, ...]]) -> None:
    """Dynamic dimensions take the sample's; what does not fit is left for the check of the inputs to name."""
    for detail, shape in zip(interpreter.get_input_details(), shapes, strict=False):
        signature = _shape(detail)
        if -1 in signature and len(signature) == len(shape):
            fixed = tuple(n if n >= 0 else m for n, m in zip(signature, shape, strict=True))
            interpreter.resize_tensor_input(detail["index"], list(fixed))


def _shape(detail: dict[str, Any]) -> tuple[int, ...]:
    """As the file has it, -1 for what may change; older files know only the shape itself."""
    signature = tuple(int(n) for n in detail["shape_signature"])
    return signature if signature else tuple(int(n) for n in detail["shape"])


def _spec(detail: dict[str, Any]) -> TensorSpec:
    scales, zero_points = (detail["quantization_parameters"][key] for key in ("scales", "zero_points"))
    quantized = len(scales) == 1
    return TensorSpec(
        name=detail["name"],
        shape=_shape(detail),
        dtype=np.dtype(detail["dtype"]).name,
        scale=float(scales[0]) if quantized else None,
        zero_point=int(zero_points[0]) if quantized else None,
    )


def _refused(error: Exception) -> RunnerError:
    if custom := _CUSTOM.search(str(error)):
        return RunnerError(
            f"the file needs the custom operator {custom.group(1)!r}, which LiteRT does not have",
            remedy="convert the model without it",
        )
    return RunnerError(f"LiteRT refused the file: {one_line(error)}", remedy="see the log; make the file anew")
