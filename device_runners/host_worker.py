"""The child process that serves one request: `python -m device_runners.host_worker request.json response.json`.

It imports msgspec, numpy and the runtimes that the request names, nothing else. Standard output belongs to the paced
protocol (see wire.py); whatever the runtimes print goes to standard error, which is the log. What goes wrong with one
build is that build's failure; a crash is the end of the process, and the log says at which stage.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from device_runners import energy_meter, engines, linux, wire
from device_runners.host_build import Build
from device_runners.stopwatch import Stopwatch
from harness.errors import EXIT_NOT_DONE, PocketbenchError, RunnerError


class Channel:
    """The runner's end of the paced protocol, taken away from everyone else's standard output."""

    def __init__(self) -> None:
        self._file = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
        sys.stdout.flush()
        os.dup2(2, 1)

    def say(self, line: str) -> None:
        self._file.write(" ".join(line.split()) + "\n")
        self._file.flush()

    def hear(self) -> str:
        """The next line, FINISH at the end of input."""
        line = sys.stdin.readline()
        if not line:
            return wire.FINISH
        if line.strip() not in (wire.GO, wire.FINISH):
            raise RunnerError(f"{line.strip()!r} was said to a paced worker, which knows go and finish")
        return line.strip()


def serve(
    request: wire.Request, folder: Path, channel: Channel, powercap: Path = energy_meter.POWERCAP
) -> wire.Response:
    """Load and warm every build, time the blocks, run the samples; paths of the request start in `folder`."""
    started = datetime.now(UTC).isoformat(timespec="milliseconds")
    runtimes, refused = _runtimes(request)
    watch, meter = Watch(), _meter(request, powercap)
    with contextlib.closing(Stopwatch()) as stopwatch:
        builds = [Build(file, request, folder=folder, stopwatch=stopwatch) for file in request.builds]
        for build in builds:
            if reason := refused.get(build.file.runtime):
                build.refuse(reason)
                continue
            with _stage("loading", build):
                build.open(runtimes[build.file.runtime])
            meter.idle()  # here and not later: what idled is cold, and its clock is low
            with _stage("warming up", build):
                build.warm_up()
        watch.begin()
        if request.paced:
            _paced(request, builds, channel)
        else:
            _unpaced(request, builds, meter)
        meter.idle()
        facts = watch.facts() | {"probe_ns": str(stopwatch.probe_ns)}
    for build in builds:
        with _stage("running the samples", build):
            build.run_samples()
    for runtime in runtimes.values():
        facts |= runtime.facts()
    results = tuple(build.result(meter.trace(build.timed_calls)) for build in builds)
    return wire.Response(run_id=request.run_id, started=started, results=results, facts=facts)


def _runtimes(request: wire.Request) -> tuple[dict[str, engines.EngineRuntime], dict[str, RunnerError]]:
    """The runtimes that the builds need, imported before any memory is marked, and why one is missing."""
    found: dict[str, engines.EngineRuntime] = {}
    refused: dict[str, RunnerError] = {}
    for name in dict.fromkeys(file.runtime for file in request.builds):
        _log(f"starting the {name} runtime")
        try:
            _check_accelerator(request.timing.accelerator)
            found[name] = engines.start(name, request.timing.num_threads)
        except RunnerError as error:
            refused[name] = error
    gc.collect()
    gc.freeze()  # what lives now lives to the end: no need to look at it again
    return found, refused


def _check_accelerator(accelerator: str) -> None:
    if accelerator != "cpu":
        raise RunnerError(f"this machine's runtimes have no {accelerator}", remedy="measure it on a phone")


def _paced(request: wire.Request, builds: Sequence[Build], channel: Channel) -> None:
    """Blocks on demand; a refused build ends it, since there is nothing left to compare."""
    answer = _answer(wire.READY, builds)
    channel.say(answer)
    for planned in request.plan:
        if answer.startswith(wire.FAILED) or channel.hear() == wire.FINISH:
            return
        with _stage("timing", builds[planned.build]):
            builds[planned.build].planned_block(planned.calls)
        answer = _answer(wire.DONE, builds)
        channel.say(answer)


def _answer(word: str, builds: Sequence[Build]) -> str:
    refused = next((build for build in builds if build.failure), None)
    return f"{wire.FAILED} {refused.file.id}: {refused.failure}" if refused else word


def _meter(request: wire.Request, powercap: Path) -> energy_meter.Meter:
    """Idle for half of the timed seconds on each side; off where several builds share the time or a plan says more."""
    alone = len(request.builds) == 1 and not request.plan
    counters = energy_meter.counters(powercap) if alone else None
    return energy_meter.Meter(counters, idle_secs=request.timing.min_secs / 2)


def _unpaced(request: wire.Request, builds: Sequence[Build], meter: energy_meter.Meter) -> None:
    """The plan, or else blocks in turn: A B, B A, A B ..."""
    if request.plan:
        for planned in request.plan:
            with _stage("timing", builds[planned.build]):
                builds[planned.build].planned_block(planned.calls)
        return
    meter.read()
    for number in range(request.timing.blocks):
        for build in builds if number % 2 == 0 else reversed(builds):
            with _stage("timing", build):
                build.block()
                meter.read()


@contextlib.contextmanager
def _stage(doing: str, build: Build) -> Iterator[None]:
    """Says in the log what is done to which build, and makes its errors the build's own failure."""
    if build.failure:
        doing = f"skipping, refused before: {doing}"
    _log(f"{doing} {build.file.id}")
    try:
        yield
    except PocketbenchError as error:
        _log(f"giving up {build.file.id}: {error.message}")
        build.refuse(error)


def _log(line: str) -> None:
    print(f"{wire.STAGE} {line}", file=sys.stderr, flush=True)  # noqa: T201  the log


class Watch:
    """What the system tells about the time in which blocks were timed."""

    def begin(self) -> None:
        self._load = linux.load_average()
        self._pressure_us = linux.cpu_pressure_us()
        self._counts = linux.scheduler_counts()
        self._start = time.perf_counter()

    def facts(self) -> dict[str, str]:
        """cpu_pressure: share of the time in which some task of the machine waited for a processor."""
        passed_us = (time.perf_counter() - self._start) * 1e6
        facts = {
            "python_version": ".".join(map(str, sys.version_info[:3])),
            "usable_cores": str(linux.usable_cores()),
            "load_average_before": self._load,
            "load_average_after": linux.load_average(),
        }
        pressure_us = linux.cpu_pressure_us()
        if pressure_us is not None and self._pressure_us is not None:
            facts["cpu_pressure"] = f"{(pressure_us - self._pressure_us) / max(passed_us, 1):.3f}"
        for name, count in linux.scheduler_counts().items():
            facts[name] = str(count - self._counts.get(name, 0))
        return {name: value for name, value in facts.items() if value}


def main(arguments: Sequence[str]) -> int:
    channel = Channel()
    faulthandler.enable()
    request_path, response_path = map(Path, arguments)
    try:
        request = wire.read_request(request_path)
        wire.write(response_path, serve(request, request_path.parent, channel))
    except PocketbenchError as error:
        _log(f"{wire.REFUSED} {error.message}")
        return EXIT_NOT_DONE
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    # The answer is written. Unloading the runtimes would take time, and one that crashes in it would void the answer.
    os._exit(code)
