"""Does a build keep its pace when it is called for minutes? Levels of a long run, and what they amount to. numpy only.

Classes and procedure follow Barrett et al., "Virtual machine warmup blows hot and cold" (OOPSLA 2017): change points
cut the run into segments, those like the last one are its steady state, and what came before says how it got there.
On-CPU times where they are known, else wall times; always through their logarithm, so that levels are shares of each
other.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness import stats
from harness.records import Estimate, Sustained
from harness.stats import Floats, Interval

WINDOW_SECS = 30.0  # what "first" and "last" mean, or a third of a shorter run
BATCHES = 6  # neighbouring blocks are alike: a window is so many observations, however many blocks it has
SHORTEST = 5  # blocks in a segment
SAME = 0.02  # levels closer than this share are one level
SETTLED_SHARE = 0.25  # of the run that the last level has to last to be a steady state
_OUTLIER_WIDTH, _OUTLIER_SDS, _LEAST_SD = 9, 4.0, 2e-4

Kind = Literal["flat", "warm-up", "slow-down", "no steady state", "too short"]


class Segment(NamedTuple):
    """Blocks start..stop - 1 of one level, in ms."""

    start: int
    stop: int
    level_ms: float


class Course(NamedTuple):
    """What became of a run. settled: first block of its last level, even where that is no steady state."""

    kind: Kind
    segments: tuple[Segment, ...]
    settled: int

    @property
    def fastest(self) -> Segment:
        return min(self.segments, key=lambda segment: segment.level_ms)

    @property
    def last(self) -> Segment:
        return self.segments[-1]


def series(run: Sustained) -> Floats:
    """Milliseconds of one call per block: on-CPU where it is known, else wall."""
    return np.asarray(run.on_cpu_ms or run.wall_ms, dtype=np.float64)


def duration_secs(run: Sustained) -> float:
    """From the start of the first block to the end of the last, which is taken to be as long as most."""
    starts = run.start_secs
    return starts[-1] - starts[0] + float(np.median(np.diff(starts))) if len(starts) > 1 else 0.0


def course(run: Sustained) -> Course:
    """How the run went.

    flat: one level throughout. warm-up: everything before the steady state was slower. slow-down: something before it
    was faster. no steady state: the last level has not lasted for a quarter of the run.
    """
    times = series(run)
    if times.size < 2 * SHORTEST or times.min() <= 0:
        whole = (Segment(0, times.size, float(np.median(times))),) if times.size else ()
        return Course("too short", whole, 0)
    cuts = [0, *change_points(_without_outliers(np.log(times))), times.size]
    segments = tuple(Segment(start, stop, float(np.median(times[start:stop]))) for start, stop in pairwise(cuts))
    steps = [math.log(segment.level_ms / segments[-1].level_ms) for segment in segments]
    unlike = [number for number, step in enumerate(steps) if abs(step) > SAME]
    settled = segments[unlike[-1] + 1].start if unlike else 0
    return Course(_kind([steps[number] for number in unlike], 1 - settled / times.size), segments, settled)


def _kind(unlike: list[float], settled_share: float) -> Kind:
    """unlike: of the segments that are not like the last, the logarithm of their level over its."""
    if not unlike:
        return "flat"
    if settled_share < SETTLED_SHARE:
        return "no steady state"
    return "warm-up" if min(unlike) > 0 else "slow-down"


def change_points(values: ArrayLike, shortest: int = SHORTEST) -> list[int]:
    """Where the mean of a series changes: the first index of every segment but the first.

    Optimal partitioning (Jackson et al., 2005; PELT finds the same with less work): the segmentation with the least
    sum of squares about segment means + `penalty` per change, no segment shorter than `shortest`.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.size < 2 * shortest:
        return []
    cost_of_change = penalty(x)
    x = x - x.mean()  # the sums below lose nothing to a large mean
    sums, squares = (np.concatenate([[0.0], np.cumsum(terms)]) for terms in (x, x * x))
    best = np.full(x.size + 1, np.inf)
    best[0] = -cost_of_change
    before = np.zeros(x.size + 1, dtype=np.int64)
    for end in range(shortest, x.size + 1):
        starts = np.arange(end - shortest + 1)
        cost = squares[end] - squares[starts] - (sums[end] - sums[starts]) ** 2 / (end - starts)
        total = best[starts] + cost + cost_of_change
        before[end] = int(np.argmin(total))
        best[end] = total[before[end]]
    found: list[int] = []
    end = int(before[x.size])
    while end > 0:
        found.append(end)
        end = int(before[end])
    return found[::-1]


