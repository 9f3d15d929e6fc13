"""The one plug-in mechanism: a table of dotted names, loaded when asked for.

A plug-in is one module and one line in a dict literal such as `{"host": "device_runners.host:HostRunner"}`; its heavy
imports happen on `load`, so that tables can be listed for free.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Collection, Mapping
from typing import Any

from harness.errors import ExperimentError


def load(kind: str, table: Mapping[str, str], name: str) -> Any:
    """The object that `table` names for `name`; raises ExperimentError naming the nearest known one."""
    if name not in table:
        raise ExperimentError(f"unknown {kind} {name!r}{nearest(name, table)}", remedy=f"known: {', '.join(table)}")
    module, _, attribute = table[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def nearest(name: str, known: Collection[str]) -> str:
    """`; did you mean 'fp16'?` where something known is close, else nothing."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""
