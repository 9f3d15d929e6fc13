"""The quality that a gradual compression must keep: `0.9`, `baseline - 0.01` or `0.98 x baseline`."""

from __future__ import annotations

import re

from harness.errors import ExperimentError
from harness.records import Record

_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"
_PATTERN = re.compile(
    rf"(?P<number>-?{_NUMBER})|(?:(?P<factor>{_NUMBER})x)?baseline(?:(?P<sign>[-+])(?P<offset>{_NUMBER}))?"
)


class Floor(Record, frozen=True, kw_only=True):
    """factor times the baseline plus offset, in the metric's own unit."""

    factor: float
    offset: float

    def limit(self, baseline: float) -> float:
        return self.factor * baseline + self.offset


def parse(text: str | float) -> Floor | None:
    """None where there is no floor; raises ExperimentError for what cannot be read."""
    spelled = "".join(str(text).split())
    if not spelled:
        return None
    found = _PATTERN.fullmatch(spelled)
    if found is None:
        raise ExperimentError(
            f"training.floor {text!r} cannot be read", remedy="write a number, `baseline - 0.01` or `0.98 x baseline`"
        )
    if found["number"]:
        return Floor(factor=0.0, offset=float(found["number"]))
    offset = float(found["offset"] or 0)
    return Floor(factor=float(found["factor"] or 1), offset=-offset if found["sign"] == "-" else offset)
