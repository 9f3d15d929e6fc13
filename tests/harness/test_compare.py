from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest

from harness import compare, sides, store
from harness.errors import ExperimentError, ProcessCrashed
from harness.records import Experiment, ModelSource, Recommendation, Report, Settings, Variant
from harness.sides import Side
from tests.fakes.rooms import Runner, crashed


def match(tmp_path: Path, **changes: object) -> compare.Match:
    a, b = (Side(label=f"build-{x}", runtime="tflite", path=f"/{x}.tflite", sha256="0" * 64) for x in "ab")
    return msgspec.structs.replace(compare.Match(a=a, b=b, folder=tmp_path), **changes)


def run(tmp_path: Path, runner: Runner, **changes: object) -> compare.Comparison:
    return compare.compare(match(tmp_path, **changes), runner, lambda done, total: None)


def test_a_slower_build_is_called_slower_with_its_effect_in_the_interval(tmp_path: Path) -> None:
    found = run(tmp_path, Runner({"build-b": 1_050_000}))
    assert found.outcome == "slower" and found.clock == "on-CPU"
    assert found.effect.low is not None and found.effect.high is not None
    assert found.effect.low < 0.05 < found.effect.high
    assert found.effect.value == pytest.approx(0.05, abs=0.01)


def test_a_faster_build_is_called_faster(tmp_path: Path) -> None:
    assert run(tmp_path, Runner({"build-b": 700_000})).outcome == "faster"


def test_the_same_build_is_the_same_within_the_margin(tmp_path: Path) -> None:
    found = run(tmp_path, Runner())
    assert found.outcome == "same" and len(found.log_ratios) == found.effect.samples


def test_one_process_runs_at_a_time_and_turns_are_abba(tmp_path: Path) -> None:
    runner = Runner()
    run(tmp_path, runner)
    first = runner.turns[: 2 * compare.BLOCKS]
    assert first in (compare.turns(compare.BLOCKS, first="a"), compare.turns(compare.BLOCKS, first="b"))
    assert first[:8] in ("abbaabba", "baabbaab")


def test_who_starts_and_who_times_first_is_drawn_anew_for_every_pair(tmp_path: Path) -> None:
    runner = Runner()
    found = run(tmp_path, runner)
    starts = [runner.runs[2 + 2 * pair] for pair in range(len(found.log_ratios))]
    firsts = {runner.turns[2 * compare.BLOCKS * pair] for pair in range(len(found.log_ratios))}
    assert len(set(starts)) == 2 and firsts == {"a", "b"}


def test_every_session_is_closed_when_one_crashes(tmp_path: Path) -> None:
    class Crashing(Runner):
        def start(self, request, *, folder, bounds):  # type: ignore[no-untyped-def]
            self.failing = {"build-b": crashed()}
            return super().start(request, folder=folder, bounds=bounds)

    crashing = Crashing()
    with pytest.raises(ProcessCrashed, match="SIGSEGV"):
        compare.compare(match(tmp_path), crashing, lambda done, total: None)
    assert crashing.sessions and all(session.closed for session in crashing.sessions)


def test_without_on_cpu_time_the_wall_clock_is_compared_and_said_so(tmp_path: Path) -> None:
    found = run(tmp_path, Runner(), settings=Settings(num_threads=4), plan=compare.paired.Plan(margin=0.0001))
    assert found.clock == "wall" and found.wait_share is None
    assert found.outcome == "inconclusive" and "with 4 threads" in found.reason


def test_slow_builds_get_fewer_calls_and_blocks(tmp_path: Path) -> None:
    runner = Runner({"build-a": 200_000_000, "build-b": 200_000_000})
    found = run(tmp_path, runner)
    pairs = len(found.log_ratios)
    assert len(runner.turns) == pairs * 2 * compare.BLOCKS_WHEN_SLOW


# --- what may stand on a side -------------------------------------------------------------------------


@pytest.fixture
def a_run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "builds").mkdir(parents=True)
    variants = []
    for name in ("fp32", "static_wi8_ai8"):
        path = folder / "builds" / f"tflite-{name}.tflite"
        path.write_text(name)
        digest = hashlib.sha256(name.encode()).hexdigest()
        kept = f"builds/{path.name}"
        variants.append(Variant(id=f"tflite/{name}", runtime="tflite", recipe=name, path=kept, sha256=digest))
    report = Report(
        experiment=Experiment(model=ModelSource(source="m.py")),
        variants=tuple(variants),
        recommendation=Recommendation(variant="tflite/static_wi8_ai8", reason="fastest"),
    )
    store.save(folder, report)
    return folder


def test_a_run_stands_for_its_recommended_build(a_run: Path) -> None:
    assert sides.resolve(str(a_run)).path.endswith("tflite-static_wi8_ai8.tflite")


def test_a_build_of_a_run_is_named_behind_a_colon(a_run: Path) -> None:
    side = sides.resolve(f"{a_run}:tflite/fp32")
    assert side.label == "tflite/fp32" and Path(side.path).read_text() == "fp32"


def test_a_file_is_a_side(a_run: Path) -> None:
    assert sides.resolve(str(a_run / "builds" / "tflite-fp32.tflite")).runtime == "tflite"


def test_an_unknown_build_is_refused_with_the_nearest(a_run: Path) -> None:
    with pytest.raises(ExperimentError, match=r"no build 'tflite/fp23'; did you mean 'tflite/fp32'\?"):
        sides.resolve(f"{a_run}:tflite/fp23")


def test_a_build_that_changed_since_it_was_measured_is_refused(a_run: Path) -> None:
    (a_run / "builds" / "tflite-fp32.tflite").write_text("something else")
    with pytest.raises(ExperimentError, match="is not the file that was measured"):
        sides.resolve(f"{a_run}:tflite/fp32")


def test_what_is_no_side_is_refused_with_what_may_stand_there(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="neither a build") as caught:
        sides.resolve(str(tmp_path / "weights.pth"))
    assert "RUN:tflite/fp32" in caught.value.remedy
