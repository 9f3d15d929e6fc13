"""harness/paired.py against scipy's tests, and what it does on pairs whose truth is known."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from scipy import stats as scipy_stats

from harness import paired
from harness.paired import Plan

PLAN = Plan()


def pairs(seed: int, n: int, *, shift: float = 0.0, wild: float = 0.05) -> np.ndarray:
    """Log ratios as measured on a busy machine: 1 % noise, a few pairs gone wild."""
    random = np.random.default_rng(seed)
    return math.log1p(shift) + np.where(random.random(n) < wild, random.normal(0, 0.15, n), random.normal(0, 0.01, n))


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("seed", range(4))
def test_sign_flip_is_scipys_exact_permutation_test_of_the_clipped_sum(seed: int, alternative: str) -> None:
    x = pairs(seed, 10, shift=0.005)
    clipped = np.clip(x, *(np.array([-1.5, 1.5]) * np.median(np.abs(x))))
    theirs = scipy_stats.permutation_test(
        (clipped,), np.sum, permutation_type="samples", alternative=alternative, n_resamples=np.inf
    )
    assert paired.sign_flip(x, alternative) == pytest.approx(theirs.pvalue)  # type: ignore[arg-type]


def test_random_flips_agree_with_all_of_them() -> None:
    x = pairs(5, 16, shift=0.01, wild=0.0)
    bound = 1.5 * np.median(np.abs(x))
    clipped = np.clip(x, -bound, bound)
    sums = np.array(list(itertools.product([-1, 1], repeat=16))) @ clipped
    exact = float(np.mean(np.abs(sums) >= abs(clipped.sum()) - 1e-12))
    assert 0.001 < exact < 0.3  # the case says something
    assert paired.sign_flip(x) == pytest.approx(exact, abs=4 * math.sqrt(exact / 8191))


@pytest.mark.parametrize("comparisons", [1, 60])
def test_a_run_with_many_comparisons_can_still_tell_a_change_and_has_its_interval(comparisons: int) -> None:
    plan = Plan(alpha=0.01 / comparisons)
    decision = paired.look(list(pairs(7, 20, shift=-0.2, wild=0.0)), plan)
    assert decision.outcome == "faster"
    assert decision.low is not None and decision.high is not None
    assert decision.low < decision.effect < decision.high < -0.15
    same = paired.look(list(pairs(7, 40, wild=0.0)), plan)
    assert same.outcome == "same" and same.low is not None and same.low < 0 < (same.high or 0)


def test_the_smallest_p_is_two_in_two_to_the_n() -> None:
    assert paired.sign_flip([0.1] * 8) == 2 / 2**8
    assert paired.sign_flip([0.1] * 8, "greater") == 1 / 2**8
    assert paired.sign_flip([0.1] * 8, "less") == 1.0
    assert paired.sign_flip([0.0] * 8) == paired.sign_flip([]) == 1.0


def test_one_wild_pair_does_not_hide_a_slowdown_that_wilcoxon_and_t_cannot_see() -> None:
    x = np.array([0.030, 0.028, 0.033, 0.031, 0.027, 0.032, 0.029, 0.030, 0.031, 0.026, 0.034, -0.5])
    assert paired.sign_flip(x) < 0.01
    assert scipy_stats.ttest_1samp(x, 0).pvalue > 0.5
    assert scipy_stats.wilcoxon(x).pvalue > 0.01


@pytest.mark.parametrize("n", [8, 10, 12, 16])
def test_false_alarms_stay_at_the_level_asked_for_also_with_wild_pairs(n: int) -> None:
    alarms = [paired.sign_flip(pairs(seed, n, wild=0.1)) <= 0.05 for seed in range(600)]
    assert np.mean(alarms) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 600)


def test_effect_interval_covers_the_true_effect() -> None:
    truth = math.log1p(0.02)
    found = [paired.effect_interval(pairs(seed, 10, shift=0.02), 0.95) for seed in range(200)]
    covered = [i.low is not None and i.high is not None and i.low <= truth <= i.high for i in found]
    assert np.mean(covered) >= 0.92


def test_effect_interval_and_test_say_the_same() -> None:
    for seed in range(40):
        x = pairs(seed, 12, shift=0.007)
        interval = paired.effect_interval(x, 0.99)
        assert interval.low is not None and interval.high is not None
        excluded = not interval.low <= 0 <= interval.high
        one_sided = min(paired.sign_flip(x, "greater"), paired.sign_flip(x, "less"))
        assert excluded == (one_sided <= 0.005)


def test_effect_interval_of_few_pairs_is_open() -> None:
    assert paired.effect_interval([0.1] * 5, 0.99) == (None, None)
    assert paired.effect_interval([], 0.99) == (None, None)


def test_effect_estimate_hardly_moves_when_a_pair_goes_wild() -> None:
    x = np.array([0.019, 0.020, 0.021, 0.018, 0.022, 0.020, 0.5])
    assert paired.effect_estimate(x) == pytest.approx(0.020, abs=0.002)


def test_pair_statistic_is_the_median_log_ratio_of_neighbouring_blocks() -> None:
    # The machine slows down threefold on the way, alike for both sides; one block of B was hit.
    a = [[100, 101, 99], [200, 202, 198], [300, 299, 301]]
    b = [[103, 103, 103], [900, 900, 900], [309, 309, 309]]
    assert paired.pair_statistic(a, b) == pytest.approx(math.log(1.03))


def test_pair_statistic_refuses_sides_of_different_length() -> None:
    with pytest.raises(ValueError, match="zip"):
        paired.pair_statistic([[1]], [[1], [2]])


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]), ([0.5, 0.9], [1.0, 1.0]), ([], []), ([0.02], [0.02])],
)
def test_holm_adjusts_step_down(p_values: list[float], adjusted: list[float]) -> None:
    assert paired.holm(p_values) == pytest.approx(adjusted)


def test_holm_keeps_the_error_of_a_family_and_beats_bonferroni() -> None:
    random = np.random.default_rng(0)
    families = [[*random.random(8).tolist(), 1e-5] for _ in range(2000)]
    false = [any(p <= 0.05 for p in paired.holm(family)[:8]) for family in families]
    assert np.mean(false) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)
    assert all(
        mine <= min(1.0, 9 * p) for family in families for mine, p in zip(paired.holm(family), family, strict=True)
    )


def test_comparing_a_build_with_itself_rarely_cries_wolf() -> None:
    found = [_compare(seed, shift=0.0) for seed in range(300)]
    outcomes = Counter(decision.outcome for decision in found)
    assert outcomes["slower"] + outcomes["faster"] <= 7  # 1 % of 300 is 3
    assert outcomes["same"] >= 290


@pytest.mark.parametrize(("shift", "wanted"), [(0.04, "slower"), (-0.04, "faster")])
def test_four_per_cent_are_found_in_the_right_direction_and_soon(shift: float, wanted: str) -> None:
    found = [_compare(seed, shift=shift) for seed in range(150)]
    assert np.mean([decision.outcome == wanted for decision in found]) >= 0.98
    assert np.mean([decision.pairs for decision in found]) < 12
    assert np.mean([decision.effect for decision in found]) == pytest.approx(shift, abs=0.002)


def test_a_real_change_below_the_minimum_effect_is_no_alarm() -> None:
    x = np.full(10, math.log1p(0.005)) + np.linspace(-1e-4, 1e-4, 10)
    assert paired.sign_flip(x) < PLAN.alpha_per_look
    assert paired.look(x.tolist(), PLAN).outcome == "same"


def test_pairs_all_over_the_place_end_inconclusive_after_the_last_look() -> None:
    random = np.random.default_rng(2)
    decision = paired.compare(lambda: float(random.normal(0.02, 0.2)), PLAN)
    assert (decision.outcome, decision.pairs) == ("inconclusive", PLAN.looks[-1])
    assert decision.low is not None and decision.high is not None
    assert decision.low < -0.03 and decision.high > 0.03


def test_pairs_are_only_measured_as_long_as_they_are_needed() -> None:
    asked = iter(pairs(1, 20, shift=0.2, wild=0.0).tolist())
    assert paired.compare(lambda: next(asked), PLAN).pairs == 10
    assert len(list(asked)) == 10


def test_a_look_that_was_not_planned_is_refused() -> None:
    with pytest.raises(ValueError, match="11 pairs"):
        paired.look([0.0] * 11, PLAN)


def test_non_inferiority_is_shown_only_below_the_margin() -> None:
    below, at, above = (pairs(3, 12, shift=shift, wild=0.0) for shift in (0.0, 0.03, 0.06))
    assert paired.not_above(below, 0.03) < 0.01
    assert paired.not_above(at, 0.03) > 0.05
    assert paired.not_above(above, 0.03) > 0.9
    assert paired.not_below(above, 0.03) < 0.01


def _compare(seed: int, *, shift: float) -> paired.Decision:
    x = iter(pairs(seed + 10_000, PLAN.looks[-1], shift=shift).tolist())
    return paired.compare(lambda: next(x), PLAN)
