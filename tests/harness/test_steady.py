"""harness/steady.py: change points against another library, classes against simulated truth, figures with coverage."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import ruptures

from harness import steady
from tests.fakes import lasting
from tests.fakes.lasting import levels


def random_steps(seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    values = random.normal(0, 0.01, int(random.integers(12, 150)))
    for _ in range(random.integers(0, 5)):
        values[random.integers(0, values.size) :] += random.normal(0, 0.05)
    return values


@pytest.mark.parametrize("seed", range(12))
def test_change_points_are_those_of_ruptures(seed: int) -> None:
    values = random_steps(seed)
    pelt = ruptures.Pelt(model="l2", min_size=steady.SHORTEST, jump=1).fit(values)
    assert steady.change_points(values) == pelt.predict(pen=steady.penalty(values))[:-1]


def test_the_series_of_that_test_have_changes_to_find() -> None:
    found = [len(steady.change_points(random_steps(seed))) for seed in range(12)]
    assert max(found) >= 3 and min(found) == 0


@pytest.mark.parametrize("count", [0, 1, 4, 9])
def test_a_series_too_short_for_two_segments_has_no_change(count: int) -> None:
    assert steady.change_points([1.0] * (count // 2) + [9.0] * (count - count // 2)) == []


def test_a_change_is_found_where_it_is() -> None:
    assert steady.change_points([0.0] * 40 + [1.0] * 40) == [40]
    noisy = np.log(levels((100, 10.0), (80, 11.0))) + lasting.noise(180, 0.01)
    (found,) = steady.change_points(noisy)
    assert abs(found - 100) <= 1


def test_a_constant_series_and_one_of_two_values_have_no_change() -> None:
    assert steady.change_points([3.0] * 50) == []
    assert steady.change_points([3.0, 3.0001] * 25) == []


@pytest.mark.parametrize(("correlation", "sd"), [(0.0, 0.5), (0.0, 2.0), (0.4, 0.5)])
def test_the_noise_is_told_whatever_the_levels(correlation: float, sd: float) -> None:
    """Its long-run variance, s^2 (1 + r) / (1 - r), with a step in the middle."""
    found = []
    for seed in range(60):
        values = lasting.noise(300, sd, correlation=correlation, seed=seed)
        values[150:] += 20
        found.append(steady.penalty(values) / (3 * math.log(300)))
    assert np.median(found) == pytest.approx(sd**2 * (1 + correlation) / (1 - correlation), rel=0.3)


@pytest.mark.parametrize(("correlation", "most"), [(0.0, 0.02), (0.3, 0.08)])
def test_mere_noise_is_rarely_anything_but_flat(correlation: float, most: float) -> None:
    """Runs of 180 s with block medians 2 % apart; of 2,000, none and 2 % were called something else."""
    kinds = Counter(
        steady.course(lasting.run(10 * np.exp(lasting.noise(180, 0.02, correlation=correlation, seed=seed)), sd=0)).kind
        for seed in range(120)
    )
    assert 1 - kinds["flat"] / 120 <= most


KNOWN: list[tuple[str, np.ndarray]] = [
    ("flat", levels((180, 10.0))),
    ("flat", levels((90, 10.0), (90, 10.1))),  # a percent is the same level
    ("warm-up", levels((20, 12.0), (160, 10.0))),
    ("warm-up", 10 * (1 + 0.5 * np.exp(-np.arange(180) / 8))),
    ("slow-down", levels((60, 10.0), (120, 11.0))),
    ("slow-down", levels((20, 12.0), (60, 10.0), (100, 11.0))),  # warms up, then throttles
    ("slow-down", levels((30, 10.0), (30, 11.0), (30, 12.0), (90, 13.0))),
    ("no steady state", 10 * (1 + np.arange(180) / 300)),
    ("no steady state", levels(*([(15, 10.0), (15, 12.0)] * 6))),
    ("no steady state", levels((150, 10.0), (30, 12.0))),
]


@pytest.mark.parametrize(("kind", "truth"), KNOWN)
def test_runs_of_known_course_are_called_by_it(kind: str, truth: np.ndarray) -> None:
    kinds = Counter(steady.course(lasting.run(truth, seed=seed)).kind for seed in range(20))
    assert kinds[kind] >= 19  # type: ignore[index]


def test_a_lone_disturbed_block_is_no_level() -> None:
    times = levels((180, 10.0))
    times[[40, 41, 90, 179]] *= 3
    assert steady.course(lasting.run(times)).kind == "flat"


def test_levels_and_their_ends_are_told() -> None:
    found = steady.course(lasting.throttling(at=60))
    assert [segment.start for segment in found.segments] == pytest.approx([0, 60], abs=1)
    assert [segment.level_ms for segment in found.segments] == pytest.approx([10, 12.5], rel=0.01)
    assert found.fastest is found.segments[0] and found.settled == found.segments[1].start


@pytest.mark.parametrize("blocks", [0, 1, 9])
def test_few_blocks_are_too_short_to_tell(blocks: int) -> None:
    assert steady.course(lasting.run([10.0] * blocks)).kind == "too short"


def test_wall_times_stand_in_where_the_wait_is_not_known() -> None:
    told, untold = lasting.run([10.0] * 90, sd=0), lasting.run([10.0] * 90, sd=0, on_cpu_ms=())
    assert steady.estimates(told, 0.95)["sustained_ms.p50_first"].value == pytest.approx(10.0)
    assert steady.estimates(untold, 0.95)["sustained_ms.p50_first"].value == pytest.approx(11.0)


def test_the_first_and_the_last_half_minute_are_compared() -> None:
    found = steady.estimates(lasting.throttling(180, share=0.25, at=60), 0.95)
    assert found["sustained_ms.p50_first"].value == pytest.approx(10, rel=0.01)
    assert found["sustained_ms.p50_first"].samples == 30
    assert found["sustained_ms.p50_last"].value == pytest.approx(12.5, rel=0.01)
    slowdown = found["sustained_slowdown"]
    assert slowdown.low is not None and slowdown.high is not None
    assert 0.23 < slowdown.low < slowdown.value < slowdown.high < 0.27


def test_of_a_short_run_the_windows_are_thirds_and_do_not_overlap() -> None:
    first, last = steady.windows(lasting.run([10.0] * 36))
    assert (np.flatnonzero(first) == range(12)).all() and (np.flatnonzero(last) == range(24, 36)).all()


def test_slow_calls_make_long_blocks_and_still_figures() -> None:
    slow = lasting.run([4000.0] * 20, start_secs=tuple(4.0 * place for place in range(20)))
    assert steady.duration_secs(slow) == 80
    assert steady.estimates(slow, 0.95)["sustained_slowdown"].high is not None


def test_a_single_block_in_a_window_has_no_interval() -> None:
    found = steady.estimates(lasting.run([10.0] * 3), 0.95)
    assert found["sustained_slowdown"].low is found["sustained_slowdown"].high is None
    assert steady.estimates(lasting.run([]), 0.95) == {}


@pytest.mark.parametrize("correlation", [0.0, 0.3])
def test_the_interval_of_the_slow_down_holds_the_truth_as_often_as_it_says(correlation: float) -> None:
    held = 0
    for seed in range(300):
        times = levels((90, 10.0), (90, 10.5)) * np.exp(lasting.noise(180, 0.02, correlation=correlation, seed=seed))
        found = steady.estimates(lasting.run(times, sd=0), 0.95)["sustained_slowdown"]
        assert found.low is not None and found.high is not None
        held += found.low <= 0.05 <= found.high
    assert held / 300 >= 0.92
