"""harness/planned.py: a pair of builds on a device without live sessions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from device_runners.wire import BuildFile, BuildResult, Request, Response
from harness import compare, paired, planned
from harness.errors import RunnerError
from harness.process import Bounds
from harness.records import Block, Settings
from harness.sides import Side
from tests.fakes.phones import BOUNDS, TIMING
from tests.fakes.rooms import Runner


class PlanRunner(Runner):
    """Times plans: a build takes what `slow_ns` says, some 0.5 % off in each process, and 1 % more in each block."""

    plans = True

    def __init__(self, slow_ns: dict[str, int], *, refuses: str = "") -> None:
        super().__init__(slow_ns)
        self.requests: list[Request] = []
        self._refuses = refuses

    def run(self, request: Request, *, folder: Path, bounds: Bounds) -> Response:
        self.requests.append(request)
        if not request.plan:
            return super().run(request, folder=folder, bounds=bounds)
        random = np.random.default_rng(len(self.requests))
        level = random.normal(1, 0.005)
        blocks: list[list[Block]] = [[] for _ in request.builds]
        for number, turn in enumerate(request.plan):
            name = request.builds[turn.build].id
            per_call = self.slow_ns.get(name, 1_000_000) * level * (1 + 0.01 * number)
            wall = tuple(int(v) for v in per_call * random.normal(1, 0.01, turn.calls))
            blocks[turn.build].append(Block(wall_ns=wall, wait_ns=(0,) * turn.calls))
        results = tuple(
            BuildResult(build=one.id, blocks=tuple(timed), failure="no kernel" if one.id == self._refuses else "")
            for one, timed in zip(request.builds, blocks, strict=True)
        )
        return Response(run_id=request.run_id, started="", results=results)


def build(id_: str) -> BuildFile:
    runtime = "tflite" if id_.startswith("tflite") else "executorch"
    return BuildFile(id=id_, runtime=runtime, path=id_, sha256="0" * 64)  # type: ignore[arg-type]


def pair(folder: Path, a: str, b: str) -> planned.Encounter:
    return planned.Encounter(
        number=3,
        a=build(a),
        b=build(b),
        timing=TIMING,
        inputs=(),
        turns=compare.turns(8, first="b"),
        calls=5,
        folder=folder,
        bounds=BOUNDS,
    )


def test_two_builds_of_one_runtime_share_a_process_and_take_turns_there(tmp_path: Path) -> None:
    runner = PlanRunner({})
    a, b = planned.meet(runner, pair(tmp_path, "tflite/a", "tflite/b"))
    (request,) = runner.requests
    assert "".join("ab"[turn.build] for turn in request.plan) == "baabbaabbaabbaab"
    assert {turn.calls for turn in request.plan} == {5} and not request.paced
    assert (a.results[0].build, b.results[0].build) == ("tflite/a", "tflite/b")
    assert len(a.results[0].blocks) == len(b.results[0].blocks) == 8


def test_builds_of_two_runtimes_are_timed_in_processes_that_take_turns(tmp_path: Path) -> None:
    runner = PlanRunner({})
    a, b = planned.meet(runner, pair(tmp_path, "tflite/a", "executorch/b"))
    assert [request.builds[0].id for request in runner.requests] == [
        "executorch/b",
        "tflite/a",
        "tflite/a",
        "executorch/b",
    ]
    assert len(a.results[0].blocks) == len(b.results[0].blocks) == 8
    assert len({path.name for path in tmp_path.iterdir()}) == 4


def test_a_build_that_is_refused_ends_the_pair_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match="tflite/b: no kernel"):
        planned.meet(PlanRunner({}, refuses="tflite/b"), pair(tmp_path, "tflite/a", "tflite/b"))


@pytest.mark.parametrize(
    ("b", "slower", "outcome"),
    [("tflite/b", 1.05, "slower"), ("tflite/b", 1.0, "same"), ("executorch/b", 1.10, "slower")],
)
def test_a_comparison_by_plans_finds_what_is_there(tmp_path: Path, b: str, slower: float, outcome: str) -> None:
    def side(id_: str) -> Side:
        return Side(label=id_, runtime=build(id_).runtime, path=id_, sha256="0" * 64)

    runner = PlanRunner({b: int(1_000_000 * slower)})
    match = compare.Match(
        a=side("tflite/a"), b=side(b), folder=tmp_path, settings=Settings(), plan=paired.Plan(), seed=1
    )
    found = compare.compare(match, runner, lambda done, total: None)
    assert found.outcome == outcome and found.effect.value == pytest.approx(slower - 1, abs=0.01)
    assert runner.sessions == []
