"""One subgraph of a .tflite: its tensors, the operators that make them, and the constants behind them."""

from __future__ import annotations

from typing import Any, NamedTuple

from ai_edge_litert import schema_py_generated as schema

from harness.errors import ConversionError

_NAMES = {"BOOL": "bool", "STRING": "str"}
# What stands between a constant and the operator that reads it, and does not change what is stored.
BEHIND = {"DEQUANTIZE", "DENSIFY", "QUANTIZE", "RESHAPE", "TRANSPOSE"}


def _members(enum: type) -> dict[int, str]:
    return {value: name for name, value in vars(enum).items() if not name.startswith("_")}


_TYPES = _members(schema.TensorType)
OPERATORS = _members(schema.BuiltinOperator)


class Scope(NamedTuple):
    """One subgraph: where its operators look their tensors up."""

    data: memoryview
    model: Any
    graph: Any
    producers: dict[int, Any]


def scope_of(data: memoryview, model: Any, graph: Any) -> Scope:
    producers = {int(index): op for op in listed(graph.operators) for index in listed(op.outputs)}
    return Scope(data, model, graph, producers)


def listed(vector: Any) -> Any:
    return [] if vector is None else vector


def _at(items: Any, index: int, what: str) -> Any:
    """items[index], without Python's counting from the end."""
    if not 0 <= index < len(listed(items)):
        raise ValueError(f"{what} {index} is not there")
    return items[index]


def tensor_at(scope: Scope, index: int) -> Any:
    return _at(scope.graph.tensors, index, "tensor")


def shape_of(scope: Scope, index: int) -> tuple[int, ...]:
    return tuple(int(size) for size in listed(tensor_at(scope, index).shape))


def dtype_of(tensor: Any) -> str:
    name = _TYPES.get(tensor.type)
    if name is None:
        raise ValueError(f"tensor type {tensor.type} is unknown to the installed ai-edge-litert")
    return _NAMES.get(name, name.lower())


def text_of(name: bytes | str | None) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else name or ""


def operator_of(scope: Scope, op: Any) -> str:
    """The operator's name in the schema; a custom one under its own name."""
    code = _at(scope.model.operatorCodes, op.opcodeIndex, "operator code")
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    name = OPERATORS.get(number)
    if name is None:
        raise ValueError(f"operator code {number} is unknown to the installed ai-edge-litert")
    return text_of(code.customCode) or name if name == "CUSTOM" else name


def raw_of(scope: Scope, index: int) -> memoryview | None:
    """The bytes of a constant tensor, None for any other."""
    tensor = tensor_at(scope, index)
    if tensor.externalBuffer:
        raise ConversionError(
            f"tensor {text_of(tensor.name)!r} is kept in another file",
            remedy="convert the model again with its weights inside the .tflite",
        )
    buffer = _at(scope.model.buffers, tensor.buffer, "buffer")
    if buffer.offset > 1:
        return scope.data[buffer.offset : buffer.offset + buffer.size]
    if buffer.data is None or not len(buffer.data) or tensor.isVariable:
        return None
    return memoryview(buffer.data)


def constant_behind(scope: Scope, index: int) -> int | None:
    """The constant that a tensor is, or was made of by operators that only store it otherwise."""
    for _ in range(len(scope.producers) + 1):
        if index < 0 or raw_of(scope, index) is not None:
            return index if index >= 0 else None
        producer = scope.producers.get(index)
        if producer is None or operator_of(scope, producer) not in BEHIND or not len(listed(producer.inputs)):
            return None
        index = int(producer.inputs[0])
    raise ValueError("its operators form a circle")
