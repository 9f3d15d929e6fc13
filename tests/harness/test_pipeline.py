from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from device_runners.wire import Request, Response
from harness import pipeline, store
from harness.errors import ExperimentError, RunnerError
from harness.events import Event
from harness.process import Bounds
from harness.records import Experiment, Failure, ModelSource, Report, Settings
from tests.fakes.rooms import Converter, Runner, crashed, rooms

EXPERIMENT = Experiment(
    model=ModelSource(source="model.py"),
    settings=Settings(restarts=3, blocks=8, extra_secs=0),
    gates=("latency_ms.p50 <= 100",),
)
ALL = ["tflite/fp32", "executorch/fp32", "tflite/static_wi8_ai8", "executorch/static_wi8_ai8"]


def run(
    tmp_path: Path,
    runner: Runner,
    converter: Converter | None = None,
    experiment: Experiment = EXPERIMENT,
    resumed: Report | None = None,
) -> tuple[Report, list[Event]]:
    events: list[Event] = []
    folder = tmp_path / "run"
    folder.mkdir(exist_ok=True)
    plan = pipeline.Plan(folder=folder, cache=tmp_path / "cache")
    report = pipeline.run(experiment, plan, events.append, resumed, rooms(runner, converter))
    return report, events


def test_the_first_restart_of_a_build_checks_its_outputs_too(tmp_path: Path) -> None:
    runner = Runner()
    report, _ = run(tmp_path, runner)
    assert [variant.id for variant in report.variants] == ALL
    assert {name: runner.runs.count(name) for name in ALL} == dict.fromkeys(ALL, 3)
    assert all(len(m.restarts) == 3 and m.quality and m.quality.cosine > 0.999 for m in report.measurements)
    assert report.complete and runner.closed


def test_the_fastest_build_is_ranked_first_and_recommended(tmp_path: Path) -> None:
    slow = dict.fromkeys(ALL, 4_000_000) | {"executorch/static_wi8_ai8": 1_000_000}
    report, _ = run(tmp_path, Runner(slow))
    first = next(s for s in report.standings if s.rank == 1)
    assert first.variant == "executorch/static_wi8_ai8" and not first.tied
    assert report.recommendation is not None
    assert report.recommendation.variant == "executorch/static_wi8_ai8"


def test_the_report_on_disk_is_the_report_returned(tmp_path: Path) -> None:
    report, _ = run(tmp_path, Runner())
    assert store.load(tmp_path / "run") == report


def test_the_run_folder_keeps_the_files_that_were_measured(tmp_path: Path) -> None:
    report, _ = run(tmp_path, Runner())
    kept = {variant.id: (tmp_path / "run" / variant.path).read_text() for variant in report.variants}
    assert kept == {name: name for name in ALL}


def test_a_build_that_cannot_be_made_is_a_row_with_its_reason_and_the_others_go_on(tmp_path: Path) -> None:
    failure = Failure(stage="convert", reason="this operator has no kernel")
    report, _ = run(tmp_path, Runner(), Converter({"tflite/fp32": failure}))
    assert [m.variant for m in report.measurements] == ALL[1:]
    failed = next(s for s in report.standings if s.variant == "tflite/fp32")
    assert failed.failure == failure and failed.rank is None


def test_a_build_that_crashes_is_a_row_with_its_reason_and_the_others_go_on(tmp_path: Path) -> None:
    runner = Runner(failing={"tflite/fp32": crashed()}, fail_at=0)
    report, _ = run(tmp_path, runner)
    by_id = {m.variant: m for m in report.measurements}
    failure = by_id["tflite/fp32"].failure
    assert failure is not None and "SIGSEGV" in failure.reason
    assert runner.runs.count("tflite/fp32") == 1  # it is not started again
    assert all(len(by_id[name].restarts) == 3 for name in ALL[1:])


def test_restarts_won_before_a_crash_are_kept(tmp_path: Path) -> None:
    report, _ = run(tmp_path, Runner(failing={"tflite/fp32": crashed()}, fail_at=2))
    measured = next(m for m in report.measurements if m.variant == "tflite/fp32")
    assert measured.failure is not None and len(measured.restarts) == 2


