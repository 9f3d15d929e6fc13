"""The names of the delegates inside a .pte file, read without the exporter.

A .pte is a FlatBuffer (schema/program.fbs of ExecuTorch). A table's position starts with the distance back to its
vtable, which holds the offset of each field; strings and vectors stand behind a relative offset and a length.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path

_EXECUTION_PLAN = 1  # field of Program
_DELEGATES = 7  # field of ExecutionPlan
_ID = 0  # field of BackendDelegate


def delegates(path: Path) -> list[str]:
    """Backend of every delegate in the file, such as `XnnpackBackend`; the file was loaded before, so it is sound."""
    found = []
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for plan in _tables(data, _follow(data, 0), _EXECUTION_PLAN):
            for delegate in _tables(data, plan, _DELEGATES):
                place = _field(data, delegate, _ID)
                if place is not None:
                    found.append(_text(data, _follow(data, place)))
    return found


def _tables(data: mmap.mmap, table: int, field: int) -> Iterator[int]:
    place = _field(data, table, field)
    if place is None:
        return
    vector = _follow(data, place)
    for number in range(_uint(data, vector)):
        yield _follow(data, vector + 4 + 4 * number)


def _field(data: mmap.mmap, table: int, field: int) -> int | None:
    """Where a field's value stands; None where it is absent."""
    vtable = table - int(struct.unpack_from("<i", data, table)[0])
    entry = 4 + 2 * field
    if entry >= struct.unpack_from("<H", data, vtable)[0]:
        return None
    offset = int(struct.unpack_from("<H", data, vtable + entry)[0])
    return table + offset if offset else None


def _text(data: mmap.mmap, place: int) -> str:
    size = _uint(data, place)
    return data[place + 4 : place + 4 + size].decode()


def _follow(data: mmap.mmap, place: int) -> int:
    return place + _uint(data, place)


def _uint(data: mmap.mmap, place: int) -> int:
    return int(struct.unpack_from("<I", data, place)[0])
