"""Two metrics against each other: a point per build with both intervals, and the front that no build beats."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from itertools import pairwise

from markupsafe import Markup

from harness.records import Record
from reports import svg
from reports.svg import Canvas, Scale
from reports.view import Column, Row

Box = tuple[float, float, float, float]
HEIGHT, TOP, BOTTOM, LEFT, RIGHT = 430.0, 34.0, 48.0, 58.0, 14.0
DIRECTIONS = (
    *((1, 0), (-1, 0), (0.75, -0.7), (0.75, 0.7), (-0.75, -0.7), (-0.75, 0.7), (0, -1), (0, 1)),
    *((math.cos(step * math.pi / 8), math.sin(step * math.pi / 8)) for step in range(1, 16, 2)),
)
DISTANCES = (12, 22, 34, 48, 64, 84, 108, 136, 168)


class Point(Record, frozen=True, kw_only=True):
    """One build, placed."""

    row: Row
    x: float
    y: float
    whiskers: tuple[Box, ...]
    words: str


class Room(Record, frozen=True, kw_only=True):
    """Where labels may stand: inside the bounds, off the stairs; letters_only where names would not fit."""

    bounds: Box
    stairs: tuple[tuple[float, float], ...]
    letters_only: bool


class Axes(Record, frozen=True, kw_only=True):
    """x: less is better. y: as its column says."""

    x: Column
    y: Column


def draw(canvas: Canvas, rows: Sequence[Row], axes: Axes) -> Markup:
    """The whole plot; rows without both numbers are left out (the table has them)."""
    rows = [row for row in rows if axes.x.name in row.figures and axes.y.name in row.figures]
    horizontal = svg.span(_ends(rows, axes.x), start=LEFT, end=canvas.width - RIGHT)
    vertical = svg.span(_ends(rows, axes.y), start=HEIGHT - BOTTOM, end=TOP)
    points = [_point(row, axes, horizontal, vertical) for row in rows]
    bounds = (LEFT, TOP, canvas.width - RIGHT, HEIGHT - BOTTOM)
    stairs = _staircase(points, bounds, lower=axes.y.lower_is_better)
    labels, keys = _labels(points, Room(bounds=bounds, stairs=tuple(stairs), letters_only=canvas.narrow))
    arrow = "less is better" if axes.y.lower_is_better else "more is better"
    parts = [
        *svg.x_axis(horizontal, TOP, HEIGHT - BOTTOM, f"{axes.x.heading}, less is better"),
        *svg.y_axis(vertical, LEFT, canvas.width - RIGHT, f"{axes.y.heading}, {arrow}"),
        svg.element("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in stairs), **{"class": "frontier"}),
        *(svg.line(box[:2], box[2:], f"whisker {point.row.runtime}") for point in points for box in point.whiskers),
        *(_ring(point) for point in points if point.row.recommended),
        *(_marker(point) for point in points),
        *labels,
    ]
    for number, (letter, point) in enumerate(keys):
        parts.append(svg.text(8, HEIGHT + 14 + 18 * number, f"{letter}  {point.row.id}", class_=point.row.runtime))
    return svg.drawing(canvas, HEIGHT + 18 * len(keys) + (8 if keys else 0), parts)


def front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points that no other beats in both directions, less being better in both; by rising first number."""
    best: list[tuple[float, float]] = []
    for point in sorted(set(points)):
        if not best or point[1] < best[-1][1]:
            best.append(point)
    return best


def _ends(rows: Sequence[Row], of: Column) -> list[float]:
    return [end for row in rows for end in (row.figures[of.name].value, *row.figures[of.name].ends)]


def _point(row: Row, axes: Axes, horizontal: Scale, vertical: Scale) -> Point:
    x, y = row.figures[axes.x.name], row.figures[axes.y.name]
    at_x, at_y = horizontal.at(x.value), vertical.at(y.value)
    return Point(
        row=row,
        x=at_x,
        y=at_y,
        whiskers=(
            (horizontal.at(x.ends[0]), at_y, horizontal.at(x.ends[1]), at_y),
            (at_x, vertical.at(y.ends[1]), at_x, vertical.at(y.ends[0])),
        ),
        words=f"{row.id}: {axes.x.heading} {x.with_half}, {axes.y.heading} {y.with_half}",
    )


