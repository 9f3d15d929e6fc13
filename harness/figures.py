"""Numbers in the sentences of verdicts, caveats and the recommendation."""

from __future__ import annotations

import math

from harness.metrics import Metric
from harness.records import Estimate


def number_text(what: Metric, value: float) -> str:
    """The value as people read it, without the unit: `1.65`, `13,912`, `0.9050`."""
    if not what.significant:
        return f"{value:,.{what.digits}f}"
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    exponent = math.floor(math.log10(abs(value)))
    if not -5 <= exponent < 15:
        return f"{value:.{what.digits - 1}e}"
    return f"{value:,.{max(0, what.digits - 1 - exponent)}f}"


def value_text(what: Metric, value: float) -> str:
    """With the unit: `1.65 ms`."""
    return f"{number_text(what, value)} {what.unit}".rstrip()


def estimate_text(what: Metric, estimate: Estimate) -> str:
    """With unit and interval: `1.65 ms [1.62, 1.69]`; the interval only where there is one and it says something."""
    text = value_text(what, estimate.value)
    if (estimate.low is None and estimate.high is None) or estimate.low == estimate.high:
        return text
    low = "?" if estimate.low is None else number_text(what, estimate.low)
    high = "?" if estimate.high is None else number_text(what, estimate.high)
    return f"{text} [{low}, {high}]"


def percent(share: float) -> str:
    """`26 %`; what is not quite none or all does not look like it."""
    if 0 < share < 0.01:
        return "less than 1 %"
    return f"{min(share * 100, 99):.0f} %" if share < 1 else f"{share * 100:.0f} %"