def test_a_build_whose_outputs_cannot_be_judged_fails_and_keeps_what_was_timed(tmp_path: Path) -> None:
    class Mute(Runner):
        def run(self, request: Request, *, folder: Path, bounds: Bounds) -> Response:
            response = super().run(request, folder=folder, bounds=bounds)
            mute = msgspec.structs.replace(response.results[0], output_files=())
            return msgspec.structs.replace(response, results=(mute,))

    runner = Mute()
    report, _ = run(tmp_path, runner)
    for measured in report.measurements:
        assert measured.failure is not None and measured.failure.stage == "quality"
        assert len(measured.restarts) == 1 and runner.runs.count(measured.variant) == 1

    again = Runner()
    report, _ = run(tmp_path, again, resumed=pipeline.resume(tmp_path / "run", EXPERIMENT))
    assert all(m.quality and len(m.restarts) == 3 and m.failure is None for m in report.measurements)


def test_only_builds_that_are_still_tied_get_more_restarts(tmp_path: Path) -> None:
    slow = {"tflite/fp32": 9_000_000, "executorch/fp32": 4_000_000}  # the other two are equally fast
    experiment = msgspec.structs.replace(
        EXPERIMENT, rank_by="on_cpu_ms.p50", settings=Settings(restarts=3, max_restarts=6, extra_secs=60)
    )
    report, _ = run(tmp_path, Runner(slow), experiment=experiment)
    restarts = {m.variant: len(m.restarts) for m in report.measurements}
    assert restarts == {
        "tflite/fp32": 3,
        "executorch/fp32": 3,
        "tflite/static_wi8_ai8": 6,
        "executorch/static_wi8_ai8": 6,
    }


def test_a_latency_gate_on_the_baseline_is_judged_by_a_side_by_side_comparison(tmp_path: Path) -> None:
    slow = {"tflite/fp32": 1_000_000, "tflite/static_wi8_ai8": 1_020_000}
    experiment = msgspec.structs.replace(
        EXPERIMENT,
        runtimes=("tflite",),
        gates=("latency_ms.p50 <= 1.05 x baseline", "latency_ms.p50 <= 1.01 x baseline"),
    )
    report, _ = run(tmp_path, Runner(slow), experiment=experiment)
    (comparison,) = report.comparisons
    assert (comparison.a, comparison.b) == ("tflite/fp32", "tflite/static_wi8_ai8")
    outcomes = {verdict.gate: verdict.outcome for verdict in report.verdicts}
    assert outcomes == {"latency_ms.p50 <= 1.05 x baseline": "pass", "latency_ms.p50 <= 1.01 x baseline": "fail"}
    assert all("side by side" in verdict.reason for verdict in report.verdicts)


def test_a_comparison_that_fails_is_inconclusive_with_its_reason(tmp_path: Path) -> None:
    class Unpaced(Runner):
        def start(self, request, *, folder, bounds):  # type: ignore[no-untyped-def]
            raise crashed()

    experiment = msgspec.structs.replace(EXPERIMENT, runtimes=("tflite",), gates=("latency_ms.p50 <= 1.05 x baseline",))
    report, _ = run(tmp_path, Unpaced(), experiment=experiment)
    (comparison,) = report.comparisons
    assert comparison.outcome == "inconclusive" and "SIGSEGV" in comparison.reason


def test_a_build_is_told_from_its_parent_side_by_side_where_that_is_asked_for(tmp_path: Path) -> None:
    experiment = msgspec.structs.replace(
        EXPERIMENT, recipes=("fp32", "prune(0.5)+fp32"), gates=(), side_by_side=("tflite/prune*",)
    )
    report, _ = run(tmp_path, Runner({"tflite/prune(0.5)+fp32": 900_000}), experiment=experiment)
    (comparison,) = report.comparisons
    assert (comparison.a, comparison.b, comparison.outcome) == ("tflite/fp32", "tflite/prune(0.5)+fp32", "faster")
    found = {benefit.variant: benefit for benefit in report.benefits}
    assert found["tflite/prune(0.5)+fp32"].clock == "side by side"
    assert found["tflite/prune(0.5)+fp32"].gains["time"].value == pytest.approx(1 / 0.9, rel=0.02)
    assert found["executorch/prune(0.5)+fp32"].clock == "on-CPU"
    again, _ = run(tmp_path, Runner(), experiment=experiment, resumed=pipeline.resume(tmp_path / "run", experiment))
    assert again.comparisons == report.comparisons


@pytest.mark.parametrize(
    ("pattern", "remedy"), [("*/prune(0.5)+fp16", "add executorch/fp16, tflite/fp16"), ("*/qat*", "its builds are")]
)
def test_a_build_without_its_parent_cannot_be_held_against_it(tmp_path: Path, pattern: str, remedy: str) -> None:
    recipes = ("fp32", "prune(0.5)+fp16")
    experiment = msgspec.structs.replace(EXPERIMENT, recipes=recipes, side_by_side=(pattern,))
    with pytest.raises(ExperimentError, match="names no build that could be held against") as error:
        run(tmp_path, Runner(), experiment=experiment)
    assert error.value.remedy.startswith(remedy)


