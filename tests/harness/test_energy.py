"""harness/energy.py: bias and coverage on a simulated fuel gauge, refusals, and counters of energy."""

from __future__ import annotations

import itertools

import msgspec
import numpy as np
import pytest

from harness import energy, stats
from harness.records import EnergyBlock, EnergyTrace
from tests.fakes import counters, judged
from tests.fakes.counters import NET_UAH_S, Gauge

replace = msgspec.structs.replace
FINE, COARSE, VERY_COARSE = Gauge(1, 1), Gauge(1000, 5), Gauge(5000, 30)
RUNS = 120


@pytest.mark.parametrize(
    ("gauge", "block_secs", "bias", "sd"),
    [
        (FINE, 30, -0.0015, 0.008),
        (FINE, 60, 0.0, 0.008),
        (FINE, 120, 0.0, 0.008),
        (COARSE, 30, -0.028, 0.033),
        (COARSE, 60, -0.006, 0.024),
        (COARSE, 120, -0.002, 0.010),
        (VERY_COARSE, 120, -0.058, 0.085),
    ],
)
def test_bias_and_spread_of_the_slopes_are_known(gauge: Gauge, block_secs: float, bias: float, sd: float) -> None:
    """Of 8 idle and 8 load blocks with 5 % of idle noise and 10 % of drift, whether or not a figure would be given."""
    means = [energy.group_rates(one).mean() / NET_UAH_S - 1 for one in counters.traces(gauge, block_secs, RUNS)]
    assert np.mean(means) == pytest.approx(bias, abs=0.002 + 3 * sd / RUNS**0.5)
    assert np.std(means) == pytest.approx(sd, rel=0.3)


@pytest.mark.parametrize(
    ("gauge", "block_secs"), [(FINE, 60), (FINE, 120), (COARSE, 120), (Gauge(100, 1), 60), (Gauge(1000, 1), 120)]
)
def test_where_it_is_measurable_the_interval_holds_the_truth_as_often_as_it_says(
    gauge: Gauge, block_secs: float
) -> None:
    truth, held = counters.true_mj(gauge), 0
    for one in counters.traces(gauge, block_secs, RUNS, seed=1):
        found = energy.estimate(one, 0.95).per_inference_mj
        assert found is not None and found.low is not None and found.high is not None
        assert found.value == pytest.approx(truth, rel=0.05)
        held += found.low <= truth <= found.high
    assert 0.89 <= held / RUNS <= 0.99


@pytest.mark.parametrize(
    ("gauge", "block_secs", "needed"),
    [(FINE, 30, 60), (COARSE, 30, 120), (COARSE, 60, 120), (VERY_COARSE, 120, 720)],
)
def test_elsewhere_it_is_refused_with_the_time_that_it_would_take(
    gauge: Gauge, block_secs: float, needed: float
) -> None:
    for one in counters.traces(gauge, block_secs, 10):
        found = energy.estimate(one, 0.95)
        assert found.per_inference_mj is None
        assert found.needed_secs == pytest.approx(needed, rel=0.15)
        assert f"a block lasted {block_secs:g} s and would have to last" in found.reason


def test_the_time_that_was_asked_for_is_enough() -> None:
    (one,) = counters.traces(VERY_COARSE, 720, 1)
    assert energy.estimate(one, 0.95).per_inference_mj is not None


def test_a_weak_load_takes_longer_than_a_strong_one() -> None:
    weak = next(counters.traces(Gauge(1000, 1, net_uah_s=30.0), 120, 1))
    found = energy.estimate(weak, 0.95)
    assert found.needed_secs == pytest.approx(15 * 1000 / 30, rel=0.2)


@pytest.mark.parametrize("gauge", [FINE, COARSE, VERY_COARSE])
def test_quantum_and_refresh_are_learned_from_the_readings(gauge: Gauge) -> None:
    found = energy.resolution(next(counters.traces(gauge, 240, 1)))
    assert found is not None
    assert found.refresh_secs == pytest.approx(gauge.refresh_secs, abs=2 * counters.POLL_SECS)
    # A fine counter moves by what was used between two refreshes, never by less than its quantum.
    assert gauge.quantum <= found.quantum <= max(gauge.quantum, counters.IDLE_UAH_S * 1.3 * gauge.refresh_secs)


def test_end_points_would_have_read_too_little() -> None:
    """What the slope is for: at 1000 uAh and 5 s, the first and the last reading alone are 4 % low."""

    def by_ends(block: EnergyBlock) -> float:
        return -(block.counter[-1] - block.counter[0]) / (block.time_s[-1] - block.time_s[0])

    biases = []
    for one in counters.traces(COARSE, 60, RUNS):
        net = {kind: np.mean([by_ends(b) for b in one.blocks if b.kind == kind]) for kind in ("load", "idle")}
        biases.append((net["load"] - net["idle"]) / NET_UAH_S - 1)
    assert np.mean(biases) == pytest.approx(-0.04, abs=0.01)


