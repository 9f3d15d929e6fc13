"""A bounds-checked flatbuffer reader driven by the schema text (`.fbs`) that a runtime ships with itself.

Reading an ExecuTorch program through its own Python package costs about five CPU seconds of imports and offers no
access to the graphs inside a delegate. The format is simple (https://flatbuffers.dev/internals/): a table is
a position, a vtable of field offsets, and fields that hold scalars or forward offsets. This module decodes
a whole buffer into plain dicts, and never outside of it: a damaged file ends in ValueError, not in a crash or
a hang, because every offset is checked and no buffer may hold more tables than it has bytes.
"""

from __future__ import annotations

import re
import struct
from typing import Any

import numpy as np

from harness.records import Record

# A decoded table: field name -> scalar, str, numpy array (vector of scalars), list, Decoded, or None when absent.
# A union is a pair (name of its member, Decoded).
Decoded = dict[str, Any]

_SCALARS = {
    "bool": "<?",
    "byte": "<b",
    "ubyte": "<B",
    "short": "<h",
    "ushort": "<H",
    "int": "<i",
    "uint": "<I",
    "long": "<q",
    "ulong": "<Q",
    "float": "<f",
    "double": "<d",
    "int8": "<b",
    "uint8": "<B",
    "int16": "<h",
    "uint16": "<H",
    "int32": "<i",
    "uint32": "<I",
    "int64": "<q",
    "uint64": "<Q",
    "float32": "<f",
    "float64": "<d",
}
_BLOCK = re.compile(r"\b(table|enum|union)\s+(\w+)\s*(?::\s*(\w+))?\s*\{([^}]*)\}")
_FIELD = re.compile(r"(\w+)\s*:\s*(\[?)\s*(\w+)\s*\]?\s*(?:=\s*([\w.+-]+))?\s*(?:\([^)]*\))?\s*;")


class Field(Record, frozen=True, kw_only=True):
    """One field of a table: its slot in the vtable, the type's name, and its default as written."""

    slot: int
    type: str
    vector: bool
    default: str


class Schema(Record, frozen=True, kw_only=True):
    """enums: name -> {member: value}; enum_types: name -> scalar; unions: name -> [(member, table)] by tag - 1."""

    tables: dict[str, dict[str, Field]]
    enums: dict[str, dict[str, int]]
    enum_types: dict[str, str]
    unions: dict[str, list[tuple[str, str]]]

    def member(self, enum: str, value: int) -> str:
        """The name of an enum's value; ValueError when the schema does not know it."""
        for name, known in self.enums[enum].items():
            if known == value:
                return name
        raise ValueError(f"{value} is no known {enum}")


def parse(*texts: str) -> Schema:
    """Read schema texts (a file and what it includes); deprecated fields stay, for old files have them."""
    text = re.sub(r"//[^\n]*", "", "\n".join(texts))
    tables, enums, enum_types = {}, {}, {}
    unions: dict[str, list[tuple[str, str]]] = {}
    blocks = _BLOCK.findall(text)
    for kind, name, scalar, body in blocks:
        if kind == "enum":
            enums[name], enum_types[name] = _enum(body), scalar
        elif kind == "union":
            pairs = [member.partition(":") for member in body.split(",") if member.strip()]
            unions[name] = [(left.strip(), right.strip() or left.strip()) for left, _, right in pairs]
    for kind, name, _, body in blocks:
        if kind == "table":
            tables[name] = _fields(body, unions)
    return Schema(tables=tables, enums=enums, enum_types=enum_types, unions=unions)


def _enum(body: str) -> dict[str, int]:
    members: dict[str, int] = {}
    following = 0
    for part in body.split(","):
        name, _, value = part.partition("=")
        if name.strip():
            members[name.strip()] = following = int(value) if value.strip() else following
            following += 1
    return members


def _fields(body: str, unions: dict[str, list[tuple[str, str]]]) -> dict[str, Field]:
    fields, slot = {}, 0
    for name, bracket, kind, default in _FIELD.findall(body):
        slot += kind in unions  # a union's tag has a slot of its own, before the value's
        fields[name] = Field(slot=slot, type=kind, vector=bool(bracket), default=default)
        slot += 1
    return fields


