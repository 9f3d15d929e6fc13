"""The graph inside an XNNPACK delegate of a .pte: a header, a flatbuffer, and constants beside it or keyed by name."""

from __future__ import annotations

import struct
from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from converters.contents.flatbuffer import Decoded, Schema, decode
from converters.contents.graph import Node
from converters.contents.pte_kernels import Part
from converters.contents.stored import Stored, Use, Weights
from converters.contents.values import elements, is_weight_like, saturated_in, values_of
from harness.errors import ConversionError

# XNNPACK's types; qc: scales per channel, qb: per block, qd: quantized at run time, p: packed.
DTYPES = {
    "fp32": "float32",
    "pfp32": "float32",
    "fp16": "float16",
    "bf16": "bfloat16",
    "qint8": "int8",
    "qcint8": "int8",
    "qdint8": "int8",
    "qpint8": "int8",
    "quint8": "uint8",
    "qcint4": "int4",
    "qbint4": "int4",
    "qint32": "int32",
    "qcint32": "int32",
    "int32": "int32",
}
# 4-bit weights are stored as 0..15 around 8, and 8 reads as -8 when the same bits are taken as signed.
_INT4_ZERO = -8
_INVALID_ID = 2**32 - 1
_NO_OFFSET = 2**64 - 1
_NOTHING: tuple[str, Decoded] = ("", {})
_CONVOLUTIONS = {"XNNConv2d", "XNNDepthwiseConv2d", "XNNConvTranspose2d"}


class _Scope(NamedTuple):
    """The graph, its values by id, its constants' bytes, and the program's keyed data."""

    schema: Schema
    values: dict[int, Decoded]
    constants: list[Decoded]
    beside: memoryview
    named: dict[str, memoryview]


def read(schema: Schema, payload: memoryview, named: dict[str, memoryview], weights: Weights) -> Part:
    """Raises ValueError when the payload is damaged, ConversionError when its weights lie in another file."""
    flatbuffer, beside = _cut(payload)
    root = decode(schema, flatbuffer, "XNNGraph")
    values = dict(_values(root))
    scope = _Scope(schema, values, root["constant_data"] or [], beside, named)
    nodes = [_node(scope, node, weights) for node in root["xnodes"] or []]
    inner = [value for value in values.values() if not value["constant_buffer_idx"] and not value["flags"]]
    return Part(nodes, Counter(_dtype(scope, value) for value in inner))


def _cut(payload: memoryview) -> tuple[memoryview, memoryview]:
    """(flatbuffer, constants) by the payload's header."""
    if bytes(payload[4:8]) != b"XH00" or len(payload) < 30:
        raise ValueError("an XNNPACK delegate in it does not start with the header XH00")
    offset, size, constants, constants_size = struct.unpack_from("<IIIQ", payload, 10)
    if offset + size > len(payload) or constants + constants_size > len(payload):
        raise ValueError(f"an XNNPACK delegate in it runs past its {len(payload)} bytes")
    flatbuffer = payload[offset : offset + size]
    if bytes(flatbuffer[4:6]) != b"XN":
        raise ValueError("an XNNPACK delegate in it holds no XNNPACK graph")
    return flatbuffer, payload[constants : constants + constants_size]


def _values(root: Decoded) -> Any:
    """(id, fields of the tensor, with `quantization` where it has any)."""
    for entry in root["xvalues"] or []:
        kind, value = entry["xvalue_union"] or _NOTHING
        if kind == "XNNQuantizedTensorValue":
            value = {**value["tensor_value"], "quantization": value["quant_params"]}
        if value:
            yield value["id_out"], value


def _dtype(scope: _Scope, value: Decoded) -> str:
    name = scope.schema.member("XNNDatatype", value["datatype"]).removeprefix("xnn_datatype_")
    return DTYPES.get(name, name)


def _shape(value: Decoded) -> tuple[int, ...]:
    return () if value["dims"] is None else tuple(int(size) for size in value["dims"])


def _value(scope: _Scope, fields: Decoded, name: str) -> Decoded | None:
    number = fields.get(name, _INVALID_ID)
    if number == _INVALID_ID:
        return None
    if number not in scope.values:
        raise ValueError(f"value {number} of an XNNPACK delegate is not there")
    return scope.values[number]


