"""Our ways to a device against Debian's own adb client, on the same daemon in the same run.

    python benchmarks/adb_link.py [--rounds 25] [--task "100 MB"] [--serial HOST:PORT]

A push of 100 MB, one of 14 MB, 50 of 20 KB, 100 shell calls of `true` and 100 of a program that the device has to
start (which bounds that ratio, so it has no goal), by three clients in a new random order each round: direct (no adb
program), through the adb server, and the program `adb` itself (its server kept running). Figures are speeds as a
multiple of that program's: the median over rounds of the ratio within a round, its bracket the order statistics that
hold the median with 99 % (open with fewer than 8 rounds). Goals: direct 0.5 for large files, through the server 1.0;
5 for 20 KB and for calls.
Without --serial it starts the tests' own device (root, see tests/device). Exit code 0: every goal met; 1: one missed;
2: something could not be measured, or an interval holds its goal.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from device_runners.adb.connect import connect
from device_runners.adb.link import Link
from device_runners.adb.server import Server, program
from harness.process import Bounds, execute
from harness.stats import quantile_interval
from tests.device.sandbox import Sandbox, free_port, made

BOUNDS = Bounds(timeout_secs=120)
CONFIDENCE = 0.99
SIZES = {"20 KB": 20_000, "14 MB": 14_000_000, "100 MB": 100_000_000}
CALLS, PROGRAMS = "shell calls", "programs"
TIMES = {"20 KB": 50, "14 MB": 1, "100 MB": 1, CALLS: 100, PROGRAMS: 100}
GOALS = {
    "direct": {"20 KB": 5.0, "14 MB": 0.5, "100 MB": 0.5, CALLS: 5.0, PROGRAMS: 0.0},
    "server": {"20 KB": 5.0, "14 MB": 1.0, "100 MB": 1.0, CALLS: 5.0, PROGRAMS: 0.0},
}
TARGET = "/data/local/tmp/pocketbench-benchmark"
COMMANDS = {CALLS: "true", PROGRAMS: "/system/bin/true"}

Task = Callable[[], None]
Seconds = dict[str, dict[str, list[float]]]  # by client and task


def linked(link: Link, files: dict[str, Path]) -> dict[str, Task]:
    pushes = {name: partial(link.push, file, TARGET, timeout_secs=120) for name, file in files.items()}
    return pushes | {name: partial(link.shell, [word], timeout_secs=30) for name, word in COMMANDS.items()}


def programs(serial: str, port: int, files: dict[str, Path]) -> dict[str, Task]:
    """The adb program, one process per push or call, started in the cheapest way there is."""
    start = [program(), "-P", str(port), "-s", serial]
    pushes = {name: partial(spawned, [*start, "push", str(file), TARGET]) for name, file in files.items()}
    return pushes | {name: partial(spawned, [*start, "shell", word]) for name, word in COMMANDS.items()}


def spawned(argv: list[str]) -> None:
    silent = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    _, status = os.waitpid(os.posix_spawn(argv[0], argv, os.environ, file_actions=silent), 0)
    if status:
        raise SystemExit(f"{' '.join(argv)} failed")


def measured(clients: dict[str, dict[str, Task]], tasks: dict[str, int], rounds: int) -> Seconds:
    """One round more than asked for, whose first turn warms everything up."""
    seconds: Seconds = {name: {task: [] for task in tasks} for name in clients}
    for number in range(rounds + 1):
        for task, times in tasks.items():
            for name in random.sample(list(clients), len(clients)):
                started = time.perf_counter()
                for _ in range(times):
                    clients[name][task]()
                if number:
                    seconds[name][task].append((time.perf_counter() - started) / times)
    return seconds


def judged(seconds: Seconds) -> int:
    verdicts = []
    for way, goals in GOALS.items():
        for task, goal in goals.items():
            if task not in seconds[way]:
                continue
            pairs = zip(seconds["adb"][task], seconds[way][task], strict=True)
            ratios = [theirs / ours for theirs, ours in pairs]
            bounds = quantile_interval(ratios, 0.5, CONFIDENCE)
            low, high = bounds.low or 0.0, bounds.high or math.inf
            verdict = "met" if low >= goal else "missed" if high < goal else "not sure"
            verdicts.append(verdict if goal else "no goal")
            figure = f"{statistics.median(ratios):.2f} [{low:.2f}, {high:.2f}] at {CONFIDENCE:.0%}"
            speeds = f"{speed(task, seconds[way][task])}, adb {speed(task, seconds['adb'][task])}"
            aim = f"goal {goal}: " if goal else ""
            print(f"{way:7s} {task:16s} {figure:32s} {aim}{verdicts[-1]} ({speeds})")
    return 1 if "missed" in verdicts else 2 if "not sure" in verdicts else 0


def speed(task: str, seconds: list[float]) -> str:
    middle = statistics.median(seconds)
    return f"{middle * 1000:.2f} ms" + (f", {SIZES[task] / middle / 1e6:.0f} MB/s" if task in SIZES else "")


@contextlib.contextmanager
def device(serial: str, folder: Path) -> Iterator[str]:
    if serial:
        yield serial
        return
    userland = made(Path(__file__).parents[1] / ".venv" / "device")
    with Sandbox(userland, folder / "device", size="512m") as sandbox:
        yield sandbox.serial


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--task", action="append", choices=TIMES, help="only this, may be given again")
    parser.add_argument("--serial", default="")
    wanted = parser.parse_args()
    tasks = {task: TIMES[task] for task in wanted.task or TIMES}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["HOME"] = name if not wanted.serial else os.environ["HOME"]
        files = {}
        for label, size in SIZES.items():
            files[label] = folder / label.replace(" ", "")
            files[label].write_bytes(os.urandom(size))
        server = Server(free_port())
        with device(wanted.serial, folder) as serial:
            direct, through = (connect(serial, tell=print, how=how, server=server) for how in ("direct", "server"))
            clients = {
                "direct": linked(direct, files),
                "server": linked(through, files),
                "adb": programs(serial, server.port, files),
            }
            try:
                return judged(measured(clients, tasks, wanted.rounds))
            finally:
                execute([program(), "-P", str(server.port), "kill-server"], bounds=BOUNDS, log=folder / "log")


if __name__ == "__main__":
    sys.exit(main())
