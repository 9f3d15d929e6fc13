"""Side-by-side comparisons in words: what was found, and how it was come by."""

from __future__ import annotations

from harness.records import Comparison, Record, Report

VERDICTS = {
    "faster": "is faster than",
    "slower": "is slower than",
    "same": "is as fast as",
    "inconclusive": "cannot be told from",
}


class Duel(Record, frozen=True, kw_only=True):
    """One comparison as text. effect: of b against a, with its interval."""

    a: str
    b: str
    verdict: str
    effect: str
    interval: str
    method: str
    reason: str

    @property
    def sentence(self) -> str:
        return f"{self.b} {self.verdict} {self.a}: {self.effect} ({self.interval})"


def rows(report: Report) -> tuple[Duel, ...]:
    return tuple(duel(comparison) for comparison in report.comparisons)


def duel(found: Comparison) -> Duel:
    """The verdict, the effect and the method of one comparison."""
    effect = found.effect
    interval = "no interval yet"
    if effect.low is not None and effect.high is not None:
        interval = f"{signed(effect.low)} to {signed(effect.high)}, {100 * effect.confidence:.4g} % sure"
    method = (
        f"{found.clock} time, {effect.samples} pairs of live processes in {found.seconds:.0f} s; "
        f"false alarms at most {100 * found.alpha:.3g} %"
    )
    if found.wait_share is not None:
        method += f"; {found.wait_share:.0%} of the time went by in the run queue and is not counted"
    return Duel(
        a=found.a,
        b=found.b,
        verdict=VERDICTS[found.outcome],
        effect=signed(effect.value) if found.log_ratios else "no effect known",
        interval=interval,
        method=method,
        reason=found.reason,
    )


def signed(share: float) -> str:
    """A change as signed percent: +2.04 %, -53.9 %."""
    return f"{100 * share:+.3g} %"
