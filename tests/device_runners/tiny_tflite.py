"""Real .tflite files of one operator each, written straight into the format: no converter, no waiting."""

from __future__ import annotations

from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

IN, OUT = 8, 4
WEIGHT = np.linspace(-1, 1, IN * OUT, dtype=np.float32).reshape(OUT, IN)
BIAS = np.array([0.5, -0.5, 0.25, 0.0], np.float32)
INPUT_SCALE, WEIGHT_SCALE, OUTPUT_SCALE = 0.02, 1 / 127, 0.05
OUTPUT_ZERO = 3
_TYPES = {"float32": schema.TensorType.FLOAT32, "int8": schema.TensorType.INT8, "int32": schema.TensorType.INT32}


class _Graph:
    """One subgraph with one operator."""

    def __init__(self) -> None:
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.buffers = [schema.BufferT()]
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.inputs, self.graph.outputs, self.graph.operators = [], [], [], []
        self.model.subgraphs = [self.graph]

    def tensor(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: str = "float32",
        *,
        data: np.ndarray | None = None,
        scale: float | None = None,
        zero: int = 0,
        signature: tuple[int, ...] | None = None,
    ) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, list(shape), _TYPES[dtype], 0
        tensor.shapeSignature = list(signature) if signature else None
        if scale is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [zero]
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = list(data.tobytes())
            self.model.buffers.append(buffer)
            tensor.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def operator(
        self, builtin: str, inputs: list[int], outputs: list[int], options: object = None, *, version: int = 1
    ) -> None:
        code = schema.OperatorCodeT()
        code.version = version
        if builtin.isupper():
            code.builtinCode = getattr(schema.BuiltinOperator, builtin)
            code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        else:
            code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
            code.customCode = builtin
        operator = schema.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = 0, inputs, outputs
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            operator.builtinOptions = options
        self.model.operatorCodes = [code]
        self.graph.operators = [operator]

    def save(self, path: Path, inputs: list[int], outputs: list[int]) -> Path:
        self.graph.inputs, self.graph.outputs = inputs, outputs
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        path.write_bytes(bytes(builder.Output()))
        return path


def dense(path: Path, *, dynamic: bool = False) -> Path:
    """float32 [1, 8] (or [-1, 8]) -> [1, 4]: x @ WEIGHT.T + BIAS."""
    graph = _Graph()
    x = graph.tensor("x", (1, IN), signature=(-1, IN) if dynamic else None)
    w, b = graph.tensor("w", (OUT, IN), data=WEIGHT), graph.tensor("b", (OUT,), data=BIAS)
    y = graph.tensor("y", (1, OUT), signature=(-1, OUT) if dynamic else None)
    graph.operator("FULLY_CONNECTED", [x, w, b], [y], schema.FullyConnectedOptionsT())
    return graph.save(path, [x], [y])


def dense_of(path: Path, weight: np.ndarray) -> Path:
    """float32 [1, columns] -> [1, rows]: x @ weight.T, with a float32 weight [rows, columns]."""
    graph = _Graph()
    x, y = graph.tensor("x", (1, weight.shape[1])), graph.tensor("y", (1, weight.shape[0]))
    w = graph.tensor("w", weight.shape, data=weight)
    graph.operator("FULLY_CONNECTED", [x, w, -1], [y], schema.FullyConnectedOptionsT())
    return graph.save(path, [x], [y])


def dense_int8(path: Path) -> Path:
    """The same in int8 with quantized input and output."""
    graph = _Graph()
    bias_scale = INPUT_SCALE * WEIGHT_SCALE
    x = graph.tensor("x", (1, IN), "int8", scale=INPUT_SCALE)
    codes = np.rint(WEIGHT / WEIGHT_SCALE).astype(np.int8)
    w = graph.tensor("w", (OUT, IN), "int8", data=codes, scale=WEIGHT_SCALE)
    b = graph.tensor("b", (OUT,), "int32", data=np.rint(BIAS / bias_scale).astype(np.int32), scale=bias_scale)
    y = graph.tensor("y", (1, OUT), "int8", scale=OUTPUT_SCALE, zero=OUTPUT_ZERO)
    graph.operator("FULLY_CONNECTED", [x, w, b], [y], schema.FullyConnectedOptionsT())
    return graph.save(path, [x], [y])


def doubled_int32(path: Path) -> Path:
    """int32 [1, 3] -> x + x."""
    graph = _Graph()
    x, y = graph.tensor("x", (1, 3), "int32"), graph.tensor("y", (1, 3), "int32")
    graph.operator("ADD", [x, x], [y], schema.AddOptionsT())
    return graph.save(path, [x], [y])


def sum_of_two(path: Path) -> Path:
    """float32 [1, 4] and [1, 4] -> their sum."""
    graph = _Graph()
    a, b, y = (graph.tensor(name, (1, 4)) for name in "aby")
    graph.operator("ADD", [a, b], [y], schema.AddOptionsT())
    return graph.save(path, [a, b], [y])


def custom(path: Path) -> Path:
    """An operator that no runtime has."""
    graph = _Graph()
    x, y = graph.tensor("x", (1, 4)), graph.tensor("y", (1, 4))
    graph.operator("MagicFilter", [x], [y])
    return graph.save(path, [x], [y])


def hungry(path: Path, *, elements: int) -> Path:
    """float32 [1] -> [elements], all the same: 4 bytes of memory per element, and time to write them."""
    graph = _Graph()
    x = graph.tensor("x", (1,))
    shape = graph.tensor("shape", (1,), "int32", data=np.array([elements], np.int32))
    y = graph.tensor("y", (elements,))
    graph.operator("BROADCAST_TO", [x, shape], [y], version=2)
    return graph.save(path, [x], [y])
