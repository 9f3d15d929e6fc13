"""Words from outside -> words that are safe to show anywhere: no control characters, no tricks with direction.

File names, error texts and model names come from tools and users. An escape sequence would move a terminal's cursor,
a control character would make the XML unreadable, a bidirectional mark would show a name as another one.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from harness.records import Report

_UNSAFE = re.compile(
    "\x1b\\[[0-9;?]*[ -/]*[@-~]"  # terminal escape sequences, whole
    "|[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def words(text: str) -> str:
    return _UNSAFE.sub("", text)


def line(text: str) -> str:
    """The same on one line."""
    return " ".join(words(text).split())


def report(record: Report) -> Report:
    """The same report with every string cleaned; samples are not touched (there may be a million of them)."""
    measurements = tuple(_clean(m, keep=("restarts", "sustained", "energy")) for m in record.measurements)
    cleaned: Report = _clean(record, keep=("measurements",))
    return msgspec.structs.replace(cleaned, measurements=measurements)


def _clean(value: Any, keep: tuple[str, ...] = ()) -> Any:
    if isinstance(value, str):
        return words(value)
    if isinstance(value, msgspec.Struct):
        changed = {name: _clean(getattr(value, name)) for name in value.__struct_fields__ if name not in keep}
        return msgspec.structs.replace(value, **changed)
    if isinstance(value, tuple):
        return tuple(_clean(item) for item in value)
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return value
