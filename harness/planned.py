"""A pair of builds on a device that has no live sessions: they take turns by a plan.

Two builds of one runtime share a process, which times their blocks as A B B A ...; builds of two runtimes are timed in
four processes, A B B A, each with half of its side's blocks.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from device_runners import Runner
from device_runners.wire import BuildFile, BuildResult, PlannedBlock, Request, Response, TensorFile, Timing
from harness import store
from harness.errors import RunnerError
from harness.process import Bounds
from harness.records import Record


class Encounter(Record, frozen=True, kw_only=True):
    """One pair. turns: whose block is next, such as `abbaabba`; calls: of a block."""

    number: int
    a: BuildFile
    b: BuildFile
    timing: Timing
    inputs: tuple[TensorFile, ...]
    turns: str
    calls: int
    folder: Path
    bounds: Bounds

    def build(self, side: str) -> BuildFile:
        return self.a if side == "a" else self.b


def meet(runner: Runner, pair: Encounter) -> tuple[Response, Response]:
    """Each side's response, with all of its blocks. Raises RunnerError or ProcessError when one cannot be timed."""
    return _together(runner, pair) if pair.a.runtime == pair.b.runtime else _in_turn(runner, pair)


def _together(runner: Runner, pair: Encounter) -> tuple[Response, Response]:
    plan = tuple(PlannedBlock(build="ab".index(side), calls=pair.calls) for side in pair.turns)
    response = _asked(runner, pair, "together", (pair.a, pair.b), plan)
    return _of(response, response.results[:1]), _of(response, response.results[1:])


def _in_turn(runner: Runner, pair: Encounter) -> tuple[Response, Response]:
    """The first four turns say in which order the processes come."""
    half = max(1, len(pair.turns) // 4)
    parts: dict[str, list[Response]] = {"a": [], "b": []}
    for number, side in enumerate(pair.turns[:4]):
        plan = (PlannedBlock(build=0, calls=pair.calls),) * half
        parts[side].append(_asked(runner, pair, f"{number}-{side}", (pair.build(side),), plan))
    joined = []
    for responses in parts.values():
        blocks = tuple(block for one in responses for block in one.results[0].blocks)
        result = msgspec.structs.replace(responses[0].results[0], blocks=blocks)
        joined.append(_of(responses[0], (result,)))
    return joined[0], joined[1]


def _asked(
    runner: Runner, pair: Encounter, name: str, builds: tuple[BuildFile, ...], plan: tuple[PlannedBlock, ...]
) -> Response:
    folder = pair.folder / f"pair-{pair.number}-{name}"
    with store.guarded(folder):
        folder.mkdir(parents=True, exist_ok=True)
    request = Request(
        run_id=f"pair-{pair.number}/{name}", builds=builds, timing=pair.timing, plan=plan, inputs=pair.inputs
    )
    response = runner.run(request, folder=folder, bounds=pair.bounds)
    for result in response.results:
        if result.failure:
            raise RunnerError(f"{result.build}: {result.failure}")
    return response


def _of(response: Response, results: tuple[BuildResult, ...]) -> Response:
    return msgspec.structs.replace(response, results=results)
