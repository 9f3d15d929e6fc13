"""Did it help? Each build against its parent, as the page, the comment and the terminal show it."""

from __future__ import annotations

from harness.records import Benefit, Estimate, Record, Report
from reports import rounding, view

WORDS = {
    "helped": "yes",
    "at a price": "at a price",
    "sending only": "only to send",
    "no benefit": "no",
    "not told": "not told",
}
TIMES = "\u00a0×"
CLOCKS = {
    "": "",
    "side by side": "timed side by side",
    "on-CPU": "median on-CPU time",
    "wall": "median wall time",
}


class Cell(Record, frozen=True, kw_only=True):
    """One figure; value: for sorting, None where there is none."""

    text: str = "–"
    interval: str = ""
    value: float | None = None


class Row(Record, frozen=True, kw_only=True):
    """One build and what became of it. A gain of 2 × is half the bytes, half the memory, half the time."""

    id: str
    runtime: str
    recipe: str
    against: str
    answer: str
    outcome: str
    verdict: str
    size: Cell
    zipped: Cell
    packed: Cell
    time: Cell
    clock: str
    memory: Cell
    quality: Cell


def rows(report: Report) -> tuple[Row, ...]:
    """In the order of the ranking."""
    held = {benefit.variant: benefit for benefit in report.benefits}
    return tuple(_row(held[name]) for name in view.in_order(report) if name in held)


def quality_label(report: Report) -> str:
    """Of the last column: `Accuracy`, against the parent's."""
    name = next((benefit.quality for benefit in report.benefits if benefit.quality), "quality")
    return name.replace("_", " ").capitalize()


def _row(benefit: Benefit) -> Row:
    runtime, _, recipe = benefit.variant.partition("/")
    parent = benefit.parent.partition("/")[2] or benefit.missing
    gains = benefit.gains
    return Row(
        id=benefit.variant,
        runtime=runtime,
        recipe=recipe,
        against=parent if benefit.parent else f"{parent} (not made)",
        answer=WORDS[benefit.outcome],
        outcome=benefit.outcome.replace(" ", "-"),
        verdict=benefit.verdict,
        size=_gain(gains.get("size_bytes")),
        zipped=_gain(gains.get("download_bytes")),
        packed=_gain(gains.get("packed_bytes")),
        time=_gain(gains.get("time")),
        clock=CLOCKS[benefit.clock],
        memory=_gain(gains.get("peak_rss_mb")),
        quality=_change(benefit.change),
    )


def _gain(found: Estimate | None) -> Cell:
    if found is None:
        return Cell()
    return Cell(text=f"{rounding.number(found.value)}{TIMES}", interval=_interval(found, ""), value=found.value)


def _change(found: Estimate | None) -> Cell:
    if found is None:
        return Cell()
    return Cell(text=_signed(found.value), interval=_interval(found, "+"), value=found.value)


def _interval(found: Estimate, sign: str) -> str:
    """`1.71 to 1.90`; nothing for a figure that is exact."""
    if found.low is None or found.high is None or found.low == found.high:
        return ""
    shown = _signed if sign else rounding.number
    return f"{shown(found.low)} to {shown(found.high)}"


def _signed(value: float) -> str:
    """Differences of scores: four decimals are finer than any evaluation set."""
    return f"{value:+.4f}" if value else "0"