def _node(scope: _Scope, node: Decoded, weights: Weights) -> Node:
    if node["xnode_union"] is None:
        raise ValueError("a node of an XNNPACK delegate is empty")
    name, fields = node["xnode_union"]
    macs = _macs(scope, name, fields)
    for field in fields:
        value = _value(scope, fields, field) if field.endswith("_id") and field != "output_id" else None
        if value is None or not value["constant_buffer_idx"]:
            continue
        shape, dtype = _shape(value), _dtype(scope, value)
        if field == "filter_id":
            use = Use(name, macs, _saturated(scope, _value(scope, fields, "bias_id")))
        elif field != "bias_id" and is_weight_like(shape, dtype):
            use = Use(name, macs if name == "XNNBatchMatrixMultiply" else 0)
        else:
            continue
        key, raw = _raw(scope, value)
        label = f"XNNPACK value {value['id_out']}"
        weights.add(key, Stored(label, shape, dtype, raw, _zero_point(value, dtype)), use)
    return Node(operator=name, macs=macs, fused_activation=_is_fused(name, node["output_min_max"]), delegated=True)


def _zero_point(value: Decoded, dtype: str) -> int:
    if dtype == "int4":
        return _INT4_ZERO
    kind, quantization = value.get("quantization") or _NOTHING
    return int(quantization["zero_point"]) if kind == "PerTensorQuant" else 0


def _raw(scope: _Scope, value: Decoded) -> tuple[object, memoryview]:
    """(what it is to be counted once by, the bytes of a constant)."""
    index = value["constant_buffer_idx"]
    if index >= len(scope.constants):
        raise ValueError(f"constant {index} of an XNNPACK delegate is not there")
    place = scope.constants[index]
    key = place["named_key"]
    if key:
        if key not in scope.named:
            raise ConversionError(
                "the weights of an XNNPACK delegate are kept in another file",
                remedy="lower the model again without external constants (.ptd)",
            )
        return ("named", key), scope.named[key][: place["size"]]
    offset = place["offset"]
    if offset == _NO_OFFSET or offset + place["size"] > len(scope.beside):
        raise ValueError(f"constant {index} of an XNNPACK delegate runs past its data")
    return ("beside", id(scope.beside), offset), scope.beside[offset : offset + place["size"]]


def _saturated(scope: _Scope, bias: Decoded | None) -> int:
    if bias is None or not bias["constant_buffer_idx"] or _dtype(scope, bias) != "int32":
        return 0
    return saturated_in(values_of(_raw(scope, bias)[1], "int32", elements(_shape(bias))))


def _macs(scope: _Scope, name: str, fields: Decoded) -> int:
    """Multiply-adds: what an output element sums over, times the output's elements."""
    output = _value(scope, fields, "output_id")
    if output is None:
        return 0
    if name in _CONVOLUTIONS:
        kernel = fields["kernel_height"] * fields["kernel_width"]
        if name == "XNNConvTranspose2d":
            source = _value(scope, fields, "input1_id")
            return elements(_shape(source)) * kernel * fields["group_output_channels"] if source else 0
        return elements(_shape(output)) * int(kernel) * int(fields["group_input_channels"])
    if name in ("XNNFullyConnected", "XNNBatchMatrixMultiply"):
        source = _value(scope, fields, "input1_id")
        return elements(_shape(output)) * _shape(source)[-1] if source else 0
    if name == "XNNScaledDotProductAttention":
        query, key = _value(scope, fields, "query_id"), _value(scope, fields, "key_id")
        if query and key:
            tokens = _shape(key)[-2]
            return (elements(_shape(query)) + elements(_shape(output))) * tokens
    return 0


def _is_fused(name: str, bounds: Decoded | None) -> bool:
    """A node clamps its own output when a bound is finite; a clamp that is a node of its own is not fused."""
    if bounds is None or name == "XNNClamp":
        return False
    return bool(np.isfinite([bounds["output_min"], bounds["output_max"]]).any())
