"""The paired test on frozen comparisons of real builds with themselves, taken on a busy machine.

tests/data/traces/README.md says where they come from. Everything here is drawn with fixed seeds: the same every time.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import peer_rules, traces
from harness import paired
from harness.stats import wilson_interval

FOLDER = Path(__file__).parents[1] / "data" / "traces"
NAMES = ("mobile-int8", "mobile-fp32", "tiny-fp32")
PLAN = paired.Plan()
MOST = PLAN.looks[-1]
VERDICTS = 1000
MOST_FALSE_ALARMS = 0.015
# Share of 3 % slowdowns that is caught, and of builds found to be the same as themselves: the goal is 95 %. The float
# network is at its edge (its pairs spread by 3.6 %), and a thousand verdicts have a chance error of 0.7 %.
CAUGHT = {"mobile-int8": 0.95, "mobile-fp32": 0.92, "tiny-fp32": 0.95}

Floats = np.ndarray


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def trace(name: str) -> traces.Trace:
    return traces.read(FOLDER / f"{name}.npz")


@pytest.fixture(scope="module")
def log_ratios(trace: traces.Trace) -> Floats:
    return np.array(trace.log_ratios())


def share(samples: list[Floats], *outcomes: paired.Outcome) -> float:
    """Of the verdicts on these samples, how many are one of the outcomes."""
    return float(np.mean([traces.verdict(list(sample), PLAN)[0] in outcomes for sample in samples]))


def drawn(log_ratios: Floats, *, signs: bool, verdicts: int = VERDICTS) -> list[Floats]:
    """Pairs for that many comparisons, with replacement; with signs, so that the truth is "no difference" exactly."""
    source = np.random.default_rng(1)
    samples = [log_ratios[source.integers(0, len(log_ratios), MOST)] for _ in range(verdicts)]
    return [sample * source.choice([-1, 1], MOST) for sample in samples] if signs else samples


def upper_bound(rate: float, count: int) -> float:
    """Of a proportion, one-sided, with 95 %."""
    high = wilson_interval(rate * count, count, 0.9).high
    assert high is not None
    return high


def test_the_traces_are_many_small_and_from_a_busy_machine(trace: traces.Trace) -> None:
    assert len(trace.wall_ns) >= 100
    assert trace.wait_share() > 0.1
    assert np.all(trace.wait_ns <= trace.wall_ns)
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 1_500_000


def test_a_build_is_hardly_ever_told_from_itself(log_ratios: Floats) -> None:
    alarms = share(drawn(log_ratios, signs=True, verdicts=3 * VERDICTS), "slower", "faster")
    assert upper_bound(alarms, 3 * VERDICTS) <= MOST_FALSE_ALARMS


def test_a_build_is_nearly_always_found_to_be_the_same_as_itself(log_ratios: Floats, name: str) -> None:
    assert share(drawn(log_ratios, signs=True), "same") >= CAUGHT[name]


def test_in_the_order_in_which_they_were_taken_the_pairs_give_no_false_alarm(log_ratios: Floats) -> None:
    windows = [log_ratios[start : start + MOST] for start in range(len(log_ratios) - MOST + 1)]
    assert share(windows, "slower", "faster") == 0


@pytest.mark.parametrize(("percent", "right", "wrong"), [(3, "slower", "faster"), (-3, "faster", "slower")])
def test_a_change_of_three_percent_is_caught_and_never_called_the_opposite(
    log_ratios: Floats, name: str, percent: int, right: paired.Outcome, wrong: paired.Outcome
) -> None:
    samples = drawn(log_ratios + np.sign(percent) * np.log(1.03), signs=False)
    assert share(samples, right) >= CAUGHT[name]
    assert share(samples, wrong) == 0


def test_a_slowdown_is_read_as_large_as_it_is(log_ratios: Floats) -> None:
    assert paired.effect_estimate(log_ratios + np.log(1.03)) == pytest.approx(np.log(1.03), abs=0.005)


def test_the_rules_of_other_tools_cry_wolf_on_the_same_samples(trace: traces.Trace, log_ratios: Floats) -> None:
    ours = upper_bound(share(drawn(log_ratios, signs=True), "slower", "faster"), VERDICTS)
    replays = [peer_rules.replay(rule, trace) for rule in peer_rules.RULES]
    theirs = [replay.alarms / replay.comparisons for replay in replays]
    assert min(theirs) > ours
    assert np.median(theirs) > 10 * ours


def test_on_the_wall_clock_the_same_pairs_are_several_times_as_far_apart(
    trace: traces.Trace, log_ratios: Floats
) -> None:
    wall = [
        np.log(np.median(np.concatenate(trace.wall_us(pair, 1))) / np.median(np.concatenate(trace.wall_us(pair, 0))))
        for pair in range(len(trace.wall_ns))
    ]
    assert np.std(wall) > 2 * np.std(log_ratios)
