"""Pure functions on samples: quantiles, intervals, trends, groups that cannot be told apart. numpy only.

The unit of repetition is the restart (one fresh process): calls of one process share its memory layout and its
neighbours, so an interval from calls alone is too narrow. Wherever restarts exist, intervals here are made from them.
A bound is None where the samples do not allow one at the asked confidence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

BOOTSTRAP_FROM_RESTARTS = 20
BOOTSTRAP_DRAWS = 1000
BOOTSTRAP_POINTS = 100


class Interval(NamedTuple):
    """Two bounds in the units of the samples; None: that side is not bounded by these samples."""

    low: float | None
    high: float | None

    def hull(self, other: Interval) -> Interval:
        """The narrowest interval that holds both; an open side stays open."""
        low = None if self.low is None or other.low is None else min(self.low, other.low)
        high = None if self.high is None or other.high is None else max(self.high, other.high)
        return Interval(low, high)

    def overlaps(self, other: Interval) -> bool:
        """Whether they share a point; an open side reaches everywhere."""
        below = self.high is not None and other.low is not None and self.high < other.low
        above = self.low is not None and other.high is not None and self.low > other.high
        return not (below or above)


OPEN = Interval(None, None)


class Trend(NamedTuple):
    """change: the second half against the first, as a share (0.05: 5 % more); p: two-sided, of no trend."""

    change: float
    p: float


# --- quantiles of one set of samples ------------------------------------------------------------------


def quantile(samples: ArrayLike, q: float) -> float:
    """The q-quantile by linear interpolation between order statistics (Hyndman and Fan's type 7)."""
    return float(np.quantile(np.asarray(samples, dtype=np.float64), q))


def quantile_interval(samples: ArrayLike, q: float, confidence: float) -> Interval:
    """Two-sided, distribution-free interval of the q-quantile from order statistics.

    [X(l), X(u)] with the largest l such that P(Bin(n, q) < l) <= a and the smallest u such that P(Bin(n, q) >= u) <= a,
    a = (1 - confidence) / 2. Exact for independent samples of any continuous distribution
    (David and Nagaraja, Order Statistics, 2003, section 7.1).
    """
    ordered = np.sort(np.asarray(samples, dtype=np.float64), axis=None)
    low, high = _order_ranks(ordered.size, q, (1 - confidence) / 2)
    return Interval(
        float(ordered[low - 1]) if low >= 1 else None, float(ordered[high - 1]) if high <= ordered.size else None
    )


def quantile_bound(samples: ArrayLike, q: float, confidence: float, side: Literal["lower", "upper"]) -> float | None:
    """One-sided bound of the q-quantile: at or beyond it with `confidence`; same method as `quantile_interval`."""
    interval = quantile_interval(samples, q, 2 * confidence - 1)
    return interval.low if side == "lower" else interval.high


def samples_needed(q: float, confidence: float, sides: Literal[1, 2] = 1) -> int:
    """Fewest samples from which the q-quantile gets a bound on its far side.

    The largest of n samples exceeds the q-quantile with 1 - q**n, so n = ceil(log(a) / log(q)) with
    a = (1 - confidence) / sides; for q < 0.5 the smallest counts, with 1 - q in place of q. p99 at 99 %: 459.
    """
    return math.ceil(math.log((1 - confidence) / sides) / math.log(max(q, 1 - q)) - 1e-9)


@lru_cache(maxsize=1024)
def _order_ranks(n: int, q: float, tail: float) -> tuple[int, int]:
    """1-based ranks (l, u) of `quantile_interval`; 0 and n + 1 stand for "there is none"."""
    if n == 0:
        return 0, 1
    k = np.arange(n + 1)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    log_pmf = log_factorial[n] - log_factorial - log_factorial[::-1] + k * math.log(q) + (n - k) * math.log1p(-q)
    pmf = np.exp(log_pmf)
    below = np.concatenate([[0.0], np.cumsum(pmf)])  # below[l] = P(Bin < l)
    at_least = np.concatenate([np.cumsum(pmf[::-1])[::-1], [0.0]])  # at_least[u] = P(Bin >= u)
    # The tiny allowance keeps a tail that is equal on paper from being lost to rounding.
    allowed = tail * (1 + 1e-9)
    low = int(np.flatnonzero(below <= allowed)[-1])
    high = int(np.flatnonzero(at_least <= allowed)[0])
    return min(low, n), max(high, 1)


# --- several restarts ---------------------------------------------------------------------------------


def restart_interval(values: ArrayLike, confidence: float) -> Interval:
    """Interval of what a fresh process gives, from one positive value per restart.

    exp(mean(log v) -+ t(R - 1) * sd(log v) / sqrt(R)): Student's t on logarithms, because times spread by factors.
    Open for fewer than two restarts and for values that have no logarithm.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.size < 2 or numbers.min() <= 0:
        return OPEN
    logs = np.log(numbers)
    half = t_quantile((1 + confidence) / 2, numbers.size - 1) * float(logs.std(ddof=1)) / math.sqrt(numbers.size)
    centre = float(logs.mean())
    return Interval(math.exp(centre - half), math.exp(centre + half))


def cluster_bootstrap_interval(restarts: Sequence[ArrayLike], q: float, confidence: float, seed: int = 0) -> Interval:
    """Percentile interval of the pooled q-quantile when whole restarts are drawn with replacement.

    Each restart stands for itself with `BOOTSTRAP_POINTS` mid-quantiles, so restarts weigh alike. Sound from about
    20 restarts on; below that a percentile bootstrap is too narrow (Davison and Hinkley, 1997, sections 3.8, 5.3).
    """
    middles = (np.arange(BOOTSTRAP_POINTS) + 0.5) / BOOTSTRAP_POINTS
    points = np.stack([np.quantile(np.asarray(r, dtype=np.float64), middles) for r in restarts])
    random = np.random.default_rng(seed)
    count = len(restarts)
    drawn = [
        np.quantile(points[random.integers(0, count, count)], q, overwrite_input=True) for _ in range(BOOTSTRAP_DRAWS)
    ]
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))


def clustered_quantile_interval(restarts: Sequence[ArrayLike], q: float, confidence: float) -> Interval:
    """Interval of the q-quantile of all calls of all restarts.

    The hull of two intervals, since either alone can be too narrow: that of the pooled calls by order statistics (it
    knows how far the samples reach into the tail) and that of the restarts (it knows how much a fresh process changes):
    Student's t on the logarithm of each restart's quantile, from `BOOTSTRAP_FROM_RESTARTS` on the cluster bootstrap.
    One restart: the first alone.
    """
    arrays = [np.asarray(restart, dtype=np.float64) for restart in restarts]
    within = quantile_interval(np.concatenate(arrays) if arrays else np.empty(0), q, confidence)
    if len(arrays) < 2:
        return within
    if len(arrays) >= BOOTSTRAP_FROM_RESTARTS:
        return within.hull(cluster_bootstrap_interval(arrays, q, confidence))
    return within.hull(restart_interval([quantile(array, q) for array in arrays], confidence))


def range_interval(values: Sequence[float]) -> tuple[Interval, float]:
    """[smallest, largest] of n values, and the confidence 1 - 2**(1 - n) with which it holds the median.

    For what hardly varies, such as peak memory, where the largest seen is itself the figure of interest.
    """
    return Interval(min(values), max(values)), 1 - 2.0 ** (1 - len(values))


# --- proportions --------------------------------------------------------------------------------------


def wilson_interval(successes: float, n: int, confidence: float) -> Interval:
    """Score interval of a proportion (Wilson, 1927): stays in [0, 1] and holds for few samples."""
    if n < 1:
        return OPEN
    z = normal_quantile((1 + confidence) / 2)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Interval(max(0.0, centre - half), min(1.0, centre + half))


def paired_proportion_interval(gained: int, lost: int, n: int, confidence: float) -> Interval:
    """Interval of the change of a proportion on the same n samples: gained became right, lost became wrong.

    Only the samples on which the two disagree carry the uncertainty, so it is narrower than two separate intervals.
    Adjusted Wald interval of Bonett and Price (2012): p = (count + 1) / (n + 2),
    (p_gained - p_lost) -+ z * sqrt((p_gained + p_lost - (p_gained - p_lost)**2) / (n + 2)), cut to [-1, 1].
    """
    if n < 1:
        return OPEN
    up, down = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    half = normal_quantile((1 + confidence) / 2) * math.sqrt((up + down - (up - down) ** 2) / (n + 2))
    return Interval(max(-1.0, up - down - half), min(1.0, up - down + half))


# --- two estimates, many estimates --------------------------------------------------------------------


def difference_interval(
    value: float, interval: Interval, other: float, other_interval: Interval, factor: float = 1.0
) -> Interval:
    """Interval of `value - factor * other` for independent estimates, factor >= 0.

    Method of variance estimates recovery (Zou and Donner, 2008): low = d - sqrt((v - v_low)**2 + (f (o_high - o))**2),
    high mirrored. Exact numbers are estimates with low = high = value.
    """
    centre = value - factor * other
    low = high = None
    if interval.low is not None and other_interval.high is not None:
        low = centre - math.hypot(value - interval.low, factor * (other_interval.high - other))
    if interval.high is not None and other_interval.low is not None:
        high = centre + math.hypot(interval.high - value, factor * (other - other_interval.low))
    return Interval(low, high)


def overlap_ranks(intervals: Sequence[Interval]) -> list[int]:
    """Ranks of estimates that stand best first, equal where they cannot be told from the leader of their group.

    The first opens group 1. Each next one joins the open group while its interval overlaps that of the group's
    *leader*; the first that does not opens a new group. So a chain of small steps never melts into one blob: everyone
    in a group is within the noise of its best. Ranks are those of a competition: 1, 1, 3.
    """
    ranks: list[int] = []
    leader = 0
    for place, interval in enumerate(intervals):
        if not interval.overlaps(intervals[leader]):
            leader = place
        ranks.append(leader + 1)
    return ranks


def trend(series: Sequence[Sequence[float]]) -> Trend:
    """Whether positive values drift with time, from one series (block medians, say) per restart.

    Kendall's S summed over the restarts, its variance likewise, with ties (the seasonal test of Hirsch and Slack,
    1982): levels of different restarts are never compared. The change is the median over restarts of
    median(second half) / median(first half) - 1. Series of fewer than four values are left out; with none, (0, 1).
    """
    usable = [np.asarray(one, dtype=np.float64) for one in series if len(one) >= 4]
    if not usable:
        return Trend(0.0, 1.0)
    score = sum(_kendall_s(one) for one in usable)
    variance = sum(_kendall_variance(one) for one in usable)
    steps = [np.log(np.median(one[-(one.size // 2) :]) / np.median(one[: one.size // 2])) for one in usable]
    change = math.expm1(float(np.median(steps)))
    if variance == 0 or score == 0:
        return Trend(change, 1.0)
    z = (abs(score) - 1) / math.sqrt(variance)  # S moves in steps of two: continuity correction
    return Trend(change, min(1.0, 2 * (1 - NormalDist().cdf(z))))


def _kendall_s(values: Floats) -> float:
    return float(np.sign(values[None, :] - values[:, None])[np.triu_indices(values.size, 1)].sum())


def _kendall_variance(values: Floats) -> float:
    n = values.size
    _, ties = np.unique(values, return_counts=True)
    return float(n * (n - 1) * (2 * n + 5) - (ties * (ties - 1) * (2 * ties + 5)).sum()) / 18


# --- quantiles of distributions -----------------------------------------------------------------------


def normal_quantile(p: float) -> float:
    """The p-quantile of the standard normal distribution."""
    return NormalDist().inv_cdf(p)


@lru_cache(maxsize=1024)
def t_quantile(p: float, df: int) -> float:
    """The p-quantile of Student's t with a whole number of degrees of freedom, to 1e-12 relative, by bisection."""
    if p < 0.5:
        return -t_quantile(1 - p, df)
    low, high = 0.0, 1.0
    while _t_cdf(high, df) < p:
        low, high = high, high * 2
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if _t_cdf(middle, df) < p else (low, middle)
    return (low + high) / 2


def _t_cdf(t: float, df: int) -> float:
    """For t >= 0: the finite series of Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    theta = math.atan2(t, math.sqrt(df))
    sin, cos = math.sin(theta), math.cos(theta)
    first = 1 if df % 2 == 0 else 2
    total, term = (1.0, 1.0) if df % 2 == 0 else (cos, cos)
    for k in range(first, df - 2, 2):
        term *= k / (k + 1) * cos * cos
        total += term
    inside = sin * total if df % 2 == 0 else 2 / math.pi * (theta + (sin * total if df > 1 else 0.0))
    return 0.5 + inside / 2