def decode(schema: Schema, data: memoryview, root: str) -> Decoded:
    """The root table of `data` as nested dicts; scalar vectors are numpy views of it, nothing is copied.

    Raises ValueError when the buffer is damaged.
    """
    reader = _Reader(schema, data)
    return reader.table(root, reader.forward(0))


class _Reader:
    """The buffer, and how many tables may still be read from it (shared tables could otherwise multiply)."""

    def __init__(self, schema: Schema, data: memoryview) -> None:
        self.schema = schema
        self.data = data
        self.budget = len(data)

    def scalar(self, code: str, position: int) -> Any:
        if position < 0 or position + struct.calcsize(code) > len(self.data):
            raise ValueError(f"an offset leads to byte {position} of {len(self.data)}")
        return struct.unpack_from(code, self.data, position)[0]

    def forward(self, position: int) -> int:
        offset = int(self.scalar("<I", position))
        return position + offset

    def table(self, name: str, position: int) -> Decoded:
        self.budget -= 1
        if self.budget < 0:
            raise ValueError("it holds more tables than bytes")
        vtable = position - int(self.scalar("<i", position))
        size = int(self.scalar("<H", vtable))
        return {key: self.field(field, position, vtable, size) for key, field in self.schema.tables[name].items()}

    def place(self, slot: int, position: int, vtable: int, size: int) -> int:
        """Where a field lies; 0 when it is absent."""
        entry = 4 + 2 * slot
        offset = int(self.scalar("<H", vtable + entry)) if entry + 2 <= size else 0
        return position + offset if offset else 0

    def field(self, field: Field, position: int, vtable: int, size: int) -> Any:
        at = self.place(field.slot, position, vtable, size)
        if field.type in self.schema.unions:
            tag_at = self.place(field.slot - 1, position, vtable, size)
            return self.union(field.type, tag_at, at)
        if field.vector:
            return self.vector(field.type, self.forward(at)) if at else None
        if field.type == "string":
            return self.string(self.forward(at)) if at else None
        scalar = self.schema.enum_types.get(field.type, field.type)
        if scalar in _SCALARS:
            return self.scalar(_SCALARS[scalar], at) if at else self.default(field)
        return self.table(field.type, self.forward(at)) if at else None

    def default(self, field: Field) -> Any:
        if field.type in self.schema.enums:
            return self.schema.enums[field.type].get(field.default, 0)
        if field.type == "bool":
            return field.default == "true"
        return float(field.default or 0) if field.type in ("float", "double") else int(field.default or 0)

    def union(self, name: str, tag_at: int, at: int) -> tuple[str, Decoded] | None:
        tag = int(self.scalar("<B", tag_at)) if tag_at else 0
        if tag == 0 or not at:
            return None
        members = self.schema.unions[name]
        if tag > len(members):
            raise ValueError(f"{tag} is no known {name}")
        member, table = members[tag - 1]
        return member, self.table(table, self.forward(at))

    def length(self, position: int, item_bytes: int) -> int:
        count = int(self.scalar("<I", position))
        if position + 4 + count * item_bytes > len(self.data):
            raise ValueError(f"a list of {count} items at byte {position} runs past the end ({len(self.data)} bytes)")
        return count

    def string(self, position: int) -> str:
        count = self.length(position, 1)
        return bytes(self.data[position + 4 : position + 4 + count]).decode(errors="replace")

    def vector(self, kind: str, position: int) -> Any:
        scalar = self.schema.enum_types.get(kind, kind)
        if scalar in _SCALARS:
            dtype = np.dtype(_SCALARS[scalar])
            count = self.length(position, dtype.itemsize)
            return np.frombuffer(self.data, dtype, count, position + 4)
        starts = range(position + 4, position + 4 + 4 * self.length(position, 4), 4)
        if kind == "string":
            return [self.string(self.forward(start)) for start in starts]
        return [self.table(kind, self.forward(start)) for start in starts]
