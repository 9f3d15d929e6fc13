"""Zeros of a .tflite's weights left out of the file: TFLite's sparse tensors, unpacked again when the file is loaded.

Each row is stored as its non-zeros and their places (CSR), and a DENSIFY operator makes the dense tensor that the layer
reads. That is what is smaller where a file lies unzipped, as in most apps, which map it into memory: 0.31 of the bytes
for a float network with 80 % zeros. It buys neither time nor memory, both of which go to the dense copy, and a zip of
the dense file is about as small. For child processes only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

_TYPES: dict[str, np.dtype[Any]] = {"FLOAT32": np.dtype(np.float32), "INT8": np.dtype(np.int8)}
_TABLES = 400  # bytes of one more tensor, operator and description
# XNNPACK refuses an int8 FULLY_CONNECTED behind DENSIFY: the file would not load.
_READERS = {"CONV_2D": ("FLOAT32", "INT8"), "FULLY_CONNECTED": ("FLOAT32",)}


def encode(path: Path) -> tuple[int, list[str]]:
    """Rewrite the file, its weights sparse wherever that is smaller; how many tensors, and why others stay dense."""
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(str(path))
    encoder = _Encoder(model)
    for graph in model.subgraphs:
        encoder.encode(graph)
    if encoder.count:
        flatbuffer_utils.write_model(model, str(path))
    return encoder.count, sorted(encoder.reasons)


class _Encoder:
    def __init__(self, model: Any) -> None:
        self.count = 0
        self.reasons: set[str] = set()
        self._model = model
        self._opcode: int | None = None

    def encode(self, graph: Any) -> None:
        from ai_edge_litert.tools import flatbuffer_utils

        operators, unpacked = [], set()
        for operator in graph.operators:
            name = flatbuffer_utils.opcode_to_name(self._model, operator.opcodeIndex)
            if name in _READERS and int(operator.inputs[1]) not in unpacked:
                weight = graph.tensors[operator.inputs[1]]
                values = self._worthwhile(weight, name)
                if values is not None:
                    unpacked.add(int(operator.inputs[1]))
                    operators.append(self._unpacking(graph, int(operator.inputs[1]), values))
            operators.append(operator)
        graph.operators = operators

    def _worthwhile(self, weight: Any, reader: str) -> np.ndarray[Any, Any] | None:
        from ai_edge_litert.tools import flatbuffer_utils

        kind = flatbuffer_utils.type_to_name(weight.type)
        data = self._model.buffers[weight.buffer].data
        if kind not in _TYPES or data is None or not len(data) or weight.sparsity is not None:
            return None
        shape = [int(size) for size in weight.shape]
        values: np.ndarray[Any, Any] = np.frombuffer(bytes(data), _TYPES[kind]).reshape(shape)
        if _bytes_as_rows(values) >= values.nbytes:
            return None
        if kind not in _READERS[reader]:
            self.reasons.add("int8 dense layers stay dense: the runtime does not load them from sparse storage")
            return None
        if self._readers_of(weight.buffer) != 1:
            self.reasons.add("weights that several tensors share stay dense")
            return None
        return values

    def _readers_of(self, buffer: int) -> int:
        return sum(tensor.buffer == buffer for graph in self._model.subgraphs for tensor in graph.tensors)

    def _unpacking(self, graph: Any, index: int, values: np.ndarray[Any, Any]) -> Any:
        """The dense tensor becomes the output of DENSIFY over a new sparse one; that operator."""
        from ai_edge_litert import schema_py_generated as schema

        dense, sparse = graph.tensors[index], schema.TensorT()
        sparse.sparsity, stored = _rows(values)
        sparse.shape, sparse.type, sparse.quantization = dense.shape, dense.type, dense.quantization
        sparse.name, sparse.hasRank, sparse.buffer = (dense.name or b"") + b"_sparse", True, dense.buffer
        self._model.buffers[dense.buffer].data = np.frombuffer(stored, np.uint8)
        dense.buffer = 0
        graph.tensors.append(sparse)
        operator = schema.OperatorT()
        operator.opcodeIndex, operator.builtinOptionsType = self._densify(), 0
        operator.inputs = np.array([len(graph.tensors) - 1], np.int32)
        operator.outputs = np.array([index], np.int32)
        self.count += 1
        return operator

    def _densify(self) -> int:
        from ai_edge_litert import schema_py_generated as schema

        if self._opcode is None:
            code = schema.OperatorCodeT()
            code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DENSIFY
            code.version = 1
            self._opcode = len(self._model.operatorCodes)
            self._model.operatorCodes.append(code)
        return self._opcode


def _rows(values: np.ndarray[Any, Any]) -> tuple[Any, bytes]:
    """SparsityParameters with the last axis compressed, and the non-zeros that are stored."""
    from ai_edge_litert import schema_py_generated as schema

    flat = values.reshape(-1, values.shape[-1])
    rows, places = np.nonzero(flat)
    starts = np.concatenate([[0], np.cumsum((flat != 0).sum(1))])
    dimensions = []
    for size in values.shape[:-1]:
        dimension = schema.DimensionMetadataT()
        dimension.format, dimension.denseSize = schema.DimensionType.DENSE, int(size)
        dimensions.append(dimension)
    last = schema.DimensionMetadataT()
    last.format = schema.DimensionType.SPARSE_CSR
    last.arraySegmentsType, last.arraySegments = _indices(starts)
    last.arrayIndicesType, last.arrayIndices = _indices(places)
    parameters = schema.SparsityParametersT()
    parameters.traversalOrder = np.arange(values.ndim, dtype=np.int32)
    parameters.blockMap, parameters.dimMetadata = None, [*dimensions, last]
    return parameters, flat[rows, places].tobytes()


def _indices(numbers: np.ndarray[Any, Any]) -> tuple[int, Any]:
    """The narrowest of the format's index types, as the tag of its union and its table."""
    from ai_edge_litert import schema_py_generated as schema

    dtype = _index_type(numbers.max(initial=0))
    name = {1: "Uint8Vector", 2: "Uint16Vector", 4: "Int32Vector"}[dtype.itemsize]
    table = getattr(schema, f"{name}T")()
    table.values = numbers.astype(dtype)
    return getattr(schema.SparseIndexVector, name), table


def _index_type(largest: int) -> np.dtype[Any]:
    return np.dtype(np.uint8 if largest < 2**8 else np.uint16 if largest < 2**16 else np.int32)


def _bytes_as_rows(values: np.ndarray[Any, Any]) -> int:
    """What the sparse form takes, tables included."""
    live, rows = int((values != 0).sum()), values.size // max(1, values.shape[-1])
    index = _index_type(values.shape[-1]).itemsize
    return int(live * (values.itemsize + index) + (rows + 1) * _index_type(live).itemsize + _TABLES)
