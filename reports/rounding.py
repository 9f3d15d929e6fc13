"""Numbers -> text: three significant digits, intervals rounded outwards, never a digit that means nothing."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

from harness.records import Estimate, Record

DIGITS = 3
NEAR_ONE_DECIMALS = 6
OPEN = "?"  # too few samples to say where this end of the interval lies


class Figure(Record, frozen=True, kw_only=True):
    """One number, ready to be shown. value: for sorting and drawing, in the unit of the text.

    low, high: the ends of the interval, "" without one. half: the wider side of the interval, for `± half`.
    ends: the interval unrounded, twice the value without one.
    """

    value: float
    text: str
    ends: tuple[float, float]
    low: str = ""
    high: str = ""
    half: str = ""
    confidence: float = 0.95

    @property
    def interval(self) -> str:
        return f"{self.low} to {self.high}" if self.low else ""

    @property
    def with_half(self) -> str:
        return f"{self.text} ± {self.half}" if self.half else self.text


def number(value: float, digits: int = DIGITS) -> str:
    """`value` with so many significant digits and thousands separated: 0.0124, 12.4, 1,240."""
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else "∞" if value > 0 else "-∞"
    if value == 0:
        return "0"
    if not 1e-4 <= abs(value) < 1e9:
        return f"{value:.{digits - 1}e}"
    return _at(value, _decimals(value, digits), ROUND_HALF_EVEN)


def share(value: float) -> str:
    """A share from 0 to 1 in percent; 0 and 100 are kept for none and all."""
    if value in (0, 1):
        return f"{value * 100:.0f}\u00a0%"
    if not 0.001 <= value <= 0.999:
        return "<\u00a00.1\u00a0%" if value < 0.5 else ">\u00a099.9\u00a0%"
    return f"{_at(value * 100, 1 if value < 0.0995 or value > 0.9 else 0, ROUND_HALF_EVEN)}\u00a0%"


def count(value: int) -> str:
    return f"{value:,}"


def limit(value: float) -> str:
    """A limit as it was written where that is short, else (it follows from a baseline) with four digits."""
    if value == int(value):
        return count(int(value))
    written = f"{value:.6g}"
    return written if float(written) == value else number(value, 4)


def seconds(value: float) -> str:
    """A duration for people: 8.4 s, 75 s, 12 min 5 s, 2 h 3 min."""
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def figure(estimate: Estimate, *, near_one: bool = False) -> Figure:
    """An estimate as text; its interval is rounded outwards, to the decimals of the value.

    near_one: for shares such as an accuracy or a cosine; just below 1 it keeps two digits of the distance to 1.
    """
    value, decimals = estimate.value, None
    if near_one and 0.99 < value < 1:
        decimals = min(NEAR_ONE_DECIMALS, 1 - math.floor(math.log10(1 - value)))
        text = _at(value, decimals, ROUND_FLOOR)
    elif math.isfinite(value) and (value == 0 or 1e-4 <= abs(value) < 1e9):
        decimals = _decimals(value, DIGITS) if value else DIGITS
        text = _at(value, decimals, ROUND_HALF_EVEN)
    else:
        text = number(value)
    low, high = estimate.low, estimate.high
    ends = (value if low is None else low, value if high is None else high)
    if (low is None and high is None) or low == high or decimals is None:
        return Figure(value=value, text=text, ends=ends, confidence=estimate.confidence)
    return Figure(
        value=value,
        text=text,
        ends=ends,
        low=OPEN if low is None else _at(low, decimals, ROUND_FLOOR),
        high=OPEN if high is None else _at(high, decimals, ROUND_CEILING),
        half=OPEN if low is None or high is None else _at(max(value - low, high - value), decimals, ROUND_CEILING),
        confidence=estimate.confidence,
    )


def exact(estimate: Estimate) -> Figure:
    """A count, such as bytes, with every digit."""
    value = estimate.value
    return Figure(value=value, text=count(round(value)), ends=(value, value), confidence=estimate.confidence)


def _decimals(value: float, digits: int) -> int:
    """Decimals that leave so many significant digits; negative above 10**digits. 9.996 counts as 10.0."""
    exponent = math.floor(math.log10(abs(value)))
    if round(abs(value) / 10**exponent, digits - 1) >= 10:
        exponent += 1
    return digits - 1 - exponent


def _at(value: float, decimals: int, rounding: str) -> str:
    if not math.isfinite(value):
        return number(value)
    rounded = Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-decimals), rounding=rounding)
    return f"{rounded:,.{max(0, decimals)}f}"
