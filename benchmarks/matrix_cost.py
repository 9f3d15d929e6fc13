"""What it costs to rank twelve builds, against running each build once in another tool, one after the other.

    python benchmarks/matrix_cost.py

Six .tflite and six .pte files of one network in different depths, two of each the same file twice. Ours is the
measuring part of a run (`harness.measuring`): outputs of every build, rounds of fresh processes in random order, more
of them only where builds are still tied, intervals of 99 %. It must put each runtime's depths in order, tell them
apart, and call the twins tied. The others: benchmark_model's policy on the .tflite files, from a program in C;
`executorch.runtime` with 5 and 50 calls on the .pte files; the wheel's litert-benchmark beside it. They take the same
time every time, so each runs for two of the six files, before and after ours, and counts three times. Goal: ours takes
no longer. Exit code 0: met, and the ranking is right; 1: not; 2: it could not be measured.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import compiled
import numpy as np

from device_runners import linux
from device_runners.host import HostRunner
from harness import measuring
from harness.commands import default_cache
from harness.errors import PocketbenchError
from harness.events import Event
from harness.judgement import judge
from harness.process import Bounds, execute
from harness.records import Experiment, Model, ModelSource, Report, Runtime, Settings, Standing, TensorSpec, Variant

GOAL, CONFIDENCE, SAMPLED, EDGE = 1.0, 0.99, 2, 96
DEPTHS = {"depth-4": 4, "depth-4-twin": 4, "depth-5": 5, "depth-7": 7, "depth-10": 10, "depth-14": 14}
SUFFIXES: dict[Runtime, str] = {"tflite": "tflite", "executorch": "pte"}
SETTINGS = Settings(restarts=4, max_restarts=6, extra_secs=20.0, warmup_min_secs=0.1, warmup_max_secs=1.0, min_secs=0.2)
BOUNDS = Bounds(timeout_secs=300)
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1])}
WITH_EXECUTORCH = """
import sys, time, torch
from executorch.runtime import Runtime
method = Runtime.get().load_program(sys.argv[1]).load_method("forward")
inputs = [torch.rand(1, 3, int(sys.argv[2]), int(sys.argv[2]))]
times = []
for _ in range(55):
    start = time.perf_counter()
    method.execute(inputs)
    times.append(time.perf_counter() - start)
