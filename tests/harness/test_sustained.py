"""harness/sustained.py: which builds get a long run, what is kept of it, and what it means for gates."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from device_runners.wire import MAX_JSON_BYTES, BuildResult, Request, Response
from harness import caveats, gates, metrics, pipeline, sustained
from harness.errors import RunnerError
from harness.events import Event
from harness.process import Bounds
from harness.records import Block, Estimate, Experiment, ModelSource, Report, Settings
from tests.fakes import judged, lasting
from tests.fakes.rooms import Converter, Runner, crashed, rooms

EXPERIMENT = Experiment(
    model=ModelSource(source="model.py"),
    runtimes=("tflite",),
    settings=Settings(restarts=2, blocks=4, extra_secs=0, sustained_secs=90, timeout_secs=20),
)
BUILDS = ["tflite/fp32", "tflite/static_wi8_ai8"]


class Recorder(Runner):
    """Remembers the requests of the sustained runs and their bounds, and may fail in them."""

    def __init__(self, failing_when_sustained: str = "") -> None:
        super().__init__()
        self.sustained: list[tuple[Request, Bounds]] = []
        self._failing = failing_when_sustained

    def run(self, request: Request, *, folder: Path, bounds: Bounds) -> Response:
        if request.samples_per_block:
            self.sustained.append((request, bounds))
            if request.builds[0].id == self._failing:
                raise crashed()
        return super().run(request, folder=folder, bounds=bounds)


def run(
    tmp_path: Path, runner: Runner, experiment: Experiment = EXPERIMENT, resumed: Report | None = None
) -> tuple[Report, list[Event]]:
    events: list[Event] = []
    folder = tmp_path / "run"
    folder.mkdir(exist_ok=True)
    plan = pipeline.Plan(folder=folder, cache=tmp_path / "cache")
    return pipeline.run(experiment, plan, events.append, resumed, rooms(runner, Converter())), events


def test_every_build_gets_one_long_run_after_everything_else(tmp_path: Path) -> None:
    runner = Recorder()
    report, events = run(tmp_path, runner)
    assert sorted(runner.runs[-2:]) == sorted(BUILDS)
    assert [request.builds[0].id for request, _ in runner.sustained] == runner.runs[-2:]
    for measured in report.measurements:
        assert measured.sustained is not None and len(measured.sustained.wall_ms) == 90
        assert measured.sustained.wall_ms[0] == pytest.approx(1.0, rel=0.01)
    told = [event for event in events if event.stage == "sustain"]
    assert [(event.done, event.total) for event in told] == [(0, 2), (1, 2), (2, 2)]
    assert "for 90 s" in told[0].now


def test_the_request_asks_for_blocks_of_a_second_and_has_the_time_for_them(tmp_path: Path) -> None:
    runner = Recorder()
    run(tmp_path, runner)
    request, bounds = runner.sustained[0]
    assert (request.timing.blocks, request.timing.min_secs, request.timing.max_secs) == (90, 90, 91)
    assert request.inputs and not request.outputs and not request.paced
    assert bounds.timeout_secs == 110


def test_without_being_asked_there_is_none(tmp_path: Path) -> None:
    runner = Recorder()
    brief = msgspec.structs.replace(EXPERIMENT, settings=Settings(restarts=2, blocks=4, extra_secs=0))
    report, events = run(tmp_path, runner, brief)
    assert not runner.sustained and all(measured.sustained is None for measured in report.measurements)
    assert not [event for event in events if event.stage == "sustain"]


def test_a_build_that_dies_under_load_has_failed_and_the_others_go_on(tmp_path: Path) -> None:
    report, _ = run(tmp_path, Recorder(failing_when_sustained="tflite/fp32"))
    by_id = {measured.variant: measured for measured in report.measurements}
    failure = by_id["tflite/fp32"].failure
    assert failure is not None and failure.reason.startswith("in the sustained run: ") and "SIGSEGV" in failure.reason
    assert failure.log == "logs/measure/tflite-fp32/sustained" and len(by_id["tflite/fp32"].restarts) == 2
    assert by_id["tflite/static_wi8_ai8"].sustained is not None


def test_a_resumed_run_does_not_do_it_twice(tmp_path: Path) -> None:
    report, _ = run(tmp_path, Recorder(failing_when_sustained="tflite/fp32"))
    again = Recorder()
    report, _ = run(tmp_path, again, resumed=msgspec.structs.replace(report, complete=False))
    assert again.runs == ["tflite/fp32"]
    assert all(measured.sustained is not None for measured in report.measurements)


def response(*blocks: Block) -> Response:
    return Response(run_id="r", started="2026-01-01", results=(BuildResult(build="b", blocks=blocks),))


def test_a_block_becomes_its_median_on_both_clocks() -> None:
    first = Block(
        wall_ns=(9_000_000, 4_000_000, 6_000_000),
        wait_ns=(5_000_000, 0, 0),
        calls_per_sample=2,
        canary_ns=40_000,
        start_ns=7_000_000_000,
    )
    second = msgspec.structs.replace(first, start_ns=8_500_000_000, canary_ns=44_000)
    found = sustained.kept(response(first, second))
    assert found.start_secs == (0.0, 1.5)
    assert found.wall_ms == (3.0, 3.0) and found.on_cpu_ms == (2.0, 2.0)
    assert found.canary_us == (40.0, 44.0)


def test_what_a_runner_does_not_tell_is_left_out_or_reckoned() -> None:
    plain = Block(wall_ns=(400_000_000,) * 3)
    found = sustained.kept(response(plain, Block(wall_ns=()), plain))
    assert found.start_secs == pytest.approx((0.0, 1.2))
    assert found.on_cpu_ms == found.canary_us == () and found.wall_ms == (400.0, 400.0)


def test_a_run_without_a_single_call_is_an_error() -> None:
    with pytest.raises(RunnerError, match="timed no call"):
        sustained.kept(response(Block(wall_ns=())))


def test_an_hour_of_samples_fits_in_a_response() -> None:
    block = Block(
        wall_ns=(12_345_678,) * sustained.SAMPLES_PER_BLOCK,
        wait_ns=(1_234_567,) * sustained.SAMPLES_PER_BLOCK,
        canary_ns=40_000,
        start_ns=2**53,
    )
    assert 3600 * len(msgspec.json.encode(block)) < MAX_JSON_BYTES / 3


@pytest.mark.parametrize(
    ("gate", "outcome", "words"),
    [
        ("sustained_slowdown <= 30 %", "pass", "0.251 [0.231, 0.264]"),
        ("sustained_slowdown <= 5 %", "fail", "the limit is 0.050"),
        ("sustained_slowdown <= 25 %", "not judged", "settings.sustained_secs"),
        ("sustained_ms.p50_last <= 13", "pass", " ms ["),
        ("sustained_ms.p50_first <= 9 ms", "fail", "9.97 ms"),
    ],
)
def test_gates_are_judged_by_the_figures_of_the_long_run(gate: str, outcome: str, words: str) -> None:
    experiment = judged.experiment(gates=(gate,), settings=Settings(sustained_secs=180))
    (verdict,) = gates.judge(experiment, judged.model(), (_standing(experiment, lasting.throttling(sd=0.02)),))
    assert verdict.outcome == outcome and words in verdict.reason


def test_what_never_settles_is_not_judged() -> None:
    experiment = judged.experiment(gates=("sustained_ms.p50_last <= 100",), settings=Settings(sustained_secs=180))
    wild = lasting.run(lasting.levels(*([(15, 10.0), (15, 12.0)] * 6)))
    (verdict,) = gates.judge(experiment, judged.model(), (_standing(experiment, wild),))
    assert verdict.outcome == "not judged" and "NO-STEADY-STATE" in verdict.reason


def test_a_gate_on_energy_is_judged_and_says_why_there_is_none() -> None:
    experiment = judged.experiment(gates=("energy_mj <= 5000 uJ",))
    standing = _standing(experiment, None)
    (verdict,) = gates.judge(experiment, judged.model(), (standing,))
    assert verdict.outcome == "not judged" and "no energy counter was read" in verdict.reason
    known = Estimate(value=4.0, low=3.5, high=4.5)
    standing = msgspec.structs.replace(standing, metrics=standing.metrics | {"energy_mj": known})
    (verdict,) = gates.judge(experiment, judged.model(), (standing,))
    assert verdict.outcome == "pass" and "4.00 mJ [3.50, 4.50], the limit is 5.00 mJ" in verdict.reason


def _standing(experiment: Experiment, run: object) -> object:
    from harness.records import Standing

    facts = judged.facts(experiment=experiment, measured={"sustained": run})
    found = metrics.estimates(facts.variant, facts.measurement, 0.95)
    return Standing(variant="tflite/fp32", rank=1, metrics=found, caveats=caveats.judge(facts))
