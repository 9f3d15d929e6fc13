"""What a .tflite holds, from its flatbuffer alone; nothing is loaded or run here.

The schema is the one that ships in ai_edge_litert. Reading it imports that package (0.1 s), so this module is
imported only where a file is looked into.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from converters.contents.graph import Graph, Node
from converters.contents.stored import Stored, Use, Weights
from converters.contents.tflite_macs import RULES, macs_of
from converters.contents.tflite_scope import (
    BEHIND,
    OPERATORS,
    Scope,
    constant_behind,
    dtype_of,
    listed,
    operator_of,
    raw_of,
    scope_of,
    shape_of,
    tensor_at,
    text_of,
)
from converters.contents.values import elements, is_weight_like, saturated_in, values_of
from harness.records import TensorSpec


def read(data: memoryview) -> Graph:
    """Raises ValueError, struct.error, IndexError, TypeError or the like when the file is damaged."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    if not model.subgraphs or not listed(model.buffers):
        raise ValueError("it holds no graph")
    _check_buffers(data, model)
    weights, nodes, activations = Weights(), [], Counter[str]()
    scopes = [scope_of(data, model, graph) for graph in model.subgraphs]
    for scope in scopes:
        nodes += [_node(scope, op, weights) for op in listed(scope.graph.operators)]
        activations.update(_activations(scope))
    main = scopes[0]
    return Graph(
        format="tflite",
        nodes=tuple(nodes),
        weights=weights.tensors(),
        regions=weights.regions(data),
        activation_dtypes=dict(sorted(activations.items())),
        inputs=tuple(_spec(main, int(index)) for index in listed(main.graph.inputs)),
        outputs=tuple(_spec(main, int(index)) for index in listed(main.graph.outputs)),
        custom_operators=tuple(sorted(_custom(scopes))),
        main_nodes=len(listed(main.graph.operators)),
    )


def _check_buffers(data: memoryview, model: Any) -> None:
    """Large models keep buffers behind the flatbuffer; they must lie inside the file."""
    for number, buffer in enumerate(model.buffers):
        if buffer.offset > 1 and buffer.offset + buffer.size > len(data):
            raise ValueError(
                f"buffer {number} ends at byte {buffer.offset + buffer.size}, the file has {len(data)} bytes"
            )


def _node(scope: Scope, op: Any, weights: Weights) -> Node:
    name = operator_of(scope, op)
    inputs = [int(index) for index in listed(op.inputs)]
    macs = macs_of(scope, op, name)
    rule = RULES.get(name)
    for place, index in enumerate(inputs):
        constant = constant_behind(scope, index)
        if constant is None or name in BEHIND:
            continue
        stored = _stored(scope, constant)
        if rule is not None and place == 1:
            use = Use(name, macs, _saturated(scope, inputs, rule.bias))
        elif is_weight_like(stored.shape, stored.dtype):
            use = Use(name, macs if name == "BATCH_MATMUL" else 0)
        else:
            continue
        weights.add(_key(scope, constant), stored, use)
    activation = getattr(op.builtinOptions, "fusedActivationFunction", 0)
    return Node(operator=name, macs=macs, fused_activation=bool(activation))


def _key(scope: Scope, index: int) -> int:
    return int(tensor_at(scope, index).buffer)


def _stored(scope: Scope, index: int) -> Stored:
    tensor, raw = tensor_at(scope, index), raw_of(scope, index)
    assert raw is not None
    return Stored(
        name=text_of(tensor.name),
        shape=shape_of(scope, index),
        dtype=dtype_of(tensor),
        raw=raw,
        zero_point=_zero_point(tensor, len(shape_of(scope, index))),
        sparse=tensor.sparsity is not None,
        index_bytes=_index_bytes(tensor.sparsity),
        places=None if tensor.sparsity is None else _places(tensor.sparsity, shape_of(scope, index)),
    )


def _zero_point(tensor: Any, rank: int) -> Any:
    """The code that stands for 0: one number, or one per channel shaped to broadcast."""
    points = None if tensor.quantization is None else tensor.quantization.zeroPoint
    if points is None or not np.any(points):
        return 0
    if len(points) == 1:
        return int(points[0])
    shape = [1] * rank
    shape[tensor.quantization.quantizedDimension] = len(points)
    return np.asarray(points, np.int64).reshape(shape)


def _index_bytes(sparsity: Any) -> int:
    """Bytes that say where the values of a sparse tensor belong."""
    vectors = []
    for dimension in [] if sparsity is None else listed(sparsity.dimMetadata):
        vectors += [dimension.arraySegments, dimension.arrayIndices]
    return sum(np.asarray(vector.values).nbytes for vector in vectors if vector is not None)


def _places(sparsity: Any, shape: tuple[int, ...]) -> Any:
    """Where the stored values belong, flat, in a tensor whose rows alone are compressed; None for other layouts."""
    *rows, last = listed(sparsity.dimMetadata) or [None]
    plain = len(rows) == len(shape) - 1 and not len(listed(sparsity.blockMap)) and not any(one.format for one in rows)
    if last is None or not last.format or not plain or list(listed(sparsity.traversalOrder)) != list(range(len(shape))):
        return None
    starts, columns = (np.asarray(vector.values, np.int64) for vector in (last.arraySegments, last.arrayIndices))
    return np.repeat(np.arange(len(starts) - 1), np.diff(starts)) * shape[-1] + columns


def _saturated(scope: Scope, inputs: list[int], place: int) -> int:
    if len(inputs) <= place or inputs[place] < 0:
        return 0
    raw, dtype = raw_of(scope, inputs[place]), dtype_of(tensor_at(scope, inputs[place]))
    if raw is None or dtype not in ("int32", "int64"):
        return 0
    return saturated_in(values_of(raw, dtype, elements(shape_of(scope, inputs[place]))))


def _activations(scope: Scope) -> Iterator[str]:
    """The dtype of every tensor that is computed or fed in."""
    used = {int(index) for op in listed(scope.graph.operators) for index in listed(op.outputs)}
    used |= {int(index) for index in listed(scope.graph.inputs)}
    for index in sorted(used):
        if constant_behind(scope, index) is None:
            yield dtype_of(tensor_at(scope, index))


def _spec(scope: Scope, index: int) -> TensorSpec:
    tensor = tensor_at(scope, index)
    signature = tensor.shapeSignature
    quantization = tensor.quantization
    scales = [] if quantization is None else listed(quantization.scale)
    points = [] if quantization is None else listed(quantization.zeroPoint)
    return TensorSpec(
        name=text_of(tensor.name),
        shape=shape_of(scope, index) if signature is None else tuple(int(size) for size in signature),
        dtype=dtype_of(tensor),
        scale=float(scales[0]) if len(scales) == 1 else None,
        zero_point=int(points[0]) if len(points) == 1 and len(scales) == 1 else None,
    )


def _custom(scopes: list[Scope]) -> set[str]:
    return {
        operator_of(scope, op)
        for scope in scopes
        for op in listed(scope.graph.operators)
        if operator_of(scope, op) not in OPERATORS.values()
    }
