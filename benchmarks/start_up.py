"""What it costs to start: processor time of our child processes against what they stand in for.

    python benchmarks/start_up.py [--rounds 9] [--tensorflow-python PATH]

Three pairs, every round in a new random order, the user and system time of each process as the system counts it (so
others on the machine matter little). A ratio is the median over rounds; its bracket is the range that holds the
median with the stated confidence. Exit code 0: all goals met; 1: one missed; 2: something could not be measured.
TensorFlow is no dependency of this project: name a Python that has it, or that goal is not judged.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from device_runners import wire
from device_runners.host import WORKER
from device_runners.wire import BuildFile, Timing
from harness.errors import ProcessError
from harness.process import Bounds, execute
from harness.records import Record, Runtime
from harness.stats import range_interval

BOUNDS = Bounds(timeout_secs=300)
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "PYTHONPATH": str(Path(__file__).parents[1]),
}
REFUSED = Timing(
    num_threads=1,
    warmup_runs=0,
    warmup_min_secs=0,
    warmup_max_secs=0,
    num_runs=1,
    min_secs=0,
    max_secs=0,
    blocks=1,
)


class Pair(Record, frozen=True, kw_only=True):
    """Ours against what it is measured by; goal: the ratio that is not to be passed."""

    name: str
    ours: tuple[str, ...]
    anchor: tuple[str, ...]
    goal: float


def runner(runtime: Runtime, folder: Path) -> tuple[str, ...]:
    """The worker as a run starts it, with a build that is not there: all of a start, and an answer, but no model."""
    build = BuildFile(id=runtime, runtime=runtime, path="missing", sha256="")
    request = folder / f"{runtime}.json"
    wire.write(request, wire.Request(run_id=runtime, builds=(build,), timing=REFUSED))
    return (*WORKER, str(request), str(folder / f"{runtime}.answer.json"))


def pairs(tensorflow_python: str, folder: Path) -> list[Pair]:
    command = Path(sys.executable).with_name("pocketbench")
    entry = (str(command),) if command.exists() else (sys.executable, "-c", "from harness.cli import main; main()")
    return [
        Pair(
            name="TFLite runner / import tensorflow",
            ours=runner("tflite", folder),
            anchor=(tensorflow_python, "-c", "import tensorflow"),
            goal=0.05,
        ),
        Pair(
            name="ExecuTorch runner / import executorch.runtime",
            ours=runner("executorch", folder),
            anchor=(sys.executable, "-c", "import executorch.runtime"),
            goal=0.35,
        ),
        Pair(
            name="pocketbench --help / python -c pass",
            ours=(*entry, "--help"),
            anchor=(sys.executable, "-c", "pass"),
            goal=4.0,
        ),
    ]


def measure(wanted: Sequence[Pair], rounds: int, log: Path) -> dict[tuple[str, ...], list[float]]:
    """CPU seconds of every command, round by round; a command that fails is left out with a word about why."""
    seconds: dict[tuple[str, ...], list[float]] = {argv: [] for pair in wanted for argv in (pair.ours, pair.anchor)}
    for number in range(-1, rounds):  # the first fills the caches and does not count
        for argv in random.sample(list(seconds), len(seconds)):
            try:
                done = execute(argv, bounds=BOUNDS, log=log, env=ENVIRONMENT)
            except ProcessError as error:
                last = error.output_tail.strip().rpartition("\n")[2]
                print(f"cannot be measured: {' '.join(argv)}: {last or error.message}")
                del seconds[argv]
                continue
            if number >= 0:
                seconds[argv].append(done.cpu_secs)
        print(f"\rround {number + 1} of {rounds}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return seconds


def judge(pair: Pair, seconds: dict[tuple[str, ...], list[float]]) -> tuple[str, int]:
    """(one line, exit code)."""
    if pair.ours not in seconds or pair.anchor not in seconds:
        return f"{pair.name}: not judged (goal <= {pair.goal:g})", 2
    ours, anchor = seconds[pair.ours], seconds[pair.anchor]
    ratios = [mine / theirs for mine, theirs in zip(ours, anchor, strict=True)]
    ratio = statistics.median(ratios)
    interval, confidence = range_interval(ratios)
    words = "met" if ratio <= pair.goal else "missed"
    return (
        f"{pair.name}: {ratio:.3f} [{interval.low:.3f}, {interval.high:.3f} at {confidence:.1%}], "
        f"{statistics.median(ours):.3f} s of {statistics.median(anchor):.3f} s, goal <= {pair.goal:g} {words}",
        0 if ratio <= pair.goal else 1,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--tensorflow-python", default=sys.executable, help="a Python that has tensorflow")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        wanted = pairs(arguments.tensorflow_python, Path(temporary))
        seconds = measure(wanted, max(7, arguments.rounds), Path(temporary, "log"))
    judged = [judge(pair, seconds) for pair in wanted]
    for line, _ in judged:
        print(line)
    return max((code for _, code in judged), default=0)


if __name__ == "__main__":
    sys.exit(main())
