"""One gate held against one build.

Intervals are judged, not points: a gate passes when the whole interval clears the limit, fails when none of it does,
and is not judged in between, with what would help. For a gate on the baseline the interval is that of the difference
build - limit(baseline), so that both sides' noise counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

from harness import stats
from harness.caveats import CAVEATS, CURED_BY_PAIRS, casts_doubt
from harness.figures import estimate_text, value_text
from harness.gate_scope import baseline_of
from harness.gate_text import Gate
from harness.metrics import CHANGE, PROPORTIONS, QUANTILES, RESTARTS_FOR_MEMORY, Metric
from harness.records import Caveat, Estimate, Experiment, Outcome, Standing, Verdict
from harness.stats import Interval

TIMES = ("latency", "on_cpu", "start")
TOO_CLOSE = 100.0  # times the samples there are: no longer a question of patience


class Case(NamedTuple):
    """One gate for one build. baseline: the build it is held against, where the gate speaks of one."""

    gate: Gate
    standing: Standing
    baseline: Standing | None
    experiment: Experiment
    metric: Metric

    @property
    def observed(self) -> Estimate | None:
        return self.standing.metrics.get(self.gate.metric)

    @property
    def reference(self) -> Estimate | None:
        return self.baseline.metrics.get(self.gate.metric) if self.baseline else None

    @property
    def change(self) -> Estimate | None:
        """The score less the baseline's, where it is known as such."""
        return self.standing.metrics.get(self.gate.metric + CHANGE) if self.gate.relative else None

    @property
    def side_by_side(self) -> bool:
        """Whether the change was measured in pairs of live processes, which share whatever drifts or disturbs."""
        return self.change is not None and self.metric.kind in TIMES

    @property
    def baseline_id(self) -> str:
        return baseline_of(self.experiment, self.standing.variant)


def verdict(case: Case) -> Verdict:
    """Pass, fail or not judged, with the reason in words and figures."""
    missing = _missing(case)
    if missing or case.observed is None:
        return _as_verdict(case, "not judged", missing)
    margin = _margin(case, case.observed)
    outcome = _outcome(case.gate, margin)
    doubts = _doubts(case)
    if doubts and not _stands(case, outcome, doubts):
        return _as_verdict(case, "not judged", _doubt_words(doubts))
    words = f"{estimate_text(case.metric, case.observed)}, the limit is {_limit_words(case)}"
    if outcome == "not judged":
        words = f"{words}: {_undecided_words(case, case.observed, margin)}"
    if doubts:
        words = f"{words}; {', '.join(doubt.id for doubt in doubts)} cannot change that"
    return _as_verdict(case, outcome, words)


def _as_verdict(case: Case, outcome: Outcome, reason: str) -> Verdict:
    return Verdict(
        gate=case.gate.text,
        variant=case.standing.variant,
        outcome=outcome,
        observed=case.observed,
        limit=_limit(case),
        reason=reason,
    )


def _limit(case: Case) -> float | None:
    if case.gate.relative:
        return case.gate.limit(case.reference.value) if case.reference else None
    return case.gate.number


def _missing(case: Case) -> str:
    """Why there is no number to judge; "" when there is."""
    failure = case.standing.failure
    if failure is not None:
        return f"no numbers: {failure.stage} failed: {failure.reason}"
    if case.observed is None:
        return f"{case.metric.label} is not known for this build{_why_unknown(case.standing)}"
    if not case.gate.relative or case.reference is not None:
        return ""
    failure = case.baseline.failure if case.baseline else None
    why = f": {failure.stage} failed: {failure.reason}" if failure else ""
    return f"the baseline {case.baseline_id} has no {case.metric.label}{why}"


def _why_unknown(standing: Standing) -> str:
    causes = ("WAIT-UNKNOWN", "NO-REFERENCE", "NO-LABELS", "ENERGY-UNKNOWN")
    details = [caveat.detail for caveat in standing.caveats if caveat.id in causes]
    return f" ({'; '.join(details)})" if details else ""


class _Margin(NamedTuple):
    """Build less limit: its value and interval; n: how many samples or restarts stand behind it."""

    value: float
    interval: Interval


def _margin(case: Case, observed: Estimate) -> _Margin:
    """Of paired scores where there are some (same samples, so most noise cancels), else of two independent estimates.

    Rounding errors of the subtraction are cut, so that 0.89 does satisfy `>= baseline - 0.01` at a baseline of 0.90.
    """
    own, reference = Interval(observed.low, observed.high), case.reference
    change = case.change
    if reference is None:
        value, interval = observed.value, own
        shift = case.gate.number
    elif change is not None:
        value, interval = change.value, Interval(change.low, change.high)
        shift = case.gate.limit(reference.value) - reference.value
    else:
        factor = case.gate.number if case.gate.form == "factor" else 1.0
        shift = 0.0 if case.gate.form == "factor" else case.gate.number
        value = observed.value - factor * reference.value
        base = Interval(reference.low, reference.high)
        interval = stats.difference_interval(observed.value, own, reference.value, base, factor)
    scale = 1e-12 * (abs(observed.value) + abs(shift))
    low, high = (None if bound is None else _snap(bound - shift, scale) for bound in interval)
    return _Margin(_snap(value - shift, scale), Interval(low, high))


def _snap(value: float, scale: float) -> float:
    return 0.0 if abs(value) <= scale else value