def _marker(point: Point) -> Markup:
    """A circle for TFLite, a diamond for ExecuTorch; filled when on the Pareto front of the ranking."""
    x, y, size = point.x, point.y, 6.0
    title = svg.element("title", point.words)
    style = f"marker {point.row.runtime}{' front' if point.row.on_front else ''}"
    if point.row.runtime == "tflite":
        return svg.element("circle", title, cx=x, cy=y, r=size, **{"class": style})
    corners = f"{x:.1f},{y - 7.5:.1f} {x + 7.5:.1f},{y:.1f} {x:.1f},{y + 7.5:.1f} {x - 7.5:.1f},{y:.1f}"
    return svg.element("polygon", title, points=corners, **{"class": style})


def _ring(point: Point) -> Markup:
    return svg.element("circle", cx=point.x, cy=point.y, r=11.0, **{"class": "pick-ring"})


def _staircase(points: Sequence[Point], bounds: Box, *, lower: bool) -> list[tuple[float, float]]:
    """The corners of the front as a line: everything behind it is beaten by some build in both directions."""
    flip = -1 if lower else 1  # pixels grow downwards
    steps = front([(point.x, flip * point.y) for point in points])
    corners = [(steps[0][0], bounds[1] if lower else bounds[3])]
    for x, y in steps:
        corners += [(x, corners[-1][1]), (x, flip * y)]
    return [*corners, (bounds[2], corners[-1][1])]


def _labels(points: Sequence[Point], room: Room) -> tuple[list[Markup], list[tuple[str, Point]]]:
    """Names beside their points where there is room, else a letter with the name below the plot."""
    taken = [(p.x - 8, p.y - 8, p.x + 8, p.y + 8) for p in points]
    taken += [(a - 1, b - 1, c + 1, d + 1) for p in points for a, b, c, d in p.whiskers]
    taken += [(min(a, c) - 1, min(b, d) - 1, max(a, c) + 1, max(b, d) + 1) for (a, b), (c, d) in pairwise(room.stairs)]
    parts: list[Markup] = []
    keys: list[tuple[str, Point]] = []
    for point in points:
        place = None if room.letters_only else _free(point, point.row.recipe, taken, room.bounds)
        words = point.row.recipe
        if place is None:
            words = _letters(len(keys))
            keys.append((words, point))
            place = _free(point, words, taken, room.bounds) or _beside(point, words, (1, 0), 12)
        taken.append(place)
        if (leader := _leader(point, place)) is not None:
            parts.append(leader)
        parts.append(svg.text(place[0] + 2, place[3] - 4, words, class_=f"label {point.row.runtime}"))
    return parts, keys


def _letters(number: int) -> str:
    """A to Z, then AA, AB …"""
    more, last = divmod(number, 26)
    return (_letters(more - 1) if more else "") + string.ascii_uppercase[last]


def _free(point: Point, words: str, taken: Sequence[Box], bounds: Box) -> Box | None:
    for distance in DISTANCES:
        for direction in DIRECTIONS:
            box = _beside(point, words, direction, distance)
            inside = bounds[0] < box[0] and box[2] < bounds[2] and bounds[1] < box[1] and box[3] < bounds[3]
            if inside and not any(svg.overlap(box, other) for other in taken):
                return box
    return None


def _beside(point: Point, words: str, direction: tuple[float, float], distance: float) -> Box:
    """The box of a label that touches the point's surroundings on the side of `direction`."""
    width, height = svg.width_of(words) + 4, 16.0
    x, y = point.x + direction[0] * distance, point.y + direction[1] * distance
    left = x - width / 2 if direction[0] == 0 else x if direction[0] > 0 else x - width
    return (left, y - height / 2, left + width, y + height / 2)


def _leader(point: Point, box: Box) -> Markup | None:
    """A thin line from a label to its point when they stand apart."""
    x = min(max(point.x, box[0]), box[2])
    y = min(max(point.y, box[1]), box[3])
    if (x - point.x) ** 2 + (y - point.y) ** 2 < 18**2:
        return None
    return svg.line((x, y), (point.x, point.y), "leader")
