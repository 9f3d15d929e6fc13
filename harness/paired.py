"""Is B slower than A? Pairs of processes, an exact test, and looks that stop early without crying wolf. numpy only.

A pair is one process of each side, warm, taking turns in short blocks. Its statistic is the logarithm of the ratio
B / A (`pair_statistic`), so 0.0296 is 3 % slower. What makes the test exact is that the sides are assigned to the slots
of a pair (who starts, who times the first block) at random: under "no difference" every sign is as likely as the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from harness.records import Record
from harness.stats import OPEN, Floats, Interval

Alternative = Literal["two-sided", "greater", "less"]
Outcome = Literal["faster", "slower", "same", "undecided", "inconclusive"]

CLIP_AT = 1.5  # times the median magnitude; keeps one wild pair from drowning the others
ENUMERATE_UP_TO = 12
RANDOM_FLIPS, MOST_FLIPS = 2**13 - 1, 2**16 - 1
FLIPS_PER_ALPHA = 4  # expected beyond the mark where p is alpha; with too few no p is ever small enough
BISECTIONS = 50


class Plan(Record, frozen=True, kw_only=True):
    """How a comparison may end. looks: after how many pairs it is looked at; alpha: chance of a false alarm over all
    looks together; minimum_effect: smaller changes, as a share, are no alarm; margin: the same within this share."""

    looks: tuple[int, ...] = (10, 14, 20, 28, 40)
    alpha: float = 0.01
    minimum_effect: float = 0.01
    margin: float = 0.03

    @property
    def alpha_per_look(self) -> float:
        """Bonferroni: looks are few and their tests lean on the same pairs, so little is lost."""
        return self.alpha / len(self.looks)


class Decision(Record, frozen=True, kw_only=True):
    """What a look found. effect: B against A as a share (0.03: 3 % slower), with an interval that
    holds with 1 - alpha over all looks together; p: two-sided, of no difference. `undecided` asks for more pairs,
    `inconclusive` had them all."""

    outcome: Outcome
    effect: float
    low: float | None
    high: float | None
    p: float
    pairs: int


def pair_statistic(a: Sequence[ArrayLike], b: Sequence[ArrayLike]) -> float:
    """log(B / A) of one pair from its blocks, in the order they were timed: the median over blocks of
    log(median of B's block) - log(median of A's). Neighbouring blocks share the state of the machine."""
    ratios = [
        math.log(float(np.median(np.asarray(one_b)))) - math.log(float(np.median(np.asarray(one_a))))
        for one_a, one_b in zip(a, b, strict=True)
    ]
    return float(np.median(ratios))


def sign_flip(x: ArrayLike, alternative: Alternative = "two-sided", flips: int = RANDOM_FLIPS) -> float:
    """p-value of "x is as likely as -x" (Fisher's randomization test for pairs), from n pair statistics.

    T = sum of x clipped to -+1.5 median|x|, against the same sum under all 2**n choices of signs (n <= 12), or under
    `flips` random ones with (count + 1) / (flips + 1) beyond. Clipping looks at |x| only, which no flip changes, so the
    test stays exact; the smallest p is 2 / 2**n two-sided: n = 8 is the first that can reach 1 %.
    """
    values = np.asarray(x, dtype=np.float64)
    if values.size == 0:
        return 1.0
    bound = CLIP_AT * float(np.median(np.abs(values)))
    clipped = np.clip(values, -bound, bound)
    observed, flipped = float(clipped.sum()), _signs(values.size, flips) @ clipped
    slack = 1e-9 * float(np.abs(clipped).sum())  # sums that are equal on paper count as equal
    if alternative == "two-sided":
        extreme = int((np.abs(flipped) >= abs(observed) - slack).sum())
    elif alternative == "greater":
        extreme = int((flipped >= observed - slack).sum())
    else:
        extreme = int((flipped <= observed + slack).sum())
    if values.size <= ENUMERATE_UP_TO:
        return extreme / flipped.size
    return (extreme + 1) / (flipped.size + 1)


def effect_estimate(x: ArrayLike) -> float:
    """The centre of x: median of all pairwise means, each x with itself included (Hodges and Lehmann, 1963). Nearly as
    sharp as the mean, and a third of the pairs may be wild."""
    values = np.asarray(x, dtype=np.float64)
    first, second = np.triu_indices(values.size)
    return float(np.median((values[first] + values[second]) / 2))


def effect_interval(x: ArrayLike, confidence: float) -> Interval:
    """All shifts that `sign_flip` does not reject at 1 - confidence: the test turned into an interval, by bisection.
    Open where n pairs are too few to reject anything."""
    values = np.asarray(x, dtype=np.float64)
    tail = (1 - confidence) / 2
    if values.size == 0 or _smallest_p(values.size, flips_for(tail)) > tail:
        return OPEN
    return Interval(-_upper_shift(-values, tail), _upper_shift(values, tail))


def flips_for(alpha: float) -> int:
    """So many random choices of signs that a test at `alpha` can reject; many comparisons at once have a small one."""
    return min(MOST_FLIPS, max(RANDOM_FLIPS, (1 << math.ceil(math.log2(FLIPS_PER_ALPHA / alpha))) - 1))


def not_above(x: ArrayLike, limit: float, flips: int = RANDOM_FLIPS) -> float:
    """p-value of "the effect is `limit` or more" (a share: 0.03), small when B is shown to be below it: non-inferiority
    with the margin `limit`. The one-sided sign-flip test on x - log(1 + limit)."""
    return sign_flip(np.asarray(x, dtype=np.float64) - math.log1p(limit), "less", flips)


def not_below(x: ArrayLike, limit: float, flips: int = RANDOM_FLIPS) -> float:
    """p-value of "the effect is `limit` or less", small when B is shown to be above it."""
    return sign_flip(np.asarray(x, dtype=np.float64) - math.log1p(limit), "greater", flips)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values for many comparisons at once (Holm, 1979), in the given order: rejecting those <= alpha keeps
    the chance of any false alarm in the family at alpha."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for done, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - done) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def look(x: Sequence[float], plan: Plan) -> Decision:
    """What the pairs so far allow to say, with the effect and its interval; len(x) is one of plan.looks."""
    low, high = effect_interval(x, 1 - plan.alpha_per_look)
    return Decision(
        outcome=outcome(x, plan),
        effect=math.expm1(effect_estimate(x)),
        low=None if low is None else math.expm1(low),
        high=None if high is None else math.expm1(high),
        p=sign_flip(x, flips=flips_for(plan.alpha_per_look)),
        pairs=len(x),
    )


def outcome(x: Sequence[float], plan: Plan) -> Outcome:
    """The outcome alone, without the interval, which takes a hundred tests; len(x) is one of plan.looks.

    faster / slower: the two-sided test rejects at alpha per look and the effect is above the minimum one.
    same: the effect is shown to lie within -+margin, each side at alpha per look (two one-sided tests, Schuirmann,
    1987); a change that is real but below the minimum counts as same only in this way.
    Neither: undecided, and at the last look inconclusive.
    """
    if len(x) not in plan.looks:
        raise ValueError(f"{len(x)} pairs: the plan looks at {plan.looks} only, or its alpha would not hold")
    alpha, effect = plan.alpha_per_look, math.expm1(effect_estimate(x))
    flips = flips_for(alpha)
    if sign_flip(x, flips=flips) <= alpha and abs(effect) >= plan.minimum_effect:
        return "slower" if effect > 0 else "faster"
    if not_above(x, plan.margin, flips) <= alpha and not_below(x, -plan.margin, flips) <= alpha:
        return "same"
    return "inconclusive" if len(x) == plan.looks[-1] else "undecided"


def compare(measure_pair: Callable[[], float], plan: Plan) -> Decision:
    """Take pairs, from one look to the next, until something can be said or the plan is at its end."""
    x: list[float] = []
    for pairs in plan.looks:
        x += [measure_pair() for _ in range(pairs - len(x))]
        if outcome(x, plan) != "undecided":
            break
    return look(x, plan)


@lru_cache(maxsize=8)
def _signs(n: int, flips: int) -> Floats:
    """Sign vectors [2**n or flips, n]; the random ones are the same in every run."""
    if n <= ENUMERATE_UP_TO:
        bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    else:
        bits = np.random.default_rng(n).integers(0, 2, (flips, n))
    return (1.0 - 2.0 * bits).astype(np.float64)


def _smallest_p(n: int, flips: int) -> float:
    """The smallest one-sided p that n pairs can give."""
    return 1 / 2**n if n <= ENUMERATE_UP_TO else 1 / (flips + 1)


def _upper_shift(values: Floats, tail: float) -> float:
    """The largest shift d such that x - d is not yet shown to be below 0."""
    spread = float(values.max() - values.min()) or abs(float(values[0])) or 1.0
    inside, outside, flips = float(values.min()), float(values.max()) + spread, flips_for(tail)
    for _ in range(BISECTIONS):
        middle = (inside + outside) / 2
        if sign_flip(values - middle, "less", flips) > tail:
            inside = middle
        else:
            outside = middle
    return outside
