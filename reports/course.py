"""Report -> how each build kept its pace under sustained load: figures for a table, a line chart with a row a build.

All rows share both scales, time and the share of the build's own first half minute, so that one that slows down stands
out beside one that does not. Classes and levels come from harness/steady.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

from harness.records import Record, Report, Sustained
from reports import rounding, svg, view
from reports.rounding import Figure
from reports.rowchart import TOP, Frame
from reports.svg import Canvas, Scale

if TYPE_CHECKING:
    from harness.steady import Course

WORDS = {
    "flat": "stays on one level",
    "warm-up": "gets faster, then settles",
    "slow-down": "slows down",
    "no steady state": "does not settle",
    "too short": "too short to tell",
}
LEAST_REACH = 5.0  # percent each way: less than this is not worth a cliff in a drawing
MOST_POINTS = 400  # of a line; more lie on the same pixels


class Run(Record, frozen=True, kw_only=True):
    """One build's sustained run. points: (seconds, percent over the first half minute); levels: (from, to, percent)."""

    build: str
    runtime: str
    words: str
    secs: float
    clock: str
    first: Figure | None
    last: Figure | None
    slowdown: str
    points: tuple[tuple[float, float], ...]
    levels: tuple[tuple[float, float, float], ...]

    @property
    def line(self) -> str:
        """`slows down: 10.2 to 12.4 ms (+21 %) over 180 s`."""
        figures = f"{self.first.text} to {self.last.text} ms ({self.slowdown})" if self.first and self.last else ""
        return f"{self.words}{': ' if figures else ''}{figures} over {rounding.seconds(self.secs)}"


def runs(report: Report, rows: Sequence[view.Row]) -> tuple[Run, ...]:
    """The builds that have one, in the order of the ranking."""
    held = {one.variant: one.sustained for one in report.measurements if one.sustained and one.failure is None}
    return tuple(_run(report, row, run) for row in rows if (run := held.get(row.id)) and run.start_secs)


def _run(report: Report, row: view.Row, run: Sustained) -> Run:
    from harness import steady

    found = next((one.metrics for one in report.standings if one.variant == row.id), {})
    first, last = (
        view.show(found.get(name), view.column(report, name))
        for name in ("sustained_ms.p50_first", "sustained_ms.p50_last")
    )
    slowdown = found.get("sustained_slowdown")
    times, course = steady.series(run), steady.course(run)
    level = first.value if first else float(times[0])
    step = max(1, len(times) // MOST_POINTS)
    percent = [100 * (float(time) / level - 1) for time in times]
    return Run(
        build=row.id,
        runtime=row.runtime,
        words=WORDS[course.kind],
        secs=steady.duration_secs(run),
        clock="on-CPU" if run.on_cpu_ms else "wall",
        first=first,
        last=last,
        slowdown=f"{slowdown.value * 100:+.1f}\u00a0%" if slowdown else "",
        points=tuple(zip(run.start_secs[::step], percent[::step], strict=True)),
        levels=_levels(run, course, level),
    )


def _levels(run: Sustained, course: Course, level_ms: float) -> tuple[tuple[float, float, float], ...]:
    ends = (*run.start_secs, run.start_secs[-1])
    return tuple((ends[part.start], ends[part.stop], 100 * (part.level_ms / level_ms - 1)) for part in course.segments)


def draw(canvas: Canvas, shown: Sequence[Run]) -> Markup:
    """A row for each build: the line of its blocks, its levels as strokes, where it began as a grid line."""
    frame = Frame(canvas=canvas, step=78.0 if not canvas.narrow else 92.0, count=len(shown))
    across = Scale(low=0.0, high=max(run.secs for run in shown) or 1.0, start=frame.left, end=canvas.width - 52.0)
    parts = [*svg.x_axis(across, TOP, frame.bottom, "seconds without a pause")]
    reach = _reach(shown)
    for number, run in enumerate(shown):
        parts += _row(frame, across, reach, run, frame.top_of(number))
    return svg.drawing(canvas, frame.height, parts)


def _row(frame: Frame, across: Scale, reach: tuple[float, float], run: Run, top: float) -> list[Markup]:
    narrow = frame.canvas.narrow
    head = 20.0 if narrow else 0.0  # the words stand above the line where there is no room beside it
    up = Scale(low=reach[0], high=reach[1], start=top + head + 52, end=top + head + 6)
    line = " ".join(f"{across.at(secs):.1f},{up.at(_held(percent, reach)):.1f}" for secs, percent in run.points)
    strokes = "".join(
        f"M{across.at(start):.1f} {up.at(_held(level, reach)):.1f}H{across.at(stop):.1f}"
        for start, stop, level in run.levels
    )
    label = frame.label(run.build, run.runtime, top, middle=14)
    room = frame.canvas.width - 16.0 if narrow else svg.ROW_LABEL - 22.0
    words = [run.words, f"{run.slowdown} in the end, {run.clock}" if run.slowdown else run.clock]
    told = [", ".join(words)] if narrow else words
    x, anchor = (8.0, "start") if narrow else (svg.ROW_LABEL - 14.0, "end")
    y = top + (10 if narrow else 36)
    return [
        label,
        *(svg.text(x, y + 15 * i, svg.shorten(w, room, 11), anchor=anchor, class_="tick") for i, w in enumerate(told)),
        svg.line((across.start, up.at(0)), (across.end, up.at(0)), "grid"),
        *(svg.text(across.end + 6, up.at(end) + 4, f"{end:+.0f} %", class_="tick") for end in reach),
        svg.element("polyline", points=line, **{"class": f"course {run.runtime}"}),
        svg.element(
            "g",
            svg.element("title", f"{run.build}: {run.line}"),
            svg.element("path", d=strokes, **{"class": f"levels {run.runtime}"}),
        ),
    ]


def _reach(shown: Sequence[Run]) -> tuple[float, float]:
    """Percent below and above that every row shows: all levels, and all but the wildest twentieth of the blocks."""
    levels = [level for run in shown for _, _, level in run.levels]
    ordered = sorted(percent for run in shown for _, percent in run.points)
    usual = ordered[len(ordered) // 40 : len(ordered) - len(ordered) // 40] or ordered
    low, high = min(*levels, usual[0], -LEAST_REACH), max(*levels, usual[-1], LEAST_REACH)
    return float(round(low - 0.5)), float(round(high + 0.5))


def _held(percent: float, reach: tuple[float, float]) -> float:
    return min(max(percent, reach[0]), reach[1])
