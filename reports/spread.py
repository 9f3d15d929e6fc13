"""How the samples of a build lie: from every timed call to a box, a few dots and one line of words.

Described, not judged: these quantiles are of all samples together. The estimates with intervals, which count a
restart as one observation, come with the report.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.metrics import latency_samples_ms, on_cpu_samples_ms
from harness.records import Measurement, Record
from reports import rounding

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DOTS = 110
GOLDEN = 0.618034  # spreads the dots over the height of the lane without a pattern or chance


class Strip(Record, frozen=True, kw_only=True):
    """One lane, in milliseconds. dots: (sample, place in the lane from -1 to 1); medians: p50 of each restart."""

    count: int
    low: float
    p5: float
    p25: float
    p50: float
    p75: float
    p95: float
    p99: float
    high: float
    dots: tuple[tuple[float, float], ...]
    medians: tuple[float, ...]

    @property
    def words(self) -> str:
        shown = {name: rounding.number(getattr(self, name)) for name in ("p5", "p50", "p95", "p99", "high")}
        return (
            f"{rounding.count(self.count)} samples; p5 {shown['p5']}, p50 {shown['p50']}, p95 {shown['p95']}, "
            f"p99 {shown['p99']}, longest {shown['high']} ms"
        )


class Spread(Record, frozen=True, kw_only=True):
    """Both lanes of one build; on_cpu is None where the system does not tell the wait."""

    build: str
    runtime: str
    words: str
    wall: Strip
    on_cpu: Strip | None = None


def spread(measurement: Measurement, *, runtime: str, words: str = "") -> Spread | None:
    """None when there is no sample; words: a short line of figures that belongs to the build."""
    wall = _strip(latency_samples_ms(measurement))
    if wall is None:
        return None
    return Spread(
        build=measurement.variant,
        runtime=runtime,
        words=words,
        wall=wall,
        on_cpu=_strip(on_cpu_samples_ms(measurement)),
    )


def _strip(restarts: Sequence[NDArray[np.float64]] | None) -> Strip | None:
    import numpy as np

    filled = [np.sort(samples) for samples in restarts or () if len(samples)]
    if not filled:
        return None
    ordered = np.sort(np.concatenate(filled))
    at = {f"p{q}": _quantile(ordered, q / 100) for q in (5, 25, 50, 75, 95, 99)}
    return Strip(
        count=len(ordered),
        low=float(ordered[0]),
        high=float(ordered[-1]),
        dots=_dots(ordered),
        medians=tuple(_quantile(samples, 0.5) for samples in filled),
        **at,
    )


def _dots(ordered: NDArray[np.float64]) -> tuple[tuple[float, float], ...]:
    """All samples when they are few, else evenly spaced order statistics with both ends among them."""
    import numpy as np

    places = np.unique(np.linspace(0, len(ordered) - 1, DOTS).round().astype(int))
    return tuple((float(ordered[p]), 2 * (i * GOLDEN % 1) - 1) for i, p in enumerate(places))


def _quantile(ordered: NDArray[np.float64], share: float) -> float:
    """By linear interpolation between order statistics, without sorting once more."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (ordered[above] - ordered[below]) * (place - below))