def penalty(values: ArrayLike) -> float:
    """3 log(n) times the long-run variance of the noise, which levels and their changes leave alone.

    Differences tell it: those at lag 1 have the variance 2 s^2 (1 - r), those at lag 2 2 s^2 (1 - r^2), for noise of
    variance s^2 whose neighbours correlate with r (AR(1)); the mean of many values then varies as if each had
    s^2 (1 + r) / (1 - r). Both by 1.4826 MAD; r is held between 0 and 0.8. Taking r for 0 finds changes in three of
    ten series of mere noise at r = 0.3, a common value for a shared machine.
    """
    x = np.asarray(values, dtype=np.float64)
    first = _noise_sd(x, 1)
    correlation = min(0.8, max(0.0, (_noise_sd(x, 2) / first) ** 2 - 1))
    variance = first**2 / (1 - correlation)
    return 3 * math.log(max(x.size, 2)) * variance * (1 + correlation) / (1 - correlation)


def _noise_sd(x: Floats, lag: int = 1) -> float:
    steps = x[lag:] - x[:-lag]
    if not steps.size:
        return _LEAST_SD
    return max(_LEAST_SD, 1.4826 * float(np.median(np.abs(steps - np.median(steps)))) / math.sqrt(2))


def _without_outliers(x: Floats) -> Floats:
    """Single blocks far from their neighbours' median are moved towards it: a lone disturbance is no level."""
    padded = np.pad(x, _OUTLIER_WIDTH // 2, mode="symmetric")
    middles = np.median(np.lib.stride_tricks.sliding_window_view(padded, _OUTLIER_WIDTH), axis=1)
    reach = _OUTLIER_SDS * _noise_sd(x)
    return np.clip(x, middles - reach, middles + reach)


# --- figures ------------------------------------------------------------------------------------------


def estimates(run: Sustained, confidence: float) -> dict[str, Estimate]:
    """The p50 of the first and the last half minute, and how much slower the last is, as a share.

    Intervals are of this one process: Student's t on the logarithms of batches of neighbouring blocks (batch means,
    Law and Kelton, 1991), for the slow-down with the variances of both windows added and 2 (BATCHES - 1) degrees of
    freedom.
    """
    first, last = (_batches(series(run)[window]) for window in windows(run))
    if not first.size or not last.size or min(first.min(), last.min()) <= 0:
        return {}
    found = {}
    for name, batches, window in zip(("first", "last"), (first, last), windows(run), strict=True):
        blocks = series(run)[window]
        interval = stats.restart_interval(batches, confidence)
        found[f"sustained_ms.p50_{name}"] = _estimate(float(np.median(blocks)), interval, confidence, blocks.size)
    ratio = found["sustained_ms.p50_last"].value / found["sustained_ms.p50_first"].value
    interval = _slowdown_interval(np.log(first), np.log(last), confidence)
    found["sustained_slowdown"] = _estimate(ratio - 1, interval, confidence, len(run.start_secs))
    return found


def windows(run: Sustained) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which blocks began in the first, and in the last, half minute (or third of a shorter run)."""
    starts, length = np.asarray(run.start_secs, dtype=np.float64), duration_secs(run)
    width = min(WINDOW_SECS, length / 3)
    since = starts - (starts[0] if starts.size else 0.0)
    return since < width, since >= length - width


def _batches(blocks: Floats) -> Floats:
    parts = np.array_split(blocks, min(BATCHES, max(1, blocks.size)))
    return np.asarray([np.median(part) for part in parts if part.size], dtype=np.float64)


def _slowdown_interval(first: Floats, last: Floats, confidence: float) -> Interval:
    if min(first.size, last.size) < 2:
        return stats.OPEN
    spread = math.sqrt(first.var(ddof=1) / first.size + last.var(ddof=1) / last.size)
    half = stats.t_quantile((1 + confidence) / 2, first.size + last.size - 2) * spread
    step = float(last.mean() - first.mean())
    return Interval(math.expm1(step - half), math.expm1(step + half))


def _estimate(value: float, interval: Interval, confidence: float, samples: int) -> Estimate:
    """The interval is widened to hold the value, a median where its centre is a mean."""
    low = None if interval.low is None else min(interval.low, value)
    high = None if interval.high is None else max(interval.high, value)
    return Estimate(value=value, low=low, high=high, confidence=confidence, samples=samples)