def test_progress_counts_every_step_to_its_total(tmp_path: Path) -> None:
    _, events = run(tmp_path, Runner())
    measured = [event for event in events if event.stage == "measure"]
    assert [event.done for event in measured] == list(range(4 * 3 + 1))
    assert {event.total for event in measured} == {12}


def test_an_interrupted_run_is_valid_on_disk_and_resumes_where_it_stopped(tmp_path: Path) -> None:
    interrupted = Runner(failing={"tflite/static_wi8_ai8": KeyboardInterrupt()}, fail_at=2)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, interrupted)
    kept = store.load(tmp_path / "run")
    won = {m.variant: len(m.restarts) for m in kept.measurements}
    assert not kept.complete and 0 < sum(won.values()) < 12
    assert interrupted.closed

    runner = Runner()
    resumed = pipeline.resume(tmp_path / "run", EXPERIMENT)
    report, _ = run(tmp_path, runner, resumed=resumed)
    assert len(runner.runs) == 12 - sum(won.values())  # no check and no restart is done twice
    assert all(len(m.restarts) == 3 for m in report.measurements)


def test_a_run_of_another_experiment_is_not_resumed(tmp_path: Path) -> None:
    run(tmp_path, Runner())
    other = msgspec.structs.replace(EXPERIMENT, recipes=("fp16",))
    with pytest.raises(ExperimentError, match="another experiment"):
        pipeline.resume(tmp_path / "run", other)


def test_gates_may_change_between_a_run_and_its_resumption(tmp_path: Path) -> None:
    run(tmp_path, Runner())
    other = msgspec.structs.replace(EXPERIMENT, gates=("latency_ms.p50 <= 1",))
    assert pipeline.resume(tmp_path / "run", other).experiment == other


def test_a_gate_that_needs_labels_stops_before_any_conversion(tmp_path: Path) -> None:
    converter = Converter()
    experiment = msgspec.structs.replace(EXPERIMENT, gates=("f1_score >= 0.9",))
    with pytest.raises(ExperimentError, match="f1_score"):
        run(tmp_path, Runner(), converter, experiment)
    assert converter.made == []


def test_a_device_that_is_not_there_is_known_before_any_conversion(tmp_path: Path) -> None:
    converter = Converter()

    def nowhere(*_: object) -> Runner:
        raise RunnerError("no phone can be measured on")

    folder = tmp_path / "run"
    folder.mkdir()
    plan = pipeline.Plan(folder=folder, cache=tmp_path / "cache")
    made = msgspec.structs.replace(rooms(Runner(), converter), runner=nowhere)
    with pytest.raises(RunnerError, match="no phone"):
        pipeline.run(EXPERIMENT, plan, lambda _: None, None, made)
    assert converter.made == [] and [path.name for path in folder.iterdir()] == ["results.json"]


def test_this_computer_is_the_device_unless_another_is_asked_for() -> None:
    runner = pipeline.REAL.runner(EXPERIMENT, lambda _: None)
    assert runner.device().kind == "host"
    runner.close()


def test_a_ready_made_file_is_its_own_only_build() -> None:
    experiment = Experiment(model=ModelSource(source="some/model.tflite"))
    ((runtime, recipe),) = pipeline.builds_of(experiment)
    assert (runtime, recipe.name) == ("tflite", "as-is")


def test_a_runner_that_tells_no_outputs_gives_times_without_quality_and_says_so(tmp_path: Path) -> None:
    class Program(Runner):
        def run(self, request: Request, *, folder: Path, bounds: Bounds) -> Response:
            response = super().run(request, folder=folder, bounds=bounds)
            facts = {"outputs": "not told", "program": "benchmark_model"}
            result = msgspec.structs.replace(response.results[0], output_files=(), facts=facts)
            return msgspec.structs.replace(response, results=(result,))

    report, _ = run(tmp_path, Program())
    assert all(m.failure is None and m.quality is None and len(m.restarts) == 3 for m in report.measurements)
    for standing in report.standings:
        (doubt,) = [caveat for caveat in standing.caveats if caveat.id == "NO-REFERENCE"]
        assert doubt.detail == "benchmark_model does not give its outputs"
