"""harness/stats.py against scipy, against simulated truth, and at its edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from harness import stats
from harness.stats import OPEN, Interval

RANDOM = np.random.default_rng


@pytest.mark.parametrize("df", [1, 2, 3, 4, 5, 9, 10, 19, 60, 401])
@pytest.mark.parametrize("p", [0.025, 0.5, 0.9, 0.975, 0.995, 0.99995])
def test_t_quantiles_are_those_of_scipy(p: float, df: int) -> None:
    assert stats.t_quantile(p, df) == pytest.approx(scipy_stats.t.ppf(p, df), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("n", "q"), [(10, 0.5), (60, 0.9), (250, 0.5), (250, 0.9), (400, 0.99), (1000, 0.95)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_quantile_interval_is_scipys_exact_one(n: int, q: float, confidence: float) -> None:
    samples = RANDOM(n).lognormal(size=n)
    test = scipy_stats.quantile_test(samples, q=float(np.quantile(samples, q)), p=q)
    theirs = test.confidence_interval(confidence)
    ours = stats.quantile_interval(samples, q, confidence)
    assert ours.low == pytest.approx(theirs.low, nan_ok=True)
    assert (math.nan if ours.high is None else ours.high) == pytest.approx(theirs.high, nan_ok=True)


def test_ranks_of_the_median_of_ten_are_the_ones_in_the_textbook() -> None:
    # Sign test table for n = 10 at 95 %: second smallest to second largest, 97.9 % exactly.
    assert stats.quantile_interval(range(1, 11), 0.5, 0.95) == Interval(2, 9)


@pytest.mark.parametrize(("q", "n"), [(0.5, 20), (0.9, 100), (0.99, 500)])
def test_quantile_interval_covers_the_true_quantile_as_often_as_it_says(q: float, n: int) -> None:
    random, truth = RANDOM(1), float(scipy_stats.lognorm.ppf(q, 0.5))
    covered = 0
    for _ in range(1500):
        interval = stats.quantile_interval(random.lognormal(0, 0.5, n), q, 0.95)
        covered += (interval.low or 0) <= truth and (interval.high is None or truth <= interval.high)
    # Exact, so at least nominal; order statistics are discrete, so somewhat more.
    assert covered / 1500 >= 0.94


def test_a_bound_that_the_samples_do_not_allow_is_none() -> None:
    assert stats.quantile_interval([], 0.5, 0.95) == OPEN
    assert stats.quantile_interval([1.0], 0.5, 0.95) == OPEN
    assert stats.quantile_interval(range(100), 0.99, 0.95).high is None
    assert stats.quantile_interval(range(100), 0.99, 0.95).low is not None


# The figures every engineer meets: bounds of p99, p95, p90 at 99 % and 95 %.
@pytest.mark.parametrize(
    ("q", "confidence", "n"),
    [(0.99, 0.99, 459), (0.95, 0.99, 90), (0.9, 0.99, 44), (0.99, 0.95, 299), (0.95, 0.95, 59), (0.9, 0.95, 29)],
)
def test_samples_needed_is_exactly_where_the_upper_bound_appears(q: float, confidence: float, n: int) -> None:
    assert stats.samples_needed(q, confidence) == n
    assert stats.quantile_bound(range(n), q, confidence, "upper") == n - 1
    assert stats.quantile_bound(range(n - 1), q, confidence, "upper") is None


@pytest.mark.parametrize("q", [0.01, 0.5, 0.9, 0.99])
def test_samples_needed_for_two_sides_is_where_the_interval_closes(q: float) -> None:
    n = stats.samples_needed(q, 0.95, sides=2)
    assert None not in stats.quantile_interval(range(n), q, 0.95)
    assert None in stats.quantile_interval(range(n - 1), q, 0.95)


def test_one_sided_lower_bound_is_tighter_than_the_two_sided_one() -> None:
    samples = RANDOM(3).normal(10, 1, 200)
    one, two = stats.quantile_bound(samples, 0.5, 0.95, "lower"), stats.quantile_interval(samples, 0.5, 0.95).low
    assert one is not None and two is not None and two < one < float(np.median(samples))


def test_restart_interval_is_t_on_logarithms() -> None:
    values = [1.0, 1.1, 1.3, 0.9, 1.05]
    low, high = scipy_stats.t.interval(0.95, 4, loc=np.mean(np.log(values)), scale=scipy_stats.sem(np.log(values)))
    ours = stats.restart_interval(values, 0.95)
    assert ours.low == pytest.approx(math.exp(low)) and ours.high == pytest.approx(math.exp(high))


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 0.0], [1.0, -2.0]])
def test_restart_interval_is_open_without_two_positive_values(values: list[float]) -> None:
    assert stats.restart_interval(values, 0.95) == OPEN


@pytest.mark.parametrize(("restarts", "runs"), [(3, 300), (5, 300), (25, 50)])
def test_clustered_interval_covers_where_the_pooled_one_fails(restarts: int, runs: int) -> None:
    """Restarts that differ by 5 % with calls that differ by 2 %: the usual machine."""
    random = RANDOM(restarts)
    covered = pooled = 0
    for _ in range(runs):
        levels = random.lognormal(0, 0.05, restarts)
        data = [level * random.lognormal(0, 0.02, 60) for level in levels]
        clustered = stats.clustered_quantile_interval(data, 0.5, 0.95)
        naive = stats.quantile_interval(np.concatenate(data), 0.5, 0.95)
        assert clustered.low is not None and clustered.high is not None
        assert naive.low is not None and naive.high is not None
        covered += clustered.low <= 1 <= clustered.high
        pooled += naive.low <= 1 <= naive.high
    assert covered / runs >= 0.90
    assert pooled / runs < 0.65


def test_clustered_interval_of_a_tail_stays_open_until_the_calls_reach_it() -> None:
    random = RANDOM(0)
    few = [random.normal(10, 1, 50) for _ in range(5)]
    many = [random.normal(10, 1, 80) for _ in range(5)]
    assert stats.clustered_quantile_interval(few, 0.99, 0.95).high is None
    assert stats.clustered_quantile_interval(many, 0.99, 0.95).high is not None
    assert stats.clustered_quantile_interval([], 0.5, 0.95) == OPEN


def test_cluster_bootstrap_agrees_with_scipys_bootstrap_of_the_restart_level() -> None:
    levels = RANDOM(4).lognormal(0, 0.1, 30)
    ours = stats.cluster_bootstrap_interval([[level] * 5 for level in levels], 0.5, 0.95)
    theirs = scipy_stats.bootstrap(
        (levels,), np.median, method="percentile", n_resamples=4000, rng=RANDOM(1)
    ).confidence_interval
    assert ours.low == pytest.approx(theirs.low, rel=0.02) and ours.high == pytest.approx(theirs.high, rel=0.02)


@pytest.mark.parametrize(("k", "n"), [(0, 20), (1, 20), (905, 1000), (1000, 1000)])
def test_wilson_interval_is_scipys(k: int, n: int) -> None:
    theirs = scipy_stats.binomtest(k, n).proportion_ci(0.95, "wilson")
    ours = stats.wilson_interval(k, n, 0.95)
    assert ours.low == pytest.approx(theirs.low, abs=1e-12) and ours.high == pytest.approx(theirs.high)


def test_no_samples_give_no_proportion() -> None:
    assert stats.wilson_interval(0, 0, 0.95) == OPEN == stats.paired_proportion_interval(0, 0, 0, 0.95)


@pytest.mark.parametrize(("gain", "loss"), [(0.01, 0.02), (0.05, 0.05), (0.002, 0.012)])
def test_paired_proportion_interval_covers(gain: float, loss: float) -> None:
    random, n = RANDOM(5), 400
    draws = random.multinomial(n, [gain, loss, 1 - gain - loss], size=2000)
    covered = [_holds(stats.paired_proportion_interval(int(g), int(k), n, 0.95), gain - loss) for g, k, _ in draws]
    assert np.mean(covered) >= 0.94


def test_pairing_decides_where_two_separate_intervals_cannot() -> None:
    # 1000 images, 900 against 899 right, 3 gained and 4 lost: one point of loss is excluded only by pairing.
    paired = stats.paired_proportion_interval(3, 4, 1000, 0.95)
    apart = stats.difference_interval(
        0.899, stats.wilson_interval(899, 1000, 0.95), 0.900, stats.wilson_interval(900, 1000, 0.95)
    )
    assert paired.low is not None and apart.low is not None
    assert paired.low > -0.01 > apart.low


def test_difference_interval_covers_and_is_narrower_than_bounds_taken_apart() -> None:
    random, covered = RANDOM(6), 0
    for _ in range(1500):
        a, b = random.normal(3, 1, 20), random.normal(2, 2, 20)
        parts = [
            Interval(*scipy_stats.t.interval(0.95, 19, loc=one.mean(), scale=scipy_stats.sem(one))) for one in (a, b)
        ]
        covered += _holds(stats.difference_interval(a.mean(), parts[0], b.mean(), parts[1], 1.5), 0.0)
    assert 0.93 <= covered / 1500 <= 0.975


def test_difference_of_exact_numbers_is_exact_and_open_sides_stay_open() -> None:
    exact = stats.difference_interval(5.0, Interval(5.0, 5.0), 2.0, Interval(2.0, 2.0), 2.0)
    assert exact == Interval(1.0, 1.0)
    assert stats.difference_interval(5.0, Interval(None, 6.0), 2.0, Interval(1.0, 3.0)).low is None
    assert stats.difference_interval(5.0, Interval(4.0, 6.0), 2.0, Interval(1.0, None)).low is None
    assert stats.difference_interval(5.0, Interval(4.0, 6.0), 2.0, Interval(1.0, None)).high is not None


def test_a_chain_of_small_steps_does_not_melt_into_one_group() -> None:
    # Each overlaps its neighbour; only the first two overlap the leader.
    chain = [Interval(1.0, 2.0), Interval(1.8, 2.8), Interval(2.6, 3.6), Interval(3.4, 4.4)]
    assert stats.overlap_ranks(chain) == [1, 1, 3, 3]


def test_ranks_count_like_a_competition_and_open_sides_tie() -> None:
    assert stats.overlap_ranks([Interval(1, 1), Interval(1, 1), Interval(2, 2), Interval(3, 3)]) == [1, 1, 3, 4]
    assert stats.overlap_ranks([Interval(1, 2), OPEN, Interval(3, None)]) == [1, 1, 3]
    assert stats.overlap_ranks([]) == []


def test_range_interval_says_with_what_confidence_it_holds_the_median() -> None:
    interval, confidence = stats.range_interval([3.0, 1.0, 2.0, 2.5, 1.5])
    assert interval == Interval(1.0, 3.0) and confidence == 1 - 2 / 2**5


def test_trend_of_one_series_is_kendalls_test() -> None:
    series = RANDOM(7).normal(10, 1, 40) + np.linspace(0, 1.5, 40)
    theirs = scipy_stats.kendalltau(range(40), series, method="asymptotic").pvalue
    # scipy leaves out the continuity correction, which makes ours slightly larger.
    assert theirs < stats.trend([series.tolist()]).p < theirs * 1.1


def test_trend_of_flat_restarts_is_rarely_significant_and_of_drifting_ones_nearly_always() -> None:
    random = RANDOM(8)
    levels = [1.0, 1.4, 0.8, 1.1, 1.2]

    def restarts(slope: float) -> list[list[float]]:
        ramp = 1 + slope * np.linspace(-0.5, 0.5, 8)
        return [(level * ramp * random.lognormal(0, 0.01, 8)).tolist() for level in levels]

    flat = [stats.trend(restarts(0.0)).p < 0.05 for _ in range(1000)]
    drifting = [stats.trend(restarts(0.06)) for _ in range(200)]
    assert 0.02 <= np.mean(flat) <= 0.07
    assert np.mean([one.p < 0.01 for one in drifting]) > 0.95
    assert np.mean([one.change for one in drifting]) == pytest.approx(0.06 * 4 / 7, rel=0.1)


def test_trend_without_enough_blocks_claims_nothing() -> None:
    assert stats.trend([]) == stats.trend([[1.0, 2.0, 3.0]]) == (0.0, 1.0)
    assert stats.trend([[1.0, 1.0, 1.0, 1.0]]).p == 1.0


def _holds(interval: Interval, truth: float) -> bool:
    assert interval.low is not None and interval.high is not None
    return interval.low <= truth <= interval.high