print(sum(times[5:]) / 50)
"""


def make(folder: Path) -> None:
    """One file of each depth in both formats (run in a child process)."""
    import litert_torch
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    for depth in sorted(set(DEPTHS.values())):
        torch.manual_seed(depth)
        layers: list[torch.nn.Module] = [torch.nn.Conv2d(3, 64, 3, 2, 1), torch.nn.ReLU6()]
        for _ in range(depth):
            layers += [torch.nn.Conv2d(64, 64, 3, 1, 1, groups=64), torch.nn.ReLU6(), torch.nn.Conv2d(64, 64, 1)]
        layers += [torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(64, 10)]
        network, example = torch.nn.Sequential(*layers).eval(), (torch.randn(1, 3, EDGE, EDGE),)
        litert_torch.convert(network, example).export(str(folder / f"{depth}.tflite"))
        exported = torch.export.export(network, example)
        lowered = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()]).to_executorch()
        (folder / f"{depth}.pte").write_bytes(lowered.buffer)


def made() -> Path:
    """The folder with the files, made once for each version of this script."""
    digest = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
    folder = default_cache().resolve() / "benchmarks" / f"depths-{digest}"
    if not folder.exists():
        print("making the builds ...", file=sys.stderr, flush=True)
        draft = folder.with_name(f"{folder.name}.{os.getpid()}")
        draft.mkdir(parents=True)
        execute([sys.executable, __file__, "--make", str(draft)], bounds=BOUNDS, log=draft / "log", env=ENVIRONMENT)
        draft.rename(folder)
    return folder


# --- ours -----------------------------------------------------------------------------------------------------


def ranked(files: Path, folder: Path) -> tuple[float, Report]:
    """(seconds, the judged report) of all twelve builds."""
    variants = tuple(_variant(files, folder, name, runtime) for runtime in SUFFIXES for name in DEPTHS)
    experiment = Experiment(
        model=ModelSource(source="none.py"),
        recipes=tuple(DEPTHS),
        baseline="",
        settings=SETTINGS,
        rank_by="on_cpu_ms.p50",
        confidence=CONFIDENCE,
        seed=random.randrange(2**31),
    )
    spec = TensorSpec(name="x", shape=(1, 3, EDGE, EDGE), dtype="float32")
    model = Model(name="depths", source="none.py", format="python", fingerprint="", inputs=(spec,))
    (folder / "prepared" / "evaluation").mkdir(parents=True)
    np.save(folder / "prepared/evaluation/input_0.npy", np.random.default_rng(0).random((8, *spec.shape), np.float32))
    scene = measuring.Scene(
        experiment=experiment,
        model=model,
        prepared=folder / "prepared",
        folder=folder,
        score=lambda _: None,
        observe=_show,
    )
    started = time.monotonic()
    steps = measuring.measure_all(scene, Report(experiment=experiment, model=model, variants=variants), HostRunner())
    report = judge(deque(steps, maxlen=1)[0])
    seconds = time.monotonic() - started
    print(file=sys.stderr)
    return seconds, report


def _variant(files: Path, folder: Path, name: str, runtime: Runtime) -> Variant:
    source = files / f"{DEPTHS[name]}.{SUFFIXES[runtime]}"
    path = folder / f"{name}.{SUFFIXES[runtime]}"
    shutil.copyfile(source, path)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    return Variant(id=f"{runtime}/{name}", runtime=runtime, recipe=name, path=path.name, sha256=digest)


def _show(event: Event) -> None:
    print(f"\r{event.done} of {event.total} {event.now:40}", end="", file=sys.stderr, flush=True)


def faults(standings: Sequence[Standing]) -> list[str]:
    """What is wrong with the ranking: failed builds, depths out of order, twins apart, or depths (20 % apart and more)
    tied. Without the last one a ranking that calls everything tied would pass, and cost nothing."""
    wrong = [f"{standing.variant}: {standing.failure.reason}" for standing in standings if standing.failure]
    ranks = {standing.variant: standing.rank for standing in standings if standing.rank is not None}
    for runtime in SUFFIXES:
        mine = [ranks.get(f"{runtime}/{name}", 0) for name in DEPTHS]
        if mine[0] != mine[1]:
            wrong.append(f"the twins of {runtime} are told apart")
        if mine[1:] != sorted(mine[1:]):
            wrong.append(f"the depths of {runtime} are out of order: {mine}")
        apart = len(set(mine[1:])) - 1
        if apart < len(mine) - 2:
            wrong.append(f"only {apart} of the {len(mine) - 2} steps in depth of {runtime} are told apart")
    return wrong


# --- the others -----------------------------------------------------------------------------------------------


def others(files: Path, policy: Path) -> dict[str, list[str]]:
    """Their command lines, `{}` where the file comes."""
    return {
        "benchmark_model's policy": [str(policy), str(files / "{}.tflite")],
        "executorch.runtime": [sys.executable, "-c", WITH_EXECUTORCH, str(files / "{}.pte"), str(EDGE)],
        "litert-benchmark": [
            sys.executable,
            "-m",
            "ai_edge_litert.tools.benchmark_litert_model",
            f"--model={files / '{}.tflite'}",
        ],
    }


def timed(argv: Sequence[str], depth: int, log: Path) -> float:
    """Seconds of one run of another tool."""
    filled = [word.replace("{}", str(depth)) if word.endswith((".tflite", ".pte")) else word for word in argv]
    return execute(filled, bounds=BOUNDS, log=log, env=ENVIRONMENT).seconds


def measure(folder: Path) -> int:
    """Prints the figures; the exit code."""
    files = made()
    tools = others(files, compiled.benchmark_policy(folder))
    seconds: dict[str, list[float]] = {tool: [] for tool in tools}
    depths = random.sample(sorted(DEPTHS.values()), SAMPLED)
    ours, report = 0.0, None
    for number, depth in enumerate(depths):
        if number == SAMPLED // 2:
            ours, report = ranked(files, folder)
        for tool in random.sample(list(tools), len(tools)):
            seconds[tool].append(timed(tools[tool], depth, folder / "others.log"))
    assert report is not None
    return judged(ours, report, {tool: len(DEPTHS) * statistics.mean(taken) for tool, taken in seconds.items()})


def judged(ours: float, report: Report, whole: dict[str, float]) -> int:
    restarts = {m.variant: len(m.restarts) for m in report.measurements}
    for standing in report.standings:
        latency = standing.metrics.get("on_cpu_ms.p50")
        if latency is not None and latency.low is not None and latency.high is not None:
            shown = f"{latency.value:.3f} ms [{latency.low:.3f}, {latency.high:.3f}]"
            print(f"{standing.rank:3} {standing.variant:26} {shown}, {restarts[standing.variant]} restarts")
    for tool, taken in whole.items():
        print(f"{tool}: {taken:.1f} s for six builds")
    wrong = faults(report.standings)
    theirs = whole["benchmark_model's policy"] + whole["executorch.runtime"]
    quick = whole["litert-benchmark"] + whole["executorch.runtime"]
    code = 1 if wrong or ours / theirs > GOAL else 0
    print(f"load {linux.load_average()}; {'; '.join(wrong) or 'the order is right and the twins are tied'}")
    print(
        f"matrix cost: {ours:.0f} s for {len(restarts)} builds with {sum(restarts.values())} restarts / "
        f"{theirs:.0f} s for each other tool once = {ours / theirs:.2f} "
        f"({ours / quick:.2f} with litert-benchmark), goal <= {GOAL:g} ({('met', 'missed')[code]})"
    )
    return code


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.make:
        make(arguments.make)
        return 0
    try:
        with tempfile.TemporaryDirectory() as temporary:
            return measure(Path(temporary))
    except PocketbenchError as error:
        print(f"matrix cost: not measured: {error.message}; {error.remedy}")
        return 2


if __name__ == "__main__":
    sys.exit(main())
