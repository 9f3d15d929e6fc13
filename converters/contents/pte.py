"""What a .pte holds: its program, the kernels it calls, and the graphs inside its XNNPACK delegates.

Nothing of executorch is imported (that costs five CPU seconds); the schemas that its wheel ships are read as text.
"""

from __future__ import annotations

import functools
import importlib.util
import struct
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from converters.contents import pte_kernels, xnnpack
from converters.contents.flatbuffer import Decoded, Schema, decode, parse
from converters.contents.graph import Graph, Node
from converters.contents.stored import Weights
from harness.errors import ConversionError
from harness.records import TensorSpec

# The words of torch.ScalarType as numpy and the report say them.
DTYPES = {
    "BYTE": "uint8",
    "CHAR": "int8",
    "SHORT": "int16",
    "INT": "int32",
    "LONG": "int64",
    "HALF": "float16",
    "FLOAT": "float32",
    "DOUBLE": "float64",
    "BOOL": "bool",
    "BFLOAT16": "bfloat16",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
}
# The dtype by which a scalar input or output is told to the runner.
_SCALAR_VALUES = {"Int": "int64", "Bool": "bool", "Double": "float64", "String": "str"}
_XNNPACK = "XnnpackBackend"


class Program(NamedTuple):
    """A decoded program and the segments behind it. named: the keyed pieces of data that delegates share."""

    schema: Schema
    root: Decoded
    segments: tuple[memoryview, ...]
    named: dict[str, memoryview]

    def dtype(self, tensor: Decoded) -> str:
        name = self.schema.member("ScalarType", tensor["scalar_type"])
        return DTYPES.get(name, name.lower())


def read(data: memoryview) -> Graph:
    """Raises ValueError or IndexError when the file is damaged, ConversionError when it needs another file."""
    program = open_program(data)
    nodes: list[Node] = []
    weights, activations, delegates = Weights(), Counter[str](), Counter[str]()
    unopened: dict[object, int] = {}
    for plan in program.root["execution_plan"] or []:
        kernels = pte_kernels.read(program, plan, weights)
        nodes += kernels.nodes
        activations.update(kernels.activations)
        for delegate in plan["delegates"] or []:
            delegates[delegate["id"]] += 1
            payload, key = _payload(program, delegate)
            if delegate["id"] != _XNNPACK:
                unopened[key] = len(payload)
                continue
            inner = xnnpack.read(xnnpack_schema(), payload, program.named, weights)
            nodes += inner.nodes
            activations.update(inner.activations)
    main = _main_plan(program)
    return Graph(
        format="pte",
        nodes=tuple(nodes),
        weights=weights.tensors(),
        regions=weights.regions(data),
        activation_dtypes=dict(sorted(activations.items())),
        inputs=tuple(_spec(program, main, index, f"input_{i}") for i, index in enumerate(_list(main["inputs"]))),
        outputs=tuple(_spec(program, main, index, f"output_{i}") for i, index in enumerate(_list(main["outputs"]))),
        delegates=dict(sorted(delegates.items())),
        custom_operators=tuple(sorted({node.operator for node in nodes if _is_custom(node)})),
        unopened_bytes=sum(unopened.values()),
    )


def open_program(data: memoryview) -> Program:
    """Decode the program flatbuffer and cut out the segments that follow it (format: the extended header)."""
    flatbuffer, base = _extended_header(data)
    schema = program_schema()
    root = decode(schema, flatbuffer, "Program")
    if not root["execution_plan"]:
        raise ValueError("it holds no method")
    segments = tuple(
        _piece(data, base + segment["offset"], segment["size"], f"segment {number}")
        for number, segment in enumerate(root["segments"] or [])
    )
    named = {entry["key"]: segments[entry["segment_index"]] for entry in root["named_data"] or []}
    return Program(schema, root, segments, named)


def _extended_header(data: memoryview) -> tuple[memoryview, int]:
    """(the flatbuffer, where segments start). Files from before the header existed are one flatbuffer."""
    if bytes(data[8:12]) != b"eh00":
        return data, len(data)
    if len(data) < 32:
        raise ValueError(f"its header is cut off: the file has {len(data)} bytes")
    length, size, base = struct.unpack_from("<IQQ", data, 12)
    following = struct.unpack_from("<Q", data, 32)[0] if length >= 32 and len(data) >= 40 else 0
    _piece(data, base, following, "the data behind its program")
    return _piece(data, 0, size, "its program"), base


def _piece(data: memoryview, start: int, size: int, what: str) -> memoryview:
    if start + size > len(data):
        raise ValueError(f"{what} ends at byte {start + size}, the file has {len(data)} bytes")
    return data[start : start + size]


def _payload(program: Program, delegate: Decoded) -> tuple[memoryview, object]:
    """A delegate's own bytes, and what they are to be counted once by."""
    reference = delegate["processed"]
    if reference["location"] == program.schema.enums["DataLocation"]["SEGMENT"]:
        return program.segments[reference["index"]], ("segment", reference["index"])
    inline = program.root["backend_delegate_data"][reference["index"]]["data"]
    return memoryview(inline), ("inline", reference["index"])


def _main_plan(program: Program) -> Decoded:
    """`forward`, or the first method that does anything: constant methods have no instructions."""
    plans: list[Decoded] = program.root["execution_plan"]
    working = [plan for plan in plans if any(chain["instructions"] for chain in plan["chains"] or [])]
    forward = [plan for plan in plans if plan["name"] == "forward"]
    return (forward or working or plans)[0]


def _spec(program: Program, plan: Decoded, index: int, name: str) -> TensorSpec:
    """A .pte has no names for its inputs and outputs, so they are numbered."""
    kind, value = pte_kernels.value_at(plan, index)
    if kind == "Tensor":
        shape = tuple(int(size) for size in _list(value["sizes"]))
        return TensorSpec(name=name, shape=shape, dtype=program.dtype(value))
    return TensorSpec(name=name, shape=(), dtype=_SCALAR_VALUES.get(kind, kind.lower()))


def _is_custom(node: Node) -> bool:
    """Kernels outside the namespaces that the runtime's own libraries register."""
    namespace, separator, _ = node.operator.partition("::")
    return bool(separator) and namespace not in {"aten", "dim_order_ops", "executorch_prim", "quantized_decomposed"}


def _list(vector: Any) -> Any:
    return [] if vector is None else vector


@functools.cache
def program_schema() -> Schema:
    folder = _executorch() / "exir" / "_serialize"
    return parse((folder / "program.fbs").read_text(), (folder / "scalar_type.fbs").read_text())


@functools.cache
def xnnpack_schema() -> Schema:
    return parse((_executorch() / "backends" / "xnnpack" / "serialization" / "schema.fbs").read_text())


def _executorch() -> Path:
    """Where the installed executorch lies, without importing it."""
    found = importlib.util.find_spec("executorch")
    if found is None or not found.submodule_search_locations:
        raise ConversionError(
            "a .pte can only be looked into where executorch is installed",
            remedy="pip install 'pocketbench[executorch]'",
        )
    return Path(next(iter(found.submodule_search_locations)))
