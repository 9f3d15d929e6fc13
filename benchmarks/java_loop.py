"""Does the app's loop measure what the worker in Python measures? Two live workers on the same file, block by block.

    python benchmarks/java_loop.py [--runtime tflite|executorch] [--recipe fp32|int8] [--pairs 8] [--blocks 60]

A pair is one fresh process of each worker, alive at the same time and kept on one processor drawn at random; their
blocks alternate (A B B A). The statistic of a pair is the centre (Hodges and Lehmann) of the logarithms of the ratios
of neighbouring blocks' medians, Java over Python, of the time outside the run queue. The interval over pairs is the
one that comparisons of builds use (99 %). Both workers sit on the same wheel: for ExecuTorch on the same library; for
LiteRT the Python worker uses the interpreter and the Java worker the compiled model, as there is no C interface to the
interpreter in it.

Goal: within 2 %, both runtimes, networks of milliseconds. Exit code 0: within; 1: not within; 2: not to be told.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import math
import os
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from android_app.ci import jvm
from benchmarks.networks import Network, built
from device_runners import linux
from device_runners.host import HostRunner, HostSession
from device_runners.wire import BuildFile, PlannedBlock, Request, Timing
from harness import paired
from harness.errors import PocketbenchError
from harness.process import Bounds
from harness.records import Block, Runtime

GOAL, CONFIDENCE = 0.02, 0.99
BOUNDS = Bounds(timeout_secs=60)
CALLS = 4  # in a block: short ones, so that neighbours see the same machine
TIMING = Timing(
    num_threads=1,
    warmup_runs=20,
    warmup_min_secs=0.3,
    warmup_max_secs=1.5,
    num_runs=1,
    min_secs=0.0,
    max_secs=60.0,
    blocks=1,
)
WORD = {0: "within", 1: "not within", 2: "inconclusive: not surely within"}


def pair(network: Network, path: Path, workers: dict[str, HostRunner], blocks: int) -> tuple[float, dict[str, float]]:
    """(log ratio Java over Python, p50 of each in milliseconds) of one pair of processes."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    build = BuildFile(id=str(network), runtime=network.runtime, path=str(path), sha256=digest)
    plan = (PlannedBlock(build=0, calls=CALLS),) * blocks
    request = Request(run_id="pair", builds=(build,), timing=TIMING, plan=plan, paced=True)
    with contextlib.ExitStack() as stack:
        sessions: dict[str, HostSession] = {}
        with one_processor():
            for name in random.sample(list(workers), len(workers)):
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                sessions[name] = stack.enter_context(workers[name].start(request, folder=folder, bounds=BOUNDS))
        for session in sessions.values():
            session.ready()
        order = list(sessions.values())
        for _ in range(blocks):
            for session in order:
                session.block()
            order.reverse()
        times = {name: on_cpu_ms(session.finish().results[0].blocks) for name, session in sessions.items()}
    ratios = np.log(times["Java"]) - np.log(times["Python"])
    return paired.effect_estimate(ratios), {name: float(np.median(series)) for name, series in times.items()}


@contextlib.contextmanager
def one_processor() -> Iterator[None]:
    """What is started meanwhile, with every thread of it, stays on one processor."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {random.choice(sorted(allowed))})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def on_cpu_ms(blocks: tuple[Block, ...]) -> np.ndarray:
    """Median of each block, per call, without the time in the run queue."""
    return np.array(
        [
            np.median(np.array(block.wall_ns) - np.array(block.wait_ns or [0])) / block.calls_per_sample / 1e6
            for block in blocks
        ]
    )


def judge(network: Network, found: list[float], p50_ms: dict[str, float]) -> tuple[str, int]:
    """(one line, exit code)."""
    low, high = paired.effect_interval(found, CONFIDENCE)[:2]
    low, high = (-math.inf if low is None else low), (math.inf if high is None else high)
    ratio = math.exp(paired.effect_estimate(found))
    inside = low >= math.log1p(-GOAL) and high <= math.log1p(GOAL)
    outside = high < math.log1p(-GOAL) or low > math.log1p(GOAL)
    code = 0 if inside else 1 if outside else 2
    times = ", ".join(f"{name} {value:.4f} ms" for name, value in sorted(p50_ms.items()))
    interval = f"[{math.exp(low):.4f}, {math.exp(high):.4f}]"
    return f"{network}: {ratio:.4f} {interval}, {times}, {len(found)} pairs: {WORD[code]} {GOAL:.0%}", code


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runtime", choices=["tflite", "executorch"], action="append")
    parser.add_argument("--recipe", choices=["fp32", "int8"], action="append")
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--blocks", type=int, default=60)
    chosen = parser.parse_args()
    runtimes: list[Runtime] = chosen.runtime or ["tflite", "executorch"]
    networks = [
        Network(name="mobile", runtime=r, recipe=q) for r in runtimes for q in chosen.recipe or ["fp32", "int8"]
    ]
    try:
        files = built(networks)
        workers = {"Python": HostRunner(), "Java": HostRunner(jvm.build().command())}
        print(f"load {linux.load_average()}")
        codes = []
        for network, path in files.items():
            pairs = [pair(network, path, workers, chosen.blocks) for _ in range(chosen.pairs)]
            p50_ms = {name: float(np.median([one[1][name] for one in pairs])) for name in workers}
            line, code = judge(network, [one[0] for one in pairs], p50_ms)
            print(line, flush=True)
            print("  pairs:", " ".join(f"{math.exp(one[0]):.4f}" for one in sorted(pairs)), flush=True)
            codes.append(code)
        print(f"load {linux.load_average()}")
    except PocketbenchError as error:
        print(f"{error.message}; {error.remedy}", file=sys.stderr)
        return 2
    return 1 if 1 in codes else max(codes)


if __name__ == "__main__":
    sys.exit(main())
