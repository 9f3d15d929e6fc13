"""Is the reported latency true? The p50 that a run reports against a bare loop over the same runtime.

    python benchmarks/timing_truth.py [--seconds 40] [--models FOLDER]

For each runtime one network is loaded once; then, in rounds and in random order within each, the runner's own loop
times a block of it (inputs fed before each call, run-queue wait read, probe subtracted) and a bare loop of clock,
call, clock times as many calls, twice: the second one, against the first, is the control. Rounds in which the thread
had to wait for a processor are left out, whatever they say. A ratio is the median over the others with a 99 %
order-statistic interval. Goal: within 1 % for a network of about two milliseconds; a network of
microseconds is shown beside it. Exit code 0: within; 1: not within; 2: the intervals, or the control, do not allow to
tell (a busy machine: run it again for longer).
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import repeat
from pathlib import Path
from time import perf_counter_ns

import numpy as np

from device_runners import engines, linux, tensors
from device_runners.loop import Loop
from device_runners.stopwatch import Stopwatch, undisturbed
from device_runners.wire import Timing
from harness.metrics import latency_samples_ms
from harness.process import Bounds, execute
from harness.records import Block, Device, Measurement, Record, Restart, Runtime, Settings
from harness.stats import quantile, quantile_interval

GOAL = 0.01
CONFIDENCE = 0.99
ROUNDS_AT_LEAST = 100
SAMPLES = 5  # of each kind in a round: few, so that enough rounds are left alone on a busy machine
PATIENCE = 4  # times the seconds asked for, while fewer rounds than needed were left alone
SIZES = {"mobile": (64, 128), "tiny": (4, 16)}  # width, edge
FILES: dict[Runtime, str] = {"tflite": "tflite", "executorch": "pte"}
TIMING = Timing(
    num_threads=1,
    warmup_runs=20,
    warmup_min_secs=0.5,
    warmup_max_secs=5.0,
    num_runs=1,
    min_secs=0.0,
    max_secs=600.0,
    blocks=1,
)


class Found(Record, frozen=True, kw_only=True):
    """Ratios of the undisturbed rounds of one network in one runtime; p50s are of these, milliseconds."""

    name: str
    ratios: tuple[float, ...]
    controls: tuple[float, ...]
    reported_ms: float
    bare_ms: float
    rounds: int


def make(folder: Path) -> None:
    """Depthwise-separable networks with random weights, in both formats (run in a child process)."""
    import litert_torch
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    torch.manual_seed(0)

    def block(ins: int, outs: int, stride: int) -> torch.nn.Module:
        spatial = torch.nn.Conv2d(ins, ins, 3, stride, 1, groups=ins)
        return torch.nn.Sequential(spatial, torch.nn.ReLU6(), torch.nn.Conv2d(ins, outs, 1), torch.nn.ReLU6())

    for name, (width, edge) in SIZES.items():
        layers = [torch.nn.Conv2d(3, width, 3, 2, 1), torch.nn.ReLU6()]
        layers += [block(width, 2 * width, 1), block(2 * width, 4 * width, 2), block(4 * width, 8 * width, 2)]
        layers += [torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(8 * width, 10)]
        network, example = torch.nn.Sequential(*layers).eval(), (torch.randn(1, 3, edge, edge),)
        litert_torch.convert(network, example).export(str(folder / f"{name}.tflite"))
        exported = torch.export.export(network, example)
        lowered = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()]).to_executorch()
        (folder / f"{name}.pte").write_bytes(lowered.buffer)


def bare_ms(invoke: Callable[[], object], samples: int, calls_per_sample: int) -> float:
    """The anchor: p50 of clock, call, clock, and nothing else."""
    taken = []
    with undisturbed():
        for _ in range(samples):
            if calls_per_sample == 1:
                start = perf_counter_ns()
                invoke()
                taken.append(perf_counter_ns() - start)
            else:
                turns = repeat(None, calls_per_sample)
                start = perf_counter_ns()
                for _ in turns:
                    invoke()
                taken.append(perf_counter_ns() - start)
    return quantile(taken, 0.5) / calls_per_sample / 1e6


def reported_ms(block: Block) -> float:
    """The p50 as a report has it, through the same records and the same arithmetic."""
    restart = Restart(started="", load_ms=0, first_inference_ms=0, warmup=block, blocks=(block,))
    device = Device(kind="host", name="")
    measurement = Measurement(variant="", device=device, settings=Settings(), restarts=(restart,))
    return quantile(latency_samples_ms(measurement)[0], 0.5)


def waited_ns() -> int:
    """Time that this thread stood in the run queue until now; 0 where the system does not tell."""
    fields = linux.text_of(Path("/proc/thread-self/schedstat")).split()
    return int(fields[1]) if fields else 0


def compare(name: str, engine: engines.Engine, stopwatch: Stopwatch, seconds: float) -> Found:
    """Rounds until the time is over, or the interval is narrow enough not to need more."""
    rng = np.random.default_rng(0)
    shapes = [zeros.shape for zeros in tensors.zeros_for(engine.inputs)]
    feeds = [engine.feeding([rng.normal(size=s).astype(np.float32) for s in shapes]) for _ in range(8)]
    loop = Loop(stopwatch, engine.invoke, feeds=feeds, timing=TIMING)
    wall_ns, wait_ns = loop.first()
    loop.size(wall_ns - wait_ns, lambda: True)
    loop.warm_up()
    per_sample = loop.calls_per_sample
    arms: dict[str, Callable[[], float]] = {
        "reported": lambda: reported_ms(loop.block(SAMPLES * per_sample)),
        "bare": lambda: bare_ms(engine.invoke, SAMPLES, per_sample),
        "control": lambda: bare_ms(engine.invoke, SAMPLES, per_sample),
    }
    found: dict[str, list[float]] = {arm: [] for arm in arms}
    rounds, start = 0, time.monotonic()
    while (passed := time.monotonic() - start) < seconds or (
        len(found["bare"]) < ROUNDS_AT_LEAST and passed < PATIENCE * seconds
    ):
        waited = waited_ns()
        once = {arm: arms[arm]() for arm in random.sample(list(arms), len(arms))}
        rounds += 1
        if waited_ns() == waited:
            for arm, value in once.items():
                found[arm].append(value)
    ratios = tuple(a / b for a, b in zip(found["reported"], found["bare"], strict=True))
    controls = tuple(a / b for a, b in zip(found["control"], found["bare"], strict=True))
    reported, bare = (quantile(found[arm] or [math.nan], 0.5) for arm in ("reported", "bare"))
    return Found(name=name, ratios=ratios, controls=controls, reported_ms=reported, bare_ms=bare, rounds=rounds)


def judge(found: Found) -> tuple[str, int]:
    """(one line, exit code)."""
    if len(found.ratios) < ROUNDS_AT_LEAST:
        return f"{found.name}: inconclusive, {len(found.ratios)} of {found.rounds} rounds were left alone", 2
    low, high = _interval(found.ratios)
    control_low, control_high = _interval(found.controls)
    line = (
        f"{found.name}: {quantile(found.ratios, 0.5):.4f} [{low:.4f}, {high:.4f}], "
        f"{found.reported_ms:.4f} ms reported, {found.bare_ms:.4f} ms bare, "
        f"control [{control_low:.4f}, {control_high:.4f}], {len(found.ratios)} of {found.rounds} rounds"
    )
    if control_low < 1 - GOAL or control_high > 1 + GOAL:
        return f"{line}: inconclusive, the control is off", 2
    if low >= 1 - GOAL and high <= 1 + GOAL:
        return f"{line}: within {GOAL:.0%}", 0
    if high < 1 - GOAL or low > 1 + GOAL:
        return f"{line}: not within {GOAL:.0%}", 1
    return f"{line}: inconclusive, not surely within {GOAL:.0%}", 2


def _interval(ratios: tuple[float, ...]) -> tuple[float, float]:
    low, high = quantile_interval(ratios, 0.5, CONFIDENCE)[:2]
    return -math.inf if low is None else low, math.inf if high is None else high


def measure(folder: Path, seconds: float) -> int:
    worst, figures = 0, []
    print(f"load {linux.load_average()}")
    with contextlib.closing(Stopwatch()) as stopwatch:
        for size in SIZES:
            for runtime, suffix in FILES.items():
                engine = engines.start(runtime, 1).load(folder / f"{size}.{suffix}", [])
                found = compare(f"{runtime} {size}", engine, stopwatch, seconds)
                line, code = judge(found)
                print(f"{line}; excess {1e3 * (found.reported_ms - found.bare_ms):+.2f} us")
                if size == "mobile":
                    figures.append(f"{runtime} {quantile(found.ratios or (math.nan,), 0.5):.4f}")
                    worst = max(worst, code)
    print(f"load {linux.load_average()}")
    verdict = ("within", "not within", "inconclusive: within")[worst]
    print(f"reported p50 / bare loop: {', '.join(figures)} ({verdict} {GOAL:.0%})")
    return worst


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15.0, help="per network and runtime")
    parser.add_argument("--models", type=Path, help="a folder that keeps the networks for the next time")
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.make:
        make(arguments.make)
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder: Path = arguments.models or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not all((folder / f"{size}.{suffix}").exists() for size in SIZES for suffix in FILES.values()):
            argv = [sys.executable, __file__, "--make", str(folder)]
            print("making the networks ...", flush=True)
            execute(argv, bounds=Bounds(timeout_secs=600), log=folder / "make.log", env={"OMP_NUM_THREADS": "1"})
        return measure(folder, arguments.seconds)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
