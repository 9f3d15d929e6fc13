"""Report -> the drawings of the page, each wide and narrow."""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup

from harness.records import Report
from reports import course, rowchart, scatter, svg
from reports.details import Build
from reports.rounding import Figure
from reports.rowchart import Bar, BarRow, Part, PartRow
from reports.scatter import Axes
from reports.spread import Spread, spread
from reports.svg import Canvas
from reports.view import Summary, column

LATENCY = "latency_ms.p50"


def draw_all(report: Report, summary: Summary, builds: tuple[Build, ...]) -> dict[str, Markup]:
    """Drawings by name: front, spreads, sustained, sizes, dtypes, memory; those without data are not there."""
    spreads = _spread_of_each(report, summary)
    found = {
        "front": _front(report, summary),
        "spreads": _spreads("spreads", "Latency of every timed call", [*spreads.values()]),
        "sustained": _sustained(report, summary),
        "sizes": _sizes(summary),
        "dtypes": _dtypes(builds),
        "memory": _memory(summary),
    }
    for build in builds:
        if build.row.id in spreads:
            key = build.anchor.replace("build", "spread")
            found[key] = _spreads(key, f"Latency of every timed call of {build.row.id}", [spreads[build.row.id]])
    return {name: markup for name, markup in found.items() if markup}


def front_axes(report: Report, summary: Summary) -> Axes | None:
    """Latency against quality, or against size where the run has no quality to show."""
    names = {column.name for column in summary.columns}
    against = summary.quality or next((c for c in summary.columns if c.name == "size_mb"), None)
    if LATENCY not in names or against is None:
        return None
    return Axes(x=column(report, LATENCY), y=against)


def _both(canvas: Canvas, make: Callable[[Canvas], Markup]) -> Markup:
    narrow = Canvas(key=canvas.key, title=canvas.title, description=canvas.description, width=svg.NARROW)
    return make(canvas) + make(narrow)


def _canvas(key: str, title: str, description: str) -> Canvas:
    return Canvas(key=key, title=title, description=description, width=svg.WIDE)


def _front(report: Report, summary: Summary) -> Markup:
    axes = front_axes(report, summary)
    if axes is None:
        return Markup()
    rows = [row for row in summary.ranked if axes.x.name in row.figures and axes.y.name in row.figures]
    if len(rows) < 2:  # one build has nothing to be weighed against
        return Markup()
    told = "; ".join(
        f"{row.id} {row.figures[axes.x.name].with_half} {axes.x.unit}, {row.figures[axes.y.name].with_half}"
        for row in rows
    )
    canvas = _canvas("front", f"{axes.y.label} against {axes.x.label}", told)
    return _both(canvas, lambda at: scatter.draw(at, rows, axes))


def _spread_of_each(report: Report, summary: Summary) -> dict[str, Spread]:
    measured = {measurement.variant: measurement for measurement in report.measurements}
    found = {}
    for row in summary.rows:
        p50 = row.figures.get(LATENCY)
        words = f"wall p50 {p50.with_half}" if p50 else ""
        if row.id in measured and (drawn := spread(measured[row.id], runtime=row.runtime, words=words)):
            found[row.id] = drawn
    return found


def _spreads(key: str, title: str, spreads: list[Spread]) -> Markup:
    if not spreads:
        return Markup()
    told = "; ".join(f"{one.build}: wall {one.wall.words}" for one in spreads)
    return _both(_canvas(key, title, told), lambda at: rowchart.strips(at, spreads, "ms"))


def _sustained(report: Report, summary: Summary) -> Markup:
    shown = course.runs(report, summary.rows)
    if not shown:
        return Markup()
    told = "; ".join(f"{run.build} {run.line}" for run in shown)
    return _both(_canvas("sustained", "Latency under sustained load", told), lambda at: course.draw(at, shown))


def _sizes(summary: Summary) -> Markup:
    kinds = (("size_mb", "disk", ""), ("download_mb", "download", " zipped"), ("packed_mb", "packed", " packed"))
    rows = []
    for row in summary.ranked:
        bars = tuple(
            Bar(value=row.figures[name].value, words=f"{row.figures[name].text}{suffix}", style=style)
            for name, style, suffix in kinds
            if name in row.figures
        )
        rows += [BarRow(label=row.id, runtime=row.runtime, bars=bars)] if bars else []
    return _bars("sizes", "Size on disk and as it is sent", rows, "MB")


def _memory(summary: Summary) -> Markup:
    rows = [
        BarRow(label=row.id, runtime=row.runtime, bars=(_bar(row.figures["peak_rss_mb"]),))
        for row in summary.ranked
        if "peak_rss_mb" in row.figures
    ]
    return _bars("memory", "Peak memory that the build adds to its process", rows, "MB")


def _bar(figure: Figure) -> Bar:
    low, high = figure.ends if figure.low else (None, None)
    return Bar(value=figure.value, words=figure.with_half, style="disk", low=low, high=high)


def _bars(key: str, title: str, rows: list[BarRow], axis: str) -> Markup:
    if not rows:
        return Markup()
    told = "; ".join(f"{row.label}: {', '.join(bar.words for bar in row.bars)} {axis}" for row in rows)
    return _both(_canvas(key, title, told), lambda at: rowchart.bars(at, rows, axis))


def _dtypes(builds: tuple[Build, ...]) -> Markup:
    rows = []
    for build in builds:
        if build.held and build.held.dtypes:
            parts = tuple(
                Part(share=share, words=f"{dtype} {words}", style=_style(dtype))
                for (dtype, share), (_, words) in zip(build.held.shares, build.held.dtypes, strict=True)
            )
            rows.append(PartRow(label=build.row.id, runtime=build.row.runtime, parts=parts))
    if not rows:
        return Markup()
    told = "; ".join(f"{row.label}: {', '.join(part.words for part in row.parts)}" for row in rows)
    canvas = _canvas("dtypes", "Number formats of the weights", told)
    return _both(canvas, lambda at: rowchart.stacked(at, rows, "% of weight elements"))


def _style(dtype: str) -> str:
    """A class per width of the format, known to the style sheet."""
    for bits in ("64", "32", "16", "8", "4", "2"):
        if dtype.endswith(bits):
            return f"bits{bits}"
    return "bits-other"