def _outcome(gate: Gate, margin: _Margin) -> Outcome:
    """Pass when the whole interval clears, fail when none of it does. A side that is not known decides nothing."""
    low, high = margin.interval
    near, far = (high, low) if gate.wants_less else (low, high)
    if near is not None and gate.holds(near, 0.0):
        return "pass"
    if far is not None and not gate.holds(far, 0.0):
        return "fail"
    return "not judged"


# --- doubts -------------------------------------------------------------------------------------------


def _doubts(case: Case) -> list[Caveat]:
    held_against = case.baseline.caveats if case.baseline else ()
    found = {caveat.id: caveat for caveat in (*held_against, *case.standing.caveats)}
    return [
        caveat
        for caveat in found.values()
        if casts_doubt(caveat, case.gate.metric)
        and caveat.id not in case.experiment.accept
        and not (case.side_by_side and caveat.id in CURED_BY_PAIRS)
    ]


def _stands(case: Case, outcome: Outcome, doubts: Sequence[Caveat]) -> bool:
    """Whether the outcome would be the same whatever is true within the doubts.

    What fails has failed, even if the build is not what it seems. A time held against a fixed limit stands when it
    still does with its interval stretched as far as the doubts reach; any other doubted number does not stand.
    """
    rows = [CAVEATS.get(caveat.id) for caveat in doubts]
    rows = [row for row in rows if not (row and row.everything and outcome == "fail")]
    reaches = [row.true_within for row in rows if row and row.true_within]
    if outcome == "not judged" or case.observed is None:
        return False
    if not rows:
        return True
    if len(reaches) < len(rows) or case.gate.relative or case.metric.kind not in TIMES:
        return False
    low, high = case.observed.low, case.observed.high
    stretched = msgspec.structs.replace(
        case.observed,
        low=None if low is None else low * min(reach[0] for reach in reaches),
        high=None if high is None else high * max(reach[1] for reach in reaches),
    )
    return _outcome(case.gate, _margin(case, stretched)) == outcome


def _doubt_words(doubts: Sequence[Caveat]) -> str:
    seen = "; ".join(f"{caveat.id}: {caveat.detail or caveat.summary}" for caveat in doubts)
    ids = ", ".join(caveat.id for caveat in doubts)
    return f"{seen}; {doubts[0].advice}, or judge all the same with `accept: [{ids}]`"


# --- words --------------------------------------------------------------------------------------------


def _limit_words(case: Case) -> str:
    limit = _limit(case)
    shown = value_text(case.metric, limit) if limit is not None else "not known"
    if case.reference is None:
        return shown
    words = f"{shown} (baseline {case.baseline_id}: {estimate_text(case.metric, case.reference)})"
    if case.change is not None:
        how = f"in {case.change.samples} pairs side by side" if case.side_by_side else "on the same samples"
        words += f"; {how} the change is {estimate_text(case.metric, case.change)}"
    return words


def _undecided_words(case: Case, observed: Estimate, margin: _Margin) -> str:
    """What would help: what is missing for a bound, else how many samples would make the interval short enough."""
    if case.side_by_side and case.change is not None:
        return f"{case.change.samples} pairs leave it open; measure on a quieter machine, or move the limit"
    name = case.gate.metric.rpartition(".")[2]
    unbounded = None in (observed.low, observed.high)
    if unbounded and name in QUANTILES and case.metric.kind in ("latency", "on_cpu"):
        return _samples_words(case, observed, name)
    if case.metric.kind == "sustained":
        secs = case.experiment.settings.sustained_secs
        return f"{secs:g} s leave it open; measure for longer (settings.sustained_secs), or move the limit"
    if unbounded and case.metric.kind == "memory":
        return f"the range of peak memory takes {RESTARTS_FOR_MEMORY} restarts (settings.restarts)"
    if None in margin.interval:
        return "one restart does not show how much the next one differs; raise settings.restarts"
    if case.metric.kind == "memory":
        return "some restarts are above and some below; find out what varies, or move the limit"
    factor = _times_more(margin)
    if factor > TOO_CLOSE:
        return "too close to call; move the limit"
    if case.gate.metric in PROPORTIONS or case.metric.kind == "quality":
        return f"about {_round_up(observed.samples * factor)} evaluation samples would decide (now {observed.samples})"
    restarts = case.experiment.settings.restarts
    return f"about {math.ceil(restarts * factor)} restarts would decide (settings.restarts, now {restarts})"


def _samples_words(case: Case, observed: Estimate, name: str) -> str:
    needed = stats.samples_needed(QUANTILES[name], observed.confidence, sides=2)
    restarts = case.experiment.settings.restarts
    side: Literal["upper", "lower"] = "upper" if observed.high is None else "lower"
    return (
        f"{name} of {observed.samples} samples has no {side} bound at {observed.confidence:.0%}; it takes {needed} "
        f"(settings.num_runs: {math.ceil(needed / restarts)} with {restarts} restarts)"
    )


def _times_more(margin: _Margin) -> float:
    """By how much more data the interval would just clear the limit, its length shrinking with the square root."""
    low, high = margin.interval
    if margin.value == 0 or low is None or high is None:
        return math.inf
    half = high - margin.value if margin.value < 0 else margin.value - low
    return (half / margin.value) ** 2


def _round_up(samples: float) -> int:
    """To two significant digits: it is an estimate."""
    step = int(10 ** max(0, math.floor(math.log10(samples)) - 1))
    return math.ceil(samples / step - 1e-6) * step
