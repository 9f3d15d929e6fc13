"""Doubts about what lasts: a build that slows down when it is called for minutes, and energy that cannot be told.

Each function takes Facts and returns what was seen, in words with figures, or "" when there is no such doubt.
"""

from __future__ import annotations

import numpy as np

from harness import energy, steady
from harness.facts import Facts
from harness.figures import percent
from harness.gate_scope import rules
from harness.records import Sustained
from harness.steady import Course

CLOCK_FELL = 0.03  # a fixed loop that takes longer by more than this share


def throttled(facts: Facts) -> str:
    """Slower than it was, and so is the fixed loop beside it."""
    run = _sustained(facts)
    words = _slower(run) if run else ""
    fell = _canary_change(run, steady.course(run)) if run and words else None
    return f"{words}; a fixed loop takes {percent(fell)} longer" if fell is not None and fell > CLOCK_FELL else ""


def slows_down(facts: Facts) -> str:
    """Slower than it was, while the fixed loop is not, or was not timed."""
    run = _sustained(facts)
    words = _slower(run) if run else ""
    return words if run and words and not throttled(facts) else ""


def no_steady_state(facts: Facts) -> str:
    run = _sustained(facts)
    if run is None:
        return ""
    found = steady.course(run)
    if found.kind != "no steady state":
        return ""
    secs = steady.duration_secs(run)
    lasted = secs - (run.start_secs[found.settled] - run.start_secs[0])
    return f"{len(found.segments)} levels in {secs:.0f} s, the last for {lasted:.0f} s"


def energy_unknown(facts: Facts) -> str:
    """There are readings that allow no figure, or none although the experiment asks about energy."""
    measured = facts.measured
    if measured is None:
        return ""
    trace = energy.of_measurement(measured)
    if trace is not None:
        return energy.estimate(trace, facts.experiment.confidence).reason
    if facts.experiment.settings.energy_secs:
        return measured.device.facts.get("energy", "no energy counter was read")
    asked = {facts.experiment.rank_by, *(rule.gate.metric for rule in rules(facts.experiment))}
    return measured.device.facts.get("energy", "no energy counter was read") if "energy_mj" in asked else ""


def _sustained(facts: Facts) -> Sustained | None:
    return facts.measured.sustained if facts.measured else None


def _slower(run: Sustained) -> str:
    """A steady level above a faster one before it; or none that is steady, and the end beyond doubt above the start."""
    found = steady.course(run)
    slowdown = steady.estimates(run, 0.95).get("sustained_slowdown")
    ends_slower = slowdown is not None and slowdown.low is not None and slowdown.low > steady.SAME
    if found.kind != "slow-down" and not (found.kind == "no steady state" and ends_slower):
        return ""
    best, last = found.fastest, found.last
    start, stop = (run.start_secs[min(at, len(run.start_secs) - 1)] for at in (best.start, best.stop))
    return (
        f"from {best.level_ms:.3g} ms ({start:.0f} to {stop:.0f} s) to {last.level_ms:.3g} ms at the end of "
        f"{steady.duration_secs(run):.0f} s: {percent(last.level_ms / best.level_ms - 1)} slower"
    )


def _canary_change(run: Sustained, found: Course) -> float | None:
    """The fixed loop at the last level against at the fastest, as a share; None where it was not timed."""
    if not run.canary_us:
        return None
    best, last = (np.median(run.canary_us[part.start : part.stop]) for part in (found.fastest, found.last))
    return float(last / best - 1)
