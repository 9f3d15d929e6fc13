"""Is the reported latency true? Our p50 against a loop in C over the same library, both runtimes.

    python benchmarks/truth.py [--processes 8]

A MobileNet-like network in float32 and int8 must come out within 1 %, one of microseconds with at most 0.3 us more per
call. In every process both loops load the same file, are fed the same inputs, and take turns in blocks, in a new random
order each round; a second turn of the loop in C, against its first, is the control. A process gives one ratio (see
`harness.paired.pair_statistic`), for where things lie in memory stays the same for its life; intervals are of 99 % and
from processes. Time is on-CPU for both; on an idle machine that is the wall time. Exit code 0: goals met; 1: one is
missed; 2: not to be told today (the machine is too busy, or something is not installed).
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import math
import os
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import compiled
import msgspec
import networks
import numpy as np

from device_runners import engines, linux
from device_runners.loop import Loop
from device_runners.stopwatch import Stopwatch
from device_runners.wire import Timing
from harness import paired
from harness.errors import PocketbenchError
from harness.metrics import latency_samples_ms, on_cpu_samples_ms
from harness.process import Bounds, execute
from harness.records import Block, Device, Measurement, Record, Restart, Runtime, Settings

GOAL, GOAL_EXCESS_US, CONFIDENCE = 0.01, 0.3, 0.99
FEWEST_PROCESSES = 8  # fewer allow no interval of 99 %
ROUNDS, SAMPLES, COLD, INPUTS = 12, 10, 2, 8  # of a block's samples the first COLD are left out
LOOPS: dict[Runtime, Callable[[Path], Path]] = {
    "tflite": compiled.litert_loop,
    "executorch": compiled.executorch_loop,
}
WANTED = [
    networks.Network(name=name, runtime=runtime, recipe=recipe)
    for runtime in LOOPS
    for name, recipe in (("mobile", "fp32"), ("mobile", "int8"), ("tiny", "fp32"))
]
TIMING = Timing(
    num_threads=1,
    warmup_runs=20,
    warmup_min_secs=0.2,
    warmup_max_secs=5.0,
    num_runs=1,
    min_secs=0.0,
    max_secs=600.0,
    blocks=1,
)


class Job(Record, frozen=True, kw_only=True):
    """What one process does: the builds of one runtime, by the name of their network, and the loop in C."""

    runtime: Runtime
    builds: dict[str, str]
    library: str
    seed: int


class Found(Record, frozen=True, kw_only=True):
    """What one process found for one network, in microseconds per call; ratios are logarithms, of ours / C."""

    ours_us: float
    c_us: float
    log_ratio: float
    wall_log_ratio: float
    control: float
    wait_share: float


def measured(job: Job) -> dict[str, Found]:
    """One process: every build of one runtime, in random order."""
    source = random.Random(job.seed)
    runtime = engines.start(job.runtime, 1)
    library = compiled.loaded(Path(job.library))
    with contextlib.closing(Stopwatch()) as stopwatch:
        return {
            name: _network(runtime.load(Path(job.builds[name]), []), job.builds[name], library, (stopwatch, source))
            for name in source.sample(list(job.builds), len(job.builds))
        }


def _network(engine: engines.Engine, path: str, library: ctypes.CDLL, tools: tuple[Stopwatch, random.Random]) -> Found:
    stopwatch, source = tools
    shape = engine.inputs[0].shape
    data = np.random.default_rng(0).uniform(-1, 1, (INPUTS, *shape)).astype(np.float32)
    handle = library.loop_open(path.encode(), data.ctypes.data, INPUTS)
    if not handle:
        raise SystemExit(f"the loop in C cannot load {path}")
    _check_same(engine, library, handle, data)
    feeds = [engine.feeding([one]) for one in data]
    ours = Loop(stopwatch, engine.invoke, feeds=feeds, timing=TIMING, idle=engine.idle)
    ours.size(ours.first()[0], lambda: True)
    ours.warm_up()
    calls = ours.calls_per_sample

    def in_c() -> Block:
        return _c_block(library, handle, calls)

    in_c()
    arms: dict[str, Callable[[], Block]] = {"ours": lambda: ours.block(SAMPLES * calls), "c": in_c}
    blocks: dict[str, list[Block]] = {arm: [] for arm in arms}
    for _ in range(ROUNDS):
        for arm in source.sample([*arms, *arms], 2 * len(arms)):
            blocks[arm].append(arms[arm]())
    return _found(blocks)


def _check_same(engine: engines.Engine, library: ctypes.CDLL, handle: int, data: np.ndarray) -> None:
    """Both must compute the same, or the times say nothing."""
    engine.feeding([data[0]])()
    engine.invoke()
    expected = np.ascontiguousarray(engine.read()[0])
    output = np.empty_like(expected)
    size = library.loop_output(handle, output.ctypes.data, output.nbytes)
    if size != output.nbytes or not np.allclose(output, expected, rtol=1e-3, atol=1e-4):
        raise SystemExit(f"the loop in C computes something else: {output.ravel()[:4]}, ours {expected.ravel()[:4]}")


def _c_block(library: ctypes.CDLL, handle: int, calls: int) -> Block:
    wall, wait = (ctypes.c_int64 * SAMPLES)(), (ctypes.c_int64 * SAMPLES)()
    if library.loop_run(handle, SAMPLES, calls, wall, wait) != 0:
        raise SystemExit("a call of the loop in C failed")
    return Block(wall_ns=tuple(wall), wait_ns=tuple(wait), calls_per_sample=calls)


def _found(blocks: dict[str, list[Block]]) -> Found:
    on_cpu = {arm: [_reported(block, on_cpu_samples_ms) for block in taken] for arm, taken in blocks.items()}
    wall = {arm: [_reported(block, latency_samples_ms) for block in taken] for arm, taken in blocks.items()}
    every = [block for taken in blocks.values() for block in taken]
    return Found(
        ours_us=1e3 * float(np.median(np.concatenate(on_cpu["ours"]))),
        c_us=1e3 * float(np.median(np.concatenate(on_cpu["c"]))),
        log_ratio=paired.pair_statistic(on_cpu["c"], on_cpu["ours"]),
        wall_log_ratio=paired.pair_statistic(wall["c"], wall["ours"]),
        control=paired.pair_statistic(on_cpu["c"][::2], on_cpu["c"][1::2]),
        wait_share=sum(sum(b.wait_ns) for b in every) / sum(sum(b.wall_ns) for b in every),
    )


def _reported(block: Block, samples_of: Callable[[Measurement], Sequence[np.ndarray]]) -> np.ndarray:
    """The samples of a block as a report has them, through the same records and the same arithmetic."""
    restart = Restart(started="", load_ms=0, first_inference_ms=0, warmup=block, blocks=(block,))
    device = Device(kind="host", name="")
    measurement = Measurement(variant="", device=device, settings=Settings(), restarts=(restart,))
    return np.asarray(samples_of(measurement)[0])[COLD:]


def judge(network: networks.Network, found: Sequence[Found]) -> tuple[str, int]:
    """(one line, exit code)."""
    ratio, low, high = _ratio([one.log_ratio for one in found])
    _, control_low, control_high = _ratio([one.control for one in found])
    c_us = float(np.median([one.c_us for one in found]))
    excess = [(bound - 1) * c_us for bound in (ratio, low, high)]
    line = (
        f"{network}: {ratio:.4f} [{low:.4f}, {high:.4f}] of {c_us:.2f} us in C, "
        f"{excess[0]:+.2f} us [{excess[1]:+.2f}, {excess[2]:+.2f}]; "
        f"wall {_ratio([one.wall_log_ratio for one in found])[0]:.4f}, "
        f"control [{control_low:.4f}, {control_high:.4f}], waiting {np.mean([one.wait_share for one in found]):.0%}"
    )
    if network.name == "tiny":
        floor, ceiling = -math.inf, 1 + GOAL_EXCESS_US / c_us
    else:
        floor, ceiling = 1 - GOAL, 1 + GOAL
    # What the loop in C differs by from itself may be added to either side, and it is still missed: no noise did that.
    if low > ceiling * max(control_high, 1 / control_low) or high < floor * min(control_low, 1 / control_high):
        return f"{line}: missed", 1
    if control_low < 1 - GOAL or control_high > 1 + GOAL:
        return f"{line}: inconclusive, the control is off", 2
    met = floor <= low and high <= ceiling
    return f"{line}: {'met' if met else 'inconclusive'}", 0 if met else 2


def _ratio(logs: Sequence[float]) -> tuple[float, float, float]:
    low, high = paired.effect_interval(logs, CONFIDENCE)
    bounds = (-math.inf if low is None else low, math.inf if high is None else high)
    return math.exp(paired.effect_estimate(logs)), math.exp(bounds[0]), math.exp(bounds[1])


def measure(processes: int, folder: Path) -> dict[networks.Network, list[Found]]:
    """So many processes of each runtime, the runtimes in random order."""
    print("making the networks ...", file=sys.stderr, flush=True)
    builds = networks.built(WANTED)
    libraries = {runtime: make(folder) for runtime, make in LOOPS.items()}
    found: dict[networks.Network, list[Found]] = {network: [] for network in WANTED}
    for number in range(processes):
        for runtime in random.sample(list(LOOPS), len(LOOPS)):
            mine = {str(network): network for network in WANTED if network.runtime == runtime}
            job = Job(
                runtime=runtime,
                builds={name: str(builds[network]) for name, network in mine.items()},
                library=str(libraries[runtime]),
                seed=random.randrange(2**32),
            )
            for name, one in _in_child(job, folder).items():
                found[mine[name]].append(one)
        print(f"\r{number + 1} of {processes} processes each", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return found


def _in_child(job: Job, folder: Path) -> dict[str, Found]:
    question, answer = folder / "job.json", folder / "found.json"
    question.write_bytes(msgspec.json.encode(job))
    root = str(Path(__file__).parents[1])
    argv = [sys.executable, __file__, "--job", str(question), "--answer", str(answer)]
    environment = {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    execute(argv, bounds=Bounds(timeout_secs=300), log=folder / "child.log", env=environment)
    return msgspec.json.decode(answer.read_bytes(), type=dict[str, Found])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=FEWEST_PROCESSES, help="of each runtime, at least 8")
    parser.add_argument("--job", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--answer", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        job = msgspec.json.decode(arguments.job.read_bytes(), type=Job)
        arguments.answer.write_bytes(msgspec.json.encode(measured(job)))
        return 0
    try:
        with tempfile.TemporaryDirectory() as temporary:
            found = measure(max(FEWEST_PROCESSES, arguments.processes), Path(temporary))
    except PocketbenchError as error:
        print(f"truth: not measured: {error.message}; {error.remedy}")
        return 2
    judged = {network: judge(network, ones) for network, ones in found.items()}
    print(f"load {linux.load_average()}")
    for line, _ in judged.values():
        print(line)
    codes = {code for _, code in judged.values()}
    worst = 1 if 1 in codes else max(codes)
    figures = ", ".join(f"{network} {_ratio([one.log_ratio for one in found[network]])[0]:.4f}" for network in WANTED)
    print(f"our p50 / C loop p50: {figures} ({('goals met', 'a goal is missed', 'inconclusive')[worst]})")
    return worst


if __name__ == "__main__":
    sys.exit(main())
