"""Charts with a row per build on one horizontal scale: bars with whiskers, stacked shares, latency strips."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from harness.records import Record
from reports import svg
from reports.spread import Spread, Strip
from reports.svg import Canvas, Scale

TOP, BOTTOM, NARROW_LABEL = 6.0, 46.0, 18.0


class Bar(Record, frozen=True, kw_only=True):
    """One bar of a row; low and high draw a whisker; words stand at its end."""

    value: float
    words: str
    style: str
    low: float | None = None
    high: float | None = None


class BarRow(Record, frozen=True, kw_only=True):
    label: str
    runtime: str
    bars: tuple[Bar, ...]


class Part(Record, frozen=True, kw_only=True):
    """One piece of a row that adds up to 1."""

    share: float
    words: str
    style: str


class PartRow(Record, frozen=True, kw_only=True):
    label: str
    runtime: str
    parts: tuple[Part, ...]


def bars(canvas: Canvas, rows: Sequence[BarRow], axis: str) -> Markup:
    """Horizontal bars from zero, thick enough to read, their numbers at their ends."""
    most = max(len(row.bars) for row in rows)
    thick = 13.0 if most > 1 else 16.0
    step = most * (thick + 3) + 12
    frame = Frame(canvas=canvas, step=step, count=len(rows))
    longest = max(svg.width_of(bar.words) for row in rows for bar in row.bars)
    ends = [end for row in rows for bar in row.bars for end in (bar.value, bar.high or 0.0)]
    scale = svg.span(ends, start=frame.left, end=canvas.width - longest - 14, zero=True)
    parts = [*svg.x_axis(scale, TOP, frame.bottom, axis)]
    for number, row in enumerate(rows):
        y = frame.top_of(number)
        parts.append(frame.label(row.label, row.runtime, y, middle=(step - 12) / 2))
        for index, bar in enumerate(row.bars):
            parts += _bar(scale, bar, row, y=y + index * (thick + 3), thick=thick)
    return svg.drawing(canvas, frame.height, parts)


def stacked(canvas: Canvas, rows: Sequence[PartRow], axis: str) -> Markup:
    """What each row is made of, in percent; words inside a piece where they fit."""
    frame = Frame(canvas=canvas, step=30.0, count=len(rows))
    scale = Scale(low=0.0, high=100.0, start=frame.left, end=canvas.width - 16.0)
    parts = [*svg.x_axis(scale, TOP, frame.bottom, axis)]
    for number, row in enumerate(rows):
        y, before = frame.top_of(number), 0.0
        parts.append(frame.label(row.label, row.runtime, y, middle=9))
        for piece in row.parts:
            x, width = scale.at(before * 100), scale.at(piece.share * 100) - scale.at(0)
            box = svg.rect(x, y, width, 18.0, f"part {piece.style}")
            parts.append(svg.element("g", svg.element("title", f"{row.label}: {piece.words}"), box))
            if svg.width_of(piece.words, 11) + 8 < width:
                parts.append(svg.text(x + 5, y + 13, piece.words, class_=f"inside {piece.style}"))
            before += piece.share
    return svg.drawing(canvas, frame.height, parts)


def strips(canvas: Canvas, spreads: Sequence[Spread], axis: str) -> Markup:
    """Every build's samples: wall above, on-CPU below; box, p50, whiskers, dots, a tick for each restart's p50."""
    frame = Frame(canvas=canvas, step=58.0 if not canvas.narrow else 50.0, count=len(spreads))
    lanes = [strip for spread in spreads for strip in (spread.wall, spread.on_cpu) if strip]
    ends = [end for strip in lanes for end in (strip.low, strip.high)]
    scale = svg.span(ends, start=frame.left, end=canvas.width - 16.0)
    parts = [*svg.x_axis(scale, TOP, frame.bottom, axis)]
    for number, spread in enumerate(spreads):
        y = frame.top_of(number)
        parts.append(frame.label(spread.build, spread.runtime, y, middle=14))
        if not canvas.narrow:
            parts.append(svg.text(svg.ROW_LABEL - 14, y + 34, spread.words, anchor="end", class_="tick"))
        parts += _strip(scale, spread.wall, y + 10, f"wall {spread.runtime}", f"{spread.build} wall")
        if spread.on_cpu:
            parts += _strip(scale, spread.on_cpu, y + 34, f"cpu {spread.runtime}", f"{spread.build} on-CPU")
    return svg.drawing(canvas, frame.height, parts)


class Frame(Record, frozen=True, kw_only=True):
    """Where rows lie: labels to the left, or above each row on a narrow drawing."""

    canvas: Canvas
    step: float
    count: int

    @property
    def left(self) -> float:
        return 8.0 if self.canvas.narrow else svg.ROW_LABEL

    @property
    def row_height(self) -> float:
        return self.step + (NARROW_LABEL if self.canvas.narrow else 0.0)

    @property
    def bottom(self) -> float:
        return TOP + self.count * self.row_height

    @property
    def height(self) -> float:
        return self.bottom + BOTTOM

    def top_of(self, number: int) -> float:
        return TOP + 6 + number * self.row_height + (NARROW_LABEL if self.canvas.narrow else 0.0)

    def label(self, words: str, runtime: str, y: float, *, middle: float) -> Markup:
        if self.canvas.narrow:
            return svg.text(8, y - 5, svg.shorten(words, self.canvas.width - 16.0), class_=f"label {runtime}")
        shown = svg.shorten(words, svg.ROW_LABEL - 14.0)
        return svg.text(svg.ROW_LABEL - 14, y + middle + 4, shown, anchor="end", class_=f"label {runtime}")


def _bar(scale: Scale, bar: Bar, row: BarRow, *, y: float, thick: float) -> list[Markup]:
    start, end = scale.at(0), scale.at(bar.value)
    words = svg.element("title", f"{row.label}: {bar.words}")
    parts = [
        svg.element("g", words, svg.rect(start, y, end - start, thick, f"bar {row.runtime} {bar.style}")),
    ]
    if bar.low is not None and bar.high is not None:
        middle = y + thick / 2
        parts.append(svg.line((scale.at(bar.low), middle), (scale.at(bar.high), middle), "whisker"))
        end = max(end, scale.at(bar.high))
    return [*parts, svg.text(end + 6, y + thick - 2.5, bar.words, class_="value")]


def _strip(scale: Scale, strip: Strip, y: float, style: str, words: str) -> list[Markup]:
    """One lane, 16 pixels high around y."""
    at = scale.at
    dots = "".join(f"M{at(x):.1f} {y + 5.5 * shift:.1f}h0" for x, shift in strip.dots)
    ticks = "".join(f"M{at(x):.1f} {y + 8:.1f}v4" for x in strip.medians)
    box = svg.rect(at(strip.p25), y - 7, max(at(strip.p75) - at(strip.p25), 1.0), 14.0, f"box {style}")
    return [
        svg.element("path", d=dots, **{"class": f"dots {style}"}),
        svg.line((at(strip.p5), y), (at(strip.p95), y), f"reach {style}"),
        svg.element("g", svg.element("title", f"{words}: {strip.words}"), box),
        svg.line((at(strip.p50), y - 8), (at(strip.p50), y + 8), f"median {style}"),
        svg.element("path", d=ticks, **{"class": f"restarts {style}"}),
    ]
