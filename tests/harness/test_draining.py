"""harness/draining.py: which builds' energy is asked for, how long, and what is kept of it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from device_runners.wire import Request
from harness import caveats, draining, energy
from harness.errors import RunnerError, RunnerLost
from harness.measure import Job
from harness.process import Bounds
from harness.records import EnergyTrace, Measurement, Settings
from tests.fakes import counters, judged
from tests.fakes.rooms import Runner


class Drained(Runner):
    """A phone whose battery has a counter of so many uAh; or that fails."""

    plans = True

    def __init__(self, quantum: float = 1.0, error: Exception | None = None, *, fail_at: int = 0) -> None:
        super().__init__(fail_at=fail_at)
        self._gauge = counters.Gauge(quantum, 1.0)
        self._error = error
        self.asked: list[tuple[Request, float, Bounds]] = []

    def drain(self, request: Request, *, idle_secs: float, folder: Path, bounds: Bounds) -> EnergyTrace:
        self.asked.append((request, idle_secs, bounds))
        if self._error and len(self.asked) > self.fail_at:
            raise self._error
        return counters.trace(self._gauge, idle_secs, np.random.default_rng(len(self.asked)), pairs=2)


def drained(tmp_path: Path, runner: Runner, **settings: object) -> Measurement:
    chosen = Settings(**{"energy_secs": 60.0, "energy_groups": 3, **settings})  # type: ignore[arg-type]
    job = Job(
        experiment=judged.experiment(settings=chosen),
        model=judged.model(),
        prepared=tmp_path,
        score=lambda _: None,
        undecided=lambda _: (),
        inputs=(),
        folder=tmp_path,
    )
    before = judged.measurement(settings=chosen, device=judged.PHONE)
    steps = list(draining.all_builds(job, [judged.variant(path="builds/x")], [before], runner))
    return steps[-1][0]["tflite/fp32"] if steps else before


def test_every_group_counts_and_the_energy_of_a_call_is_found(tmp_path: Path) -> None:
    runner = Drained()
    measured = drained(tmp_path, runner)
    assert measured.energy is not None and {block.group for block in measured.energy.blocks} == {0, 1, 2}
    found = energy.estimates(measured, 0.95)["energy_mj"]
    assert found.value == pytest.approx(counters.true_mj(counters.Gauge(1, 1)), rel=0.1) and found.low is not None


def test_a_load_lasts_as_long_as_a_block_and_its_edges_and_may_take_that_time(tmp_path: Path) -> None:
    runner = Drained()
    drained(tmp_path, runner, timeout_secs=30.0)
    request, idle_secs, bounds = runner.asked[0]
    assert request.timing.min_secs == 64 and idle_secs == 60 and bounds.timeout_secs == 90
    assert request.samples_per_block == 0  # every call counts


def test_a_counter_that_is_too_coarse_costs_one_group_and_the_answer_is_the_time_needed(tmp_path: Path) -> None:
    runner = Drained(quantum=5000)
    measured = drained(tmp_path, runner)
    assert len(runner.asked) == 1
    (doubt,) = [c for c in caveats.judge(judged.facts(measurement=measured)) if c.id == "ENERGY-UNKNOWN"]
    assert "would have to last" in doubt.detail


def test_a_phone_that_charges_is_told_and_its_times_stay(tmp_path: Path) -> None:
    measured = drained(tmp_path, Drained(error=RunnerError("while the phone is charging")))
    assert measured.energy is None and measured.failure is None and measured.restarts
    settings = Settings(energy_secs=60.0)
    facts = judged.facts(measurement=measured, experiment=judged.experiment(settings=settings))
    (doubt,) = [c for c in caveats.judge(facts) if c.id == "ENERGY-UNKNOWN"]
    assert "while the phone is charging" in doubt.detail


def test_what_was_won_before_it_failed_is_kept(tmp_path: Path) -> None:
    measured = drained(tmp_path, Drained(error=RunnerError("unplugged"), fail_at=2))
    assert measured.energy is not None and {block.group for block in measured.energy.blocks} == {0, 1}


def test_a_phone_that_is_gone_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(RunnerLost):
        drained(tmp_path, Drained(error=RunnerLost("gone")))


def test_nothing_is_done_unless_asked_for_or_where_there_is_no_such_counter(tmp_path: Path) -> None:
    runner = Drained()
    assert drained(tmp_path, runner, energy_secs=0.0).energy is None and runner.asked == []
    assert drained(tmp_path, Runner()).energy is None


def test_a_build_that_has_its_energy_is_not_drained_again(tmp_path: Path) -> None:
    trace = next(counters.traces(counters.Gauge(1, 1), 60, 1))
    runner = Drained()
    settings = Settings(energy_secs=60.0)
    before = msgspec.structs.replace(judged.measurement(settings=settings), energy=trace)
    job = Job(
        experiment=judged.experiment(settings=settings),
        model=judged.model(),
        prepared=tmp_path,
        score=lambda _: None,
        undecided=lambda _: (),
        inputs=(),
        folder=tmp_path,
    )
    list(draining.all_builds(job, [judged.variant(path="x")], [before], runner))
    assert runner.asked == []