@pytest.fixture(scope="module")
def good() -> EnergyTrace:
    return next(counters.traces(FINE, 60, 1))


def changed(trace: EnergyTrace, **of_blocks: object) -> EnergyTrace:
    return replace(trace, blocks=tuple(replace(block, **of_blocks) for block in trace.blocks))


def rising(trace: EnergyTrace) -> EnergyTrace:
    return replace(trace, blocks=tuple(replace(b, counter=tuple(-c for c in b.counter)) for b in trace.blocks))


REFUSED = {
    "the device was charging": lambda trace: replace(trace, charging=True),
    "charge flowed into the battery": rising,
    "the battery's voltage is not known": lambda trace: changed(trace, voltage_v=()),
    "no call was counted": lambda trace: changed(trace, inferences=0),
    "there is no idle time": lambda trace: changed(trace, kind="load"),
    "there is no idle time beside": lambda trace: replace(trace, blocks=()),
    "fewer than two readings": lambda trace: changed(trace, time_s=(0.0,), counter=(1.0,)),
    "did not move": lambda trace: replace(
        trace, blocks=tuple(replace(block, counter=(5.0,) * len(block.counter)) for block in trace.blocks)
    ),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_no_time_would_mend_is_refused_with_its_reason(good: EnergyTrace, reason: str) -> None:
    found = energy.estimate(REFUSED[reason](good), 0.95)
    assert found.per_inference_mj is None and found.needed_secs is None
    assert reason in found.reason


def test_a_load_that_does_not_show_is_no_figure() -> None:
    found = energy.estimate(next(counters.traces(Gauge(1, 1, net_uah_s=-5.0), 60, 1)), 0.95)
    assert found.per_inference_mj is None and "does not show" in found.reason


def test_one_group_gives_a_figure_without_an_interval(good: EnergyTrace) -> None:
    alone = replace(good, blocks=tuple(block for block in good.blocks if block.group == 0))
    found = energy.estimate(alone, 0.95).per_inference_mj
    assert found is not None and found.low is found.high is None and found.samples == 1


# --- counters of energy -------------------------------------------------------------------------------


def metered(idle_w: float = 12.0, load_w: float = 30.0, calls: int = 200) -> EnergyTrace:
    """A package counter around half a second of calls, and a quarter of a second of idling on both sides."""

    def block(kind: str, start: float, secs: float, watts: float) -> EnergyBlock:
        times = tuple(start + secs * place / 10 for place in range(11))
        return EnergyBlock(
            kind=kind,  # type: ignore[arg-type]
            group=0,
            time_s=times,
            counter=tuple(round((time - start) * watts * 1e6) for time in times),
            inferences=calls if kind == "load" else 0,
        )

    parts = (block("idle", 0, 0.25, idle_w), block("load", 1, 0.5, load_w), block("idle", 2, 0.25, idle_w))
    return EnergyTrace(source="package", counter="energy_uj", blocks=parts, quantum=61.04, refresh_secs=0.001)


def test_a_counter_of_microjoules_needs_no_voltage_and_no_minute() -> None:
    found = energy.estimate(metered(), 0.95).per_inference_mj
    assert found is not None
    assert found.value == pytest.approx((30 - 12) * 1e3 * 0.5 / 200)


def test_restarts_are_the_groups_of_a_host() -> None:
    watts = [28.0, 30.0, 32.0]
    made = tuple(judged.restart(energy=metered(load_w=load)) for load in watts)
    found = energy.estimates(judged.measurement(restarts=made), 0.9)["energy_mj"]
    values = [(load - 12) * 2.5 for load in watts]
    half = stats.t_quantile(0.95, 2) * np.std(values, ddof=1) / 3**0.5
    assert (found.value, found.low, found.high) == pytest.approx((45, 45 - half, 45 + half))
    assert (found.samples, found.confidence) == (3, 0.9)


def test_a_run_of_its_own_goes_before_the_restarts() -> None:
    own = next(counters.traces(FINE, 60, 1))
    made = judged.measurement(restarts=(judged.restart(energy=metered()),), energy=own)
    assert energy.of_measurement(made) is own


def test_without_readings_there_is_no_energy() -> None:
    assert energy.of_measurement(judged.measurement()) is None
    assert energy.estimates(judged.measurement(), 0.95) == {}


def test_the_simulated_gauge_only_falls() -> None:
    (one,) = counters.traces(COARSE, 60, 1)
    readings = [reading for block in one.blocks for reading in block.counter]
    assert all(later <= earlier for earlier, later in itertools.pairwise(readings))
    assert readings[0] - readings[-1] == pytest.approx(60 * 16 * (42 * 1.05 + NET_UAH_S / 2), rel=0.05)
