"""The few parts that all drawings share: elements, text widths, scales with round ticks, the frame of a chart.

Drawings carry classes and no colours (the page's style sheet knows light, dark and print), and are made twice,
wide and narrow, so that their text keeps its size on a phone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from markupsafe import Markup, escape

from harness.records import Record

WIDE, NARROW = 1100, 360
FONT = 12.0
CHARACTER = 0.57  # mean width of a character, in font sizes; a little too much, so that nothing touches
ROW_LABEL = 236


class Canvas(Record, frozen=True, kw_only=True):
    """What a drawing is called and how wide it is; `key` makes its ids unique on the page."""

    key: str
    title: str
    description: str
    width: int

    @property
    def narrow(self) -> bool:
        return self.width < 600


class Scale(Record, frozen=True, kw_only=True):
    """Values low..high onto pixels start..end, linear or logarithmic."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(max(value, self.low))
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self, most: int) -> list[float]:
        """Round values inside the scale, at most about `most` of them."""
        steps = self._log_steps(most) if self.log else _linear_steps(self.low, self.high, most)
        slack = (self.high - self.low) * 1e-9
        return [value for value in steps if self.low - slack <= value <= self.high + slack]

    def _log_steps(self, most: int) -> list[float]:
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for multiples in ((1, 1.5, 2, 3, 4, 5, 6, 8), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,)):
            steps = [multiple * 10.0**decade for decade in decades for multiple in multiples]
            if sum(self.low <= step <= self.high for step in steps) <= most:
                return steps
        return [10.0**decade for decade in decades][:: max(1, len(decades) // most)]


def element(name: str, *children: str, **attributes: object) -> Markup:
    """`<name …>children</name>`, everything escaped that is not Markup; `_` in attribute names stands for `-`."""
    written = "".join(f' {key.replace("_", "-")}="{escape(_plain(value))}"' for key, value in attributes.items())
    return Markup(f"<{name}{written}>{''.join(map(escape, children))}</{name}>")


def text(x: float, y: float, words: str, *, anchor: str = "start", class_: str = "") -> Markup:
    return element("text", words, x=x, y=y, text_anchor=anchor, **({"class": class_} if class_ else {}))


def line(start: tuple[float, float], end: tuple[float, float], class_: str) -> Markup:
    return element("line", x1=start[0], y1=start[1], x2=end[0], y2=end[1], **{"class": class_})


def rect(x: float, y: float, width: float, height: float, class_: str) -> Markup:
    return element("rect", x=x, y=y, width=max(width, 0.0), height=height, **{"class": class_})


def drawing(canvas: Canvas, height: float, parts: Iterable[str]) -> Markup:
    """A whole <svg> with its title and description for those who do not see it."""
    key = f"{canvas.key}-{'narrow' if canvas.narrow else 'wide'}"
    return element(
        "svg",
        element("title", canvas.title, id=f"{key}-title"),
        element("desc", canvas.description, id=f"{key}-desc"),
        *parts,
        viewBox=f"0 0 {canvas.width} {_plain(float(height))}",
        role="img",
        aria_labelledby=f"{key}-title {key}-desc",
        **{"class": "chart narrow" if canvas.narrow else "chart wide"},
    )


def width_of(words: str, size: float = FONT) -> float:
    return len(words) * size * CHARACTER


def shorten(words: str, room: float, size: float = FONT) -> str:
    """`words` cut in the middle to fit: builds differ at both ends of their names."""
    most = max(4, int(room / (size * CHARACTER)))
    if len(words) <= most:
        return words
    head = (most - 1) // 2
    return f"{words[:head]}…{words[-(most - 1 - head) :]}"


def span(values: Sequence[float], *, start: float, end: float, zero: bool = False) -> Scale:
    """A scale that holds all values with a little room; logarithmic when they lie far apart, linear from 0 if asked."""
    low, high = min(values), max(values)
    if zero:
        return Scale(low=0.0, high=high * 1.02 or 1.0, start=start, end=end)
    if low > 0 and high / low > 4:
        return Scale(low=low / 1.12, high=high * 1.12, start=start, end=end, log=True)
    room = (high - low) * 0.08 or abs(high) * 0.05 or 0.5
    return Scale(low=low - room, high=high + room, start=start, end=end)


def x_axis(scale: Scale, top: float, bottom: float, name: str) -> list[Markup]:
    """Gridlines, tick labels that do not touch, and the name of the axis below them."""
    parts: list[Markup] = []
    free = -math.inf
    steps = scale.ticks(max(3, int(abs(scale.end - scale.start) / 70)))
    for value, words in zip(steps, tick_words(steps), strict=True):
        x = scale.at(value)
        parts.append(line((x, top), (x, bottom), "grid"))
        if x - width_of(words) / 2 > free:
            parts.append(text(x, bottom + 16, words, anchor="middle", class_="tick"))
            free = x + width_of(words) / 2 + 6
    middle = (scale.start + scale.end) / 2
    suffix = ", logarithmic" if scale.log else ""
    return [*parts, text(middle, bottom + 35, name + suffix, anchor="middle", class_="axis")]


def y_axis(scale: Scale, left: float, right: float, name: str) -> list[Markup]:
    parts: list[Markup] = []
    steps = scale.ticks(6)
    for value, words in zip(steps, tick_words(steps), strict=True):
        y = scale.at(value)
        parts.append(line((left, y), (right, y), "grid"))
        parts.append(text(left - 7, y + 4, words, anchor="end", class_="tick"))
    suffix = ", logarithmic" if scale.log else ""
    return [*parts, text(0, min(scale.start, scale.end) - 12, name + suffix, class_="axis")]


def tick_words(values: Sequence[float]) -> list[str]:
    """Tick labels; evenly spaced ones share their number of decimals."""
    plain = [f"{value:.10g}" for value in values]
    gaps = {round(b - a, 12) for a, b in pairwise(values)}
    if len(gaps) == 1 and all(abs(value) < 1e6 for value in values) and not any("e" in words for words in plain):
        decimals = max(len(words.partition(".")[2]) for words in plain)
        return [f"{value:,.{decimals}f}" for value in values]
    return [f"{value:,.10g}" for value in values]


def overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _linear_steps(low: float, high: float, most: int) -> list[float]:
    raw = (high - low) / max(1, most)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(multiple * power for multiple in (1, 2, 2.5, 5, 10) if multiple * power >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    count = int((high - first * step) / step + 1e-9) + 1
    return [(first + index) * step for index in range(count)]


def _plain(value: object) -> object:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else value
