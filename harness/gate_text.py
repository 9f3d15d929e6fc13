"""How a gate is written: one line of text -> Gate. Spaces are free::

gate    = metric op operand
op      = "<=" | "<" | ">=" | ">"
operand = number [unit]                         latency_ms.p90 <= 30 ms
        | "baseline" [("+" | "-") number [unit]]   accuracy >= baseline - 0.01
        | number ("x" | "*") "baseline"         size_bytes <= 0.5 x baseline
"""

from __future__ import annotations

import difflib
import math
import operator
import re
from typing import Literal, get_args

from harness.errors import ExperimentError
from harness.metrics import ACCURACY, CHANGE, METRICS
from harness.records import Record
from harness.registry import nearest

Operator = Literal["<=", "<", ">=", ">"]
_COMPARE = {"<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt}
Form = Literal["number", "offset", "factor"]

_SIZES = {"b": 1.0, "bytes": 1.0, "kb": 2.0**10, "mb": 2.0**20, "gb": 2.0**30}
_TIMES = {"us": 1e-3, "ms": 1.0, "s": 1e3}
# Unit of the metric -> how much of it one of each accepted unit is.
UNITS: dict[str, dict[str, float]] = {
    "ms": _TIMES,
    "MB": {unit: size / 2**20 for unit, size in _SIZES.items()},
    "B": _SIZES,
    "dB": {"db": 1.0},
    "mJ": {"uj": 1e-3, "mj": 1.0, "j": 1e3},
    "": {"%": 0.01},
}
_SHARES = ("top1_agreement", "delegated_macs_share", "cosine", "sustained_slowdown")

_NAME = re.compile(r"[A-Za-z_][\w.]*")
_OPERATOR = re.compile(r"<=|>=|<|>")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_BASELINE = re.compile(r"baseline(?!\w)")
_TIMES_SIGN = re.compile(r"[x*×](?=\s*baseline)")
_SIGN = re.compile(r"[+-]")
_UNIT = re.compile(r"[A-Za-z]+|%")
_SPACE = re.compile(r"\s*")


class Gate(Record, frozen=True, kw_only=True):
    """A gate, read. text: in the one spelling that verdicts carry. number: in the unit of the metric; the limit itself,
    or what is added to the baseline's value (`offset`), or what it is multiplied with (`factor`)."""

    text: str
    metric: str
    operator: Operator
    form: Form
    number: float

    @property
    def relative(self) -> bool:
        return self.form != "number"

    @property
    def wants_less(self) -> bool:
        return self.operator in ("<", "<=")

    def holds(self, value: float, limit: float) -> bool:
        """Whether a number satisfies the gate."""
        return bool(_COMPARE[self.operator](value, limit))

    def limit(self, baseline: float) -> float:
        """The number that the build's is held against."""
        if self.form == "factor":
            return self.number * baseline
        return self.number + (baseline if self.form == "offset" else 0.0)


def parse(text: str) -> Gate:
    """Read one gate; raises ExperimentError that shows where the text went wrong and names the nearest metric.

    A plain name that is in no table may be the model's own task metric: `check` decides once the model is known.
    """
    reader = _Reader(text)
    metric = reader.take(_NAME, "the name of a metric, such as latency_ms.p90")
    _check_metric(metric, text)
    sign = reader.take(_OPERATOR, "one of <= < >= >")
    form: Form = "number"
    spelled = ""
    if reader.peek(_BASELINE):
        reader.take(_BASELINE, "")
        form, spelled, number = "offset", "baseline", 0.0
        if not reader.at_end:
            plus = reader.take(_SIGN, "+ or - and a number, or nothing, after `baseline`")
            number, words = _quantity(reader, metric, relative=True)
            number, spelled = (-number if plus == "-" else number), f"baseline {plus} {words}"
    else:
        number, spelled = _quantity(reader, metric, relative=False)
        if reader.peek(_TIMES_SIGN):
            reader.take(_TIMES_SIGN, "")
            reader.take(_BASELINE, "`baseline`")
            form, spelled = "factor", f"{spelled} x baseline"
    reader.end()
    _check_number(form, number, text)
    canonical = f"{metric} {sign} {spelled}"
    return Gate(text=canonical, metric=metric, operator=_operator(sign), form=form, number=number)


class _Reader:
    """The text of a gate, taken from the left; complains with the column and what stands there."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._skip()

    @property
    def at_end(self) -> bool:
        return self._at == len(self._text)

    def peek(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        return found[0] if found else ""

    def take(self, pattern: re.Pattern[str], expected: str) -> str:
        found = self.peek(pattern)
        if not found:
            raise self.error(expected)
        self._at += len(found)
        self._skip()
        return found

    def end(self) -> None:
        if not self.at_end:
            raise self.error("the end of the gate")

    def error(self, expected: str) -> ExperimentError:
        rest = "the end" if self.at_end else repr(self._text[self._at :])
        return ExperimentError(
            f"gate {self._text!r}: expected {expected}, found {rest} (column {self._at + 1})",
            remedy="write it like `latency_ms.p90 <= 30` or `accuracy >= baseline - 0.01` or "
            "`size_bytes <= 0.5 x baseline`",
        )

    def _skip(self) -> None:
        found = _SPACE.match(self._text, self._at)
        self._at = found.end() if found else self._at


def _quantity(reader: _Reader, metric: str, *, relative: bool) -> tuple[float, str]:
    """A number with its unit, in the unit of the metric, and how it was spelled."""
    digits = reader.take(_NUMBER, "a number" if relative else "a number or `baseline`")
    if reader.peek(_TIMES_SIGN) or not reader.peek(_UNIT):
        return float(digits), digits
    known = METRICS.get(metric)
    units = UNITS[known.unit] if known else UNITS[""]
    unit = reader.peek(_UNIT)
    if unit == "%" and relative:
        raise reader.error("a difference, or a factor such as `0.95 x baseline`")
    if known and known.unit == "" and metric not in _SHARES:
        units = {}
    if unit.lower() not in units:
        accepted = f"a unit of {metric} ({', '.join(units)})" if units else f"the end, since {metric} has no unit"
        raise reader.error(accepted)
    reader.take(_UNIT, "")
    return float(digits) * units[unit.lower()], f"{digits} {unit}"


def _check_metric(metric: str, text: str) -> None:
    """Known, or a plain word that is not nearly a known one."""
    if metric in METRICS or metric in (ACCURACY, ACCURACY + CHANGE):
        return
    starts = [name for name in METRICS if name.startswith(metric)]
    typo = difflib.get_close_matches(metric, (*METRICS, ACCURACY), n=1, cutoff=0.8)
    if starts or typo or "." in metric:
        raise ExperimentError(
            f"gate {text!r}: unknown metric {metric!r}{nearest(metric, starts or (*METRICS, ACCURACY))}",
            remedy=f"known: {', '.join((*METRICS, ACCURACY))}, or the model's own task metric",
        )


def _check_number(form: Form, number: float, text: str) -> None:
    if not math.isfinite(number):
        raise ExperimentError(f"gate {text!r}: the number is too large")
    if form == "factor" and number <= 0:
        raise ExperimentError(f"gate {text!r}: the factor of the baseline is {number:g}, and must be above 0")


def _operator(text: str) -> Operator:
    return next(known for known in get_args(Operator) if known == text)
