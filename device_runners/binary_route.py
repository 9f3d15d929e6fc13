"""Builds run by the runtimes' own programs, which the user brings: LiteRT's benchmark_model, ExecuTorch's
executor_runner.

They run from the shell, where a phone schedules them otherwise than an app, with inputs of their own, and tell a mean
instead of single calls and no outputs. What they cannot tell is left out, and said in the facts.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from device_runners import printed, routes
from device_runners.adb.link import checked
from device_runners.printed import Printed
from device_runners.routes import Errand, Finished, Handset, how_ended
from device_runners.wire import BuildFile, BuildResult, Response, Timing
from harness.errors import RunnerError
from harness.records import Block, Memory, Phone

PROGRAMS = {"tflite": "benchmark_model", "executorch": "executor_runner"}
_UNKNOWN_FLAG = "unknown command line flag"
_MOST_EXECUTIONS = 100_000


class BinaryRoute:
    """Serves requests with the programs that `phone` names. root: where their relative paths start."""

    name = "binary"
    plans = False

    def __init__(self, phone: Phone, root: Path) -> None:
        named = {"tflite": phone.benchmark_model, "executorch": phone.executor_runner}
        self._programs = {runtime: root / path for runtime, path in named.items() if path}
        self._mean_us: dict[str, float] = {}  # by sha256 of the build: how long a call took

    def prepare(self, phone: Handset) -> dict[str, str]:
        if not self._programs:
            raise RunnerError(
                "phone.route is binary, and no program is named",
                remedy="set phone.benchmark_model or phone.executor_runner to a file built for the phone",
            )
        for runtime, path in self._programs.items():
            if not path.is_file():
                raise RunnerError(f"phone.{PROGRAMS[runtime]}: {path} is not a file", remedy="name the program itself")
            phone.stored(path, mode=0o755)
        return {"route": "binary: the runtimes' own programs, from the shell"}

    def serve(self, phone: Handset, errand: Errand) -> Response:
        request = errand.request
        if request.plan or request.paced or len(request.builds) != 1:
            raise RunnerError(
                "these programs time one build at a time, so builds cannot be compared side by side",
                remedy="use the app (phone.route: app), or gate on a number",
            )
        (build,) = request.builds
        if build.runtime not in self._programs:
            raise RunnerError(
                f"there is no program for {build.runtime} builds",
                remedy=f"set phone.{PROGRAMS[build.runtime]} to a file built for the phone",
            )
        program = phone.stored(self._programs[build.runtime], mode=0o755)
        _same(phone, build)
        started = datetime.now(UTC).isoformat(timespec="milliseconds")
        if build.runtime == "tflite":
            done = phone.execute(_benchmark_model(program, build, request.timing), errand, watch_memory=True)
            told = printed.benchmark_model(_succeeded(done, "benchmark_model"))
        else:
            told, done = self._executor_runner(phone, errand, program)
        self._mean_us[build.sha256] = told.timed.mean_us
        facts = {} if done.ended_s is None else {"ended_uptime_s": f"{done.ended_s:.2f}"}
        facts |= routes.within((done.peak_kb or 0) / 1024, errand.bounds, how=routes.WATCHED)
        return Response(
            run_id=request.run_id, started=started, results=(_result(build, told, done, errand),), facts=facts
        )

    def _executor_runner(self, phone: Handset, errand: Errand, program: str) -> tuple[Printed, Finished]:
        """Without the flag for threads where it does not know it; which number it then takes is its own choice."""
        (build,) = errand.request.builds
        timing = errand.request.timing
        count = self._executions(build, timing)
        argv = [program, f"--model_path={build.path}", f"--num_executions={count}"]
        done = phone.execute([*argv, f"--cpu_threads={timing.num_threads}"], errand, watch_memory=True)
        remarks: tuple[str, ...] = ()
        if done.code and _UNKNOWN_FLAG in done.output and "cpu_threads" in done.output:
            remarks = ("it chose its own number of threads",)
            done = phone.execute(argv, errand, watch_memory=True)
        told = printed.executor_runner(_succeeded(done, "executor_runner"), count)
        return msgspec.structs.replace(told, remarks=(*told.remarks, *remarks)), done

    def _executions(self, build: BuildFile, timing: Timing) -> int:
        """As many as fill the seconds asked for, once it is known how long one takes."""
        mean_us = self._mean_us.get(build.sha256)
        wanted = timing.num_runs + max(timing.warmup_runs, 1)
        if mean_us:
            wanted = max(wanted, math.ceil(timing.min_secs * 1e6 / mean_us))
        return min(wanted, _MOST_EXECUTIONS)


def _benchmark_model(program: str, build: BuildFile, timing: Timing) -> list[str]:
    return [
        program,
        f"--graph={build.path}",
        f"--num_threads={timing.num_threads}",
        f"--num_runs={timing.num_runs}",
        f"--min_secs={timing.min_secs:g}",
        f"--max_secs={timing.max_secs:g}",
        f"--warmup_runs={max(timing.warmup_runs, 1)}",
        f"--warmup_min_secs={timing.warmup_min_secs:g}",
        "--use_xnnpack=true",
    ]


def _same(phone: Handset, build: BuildFile) -> None:
    """These programs check nothing, so the file is checked right before."""
    output = phone.link.shell(["sha256sum", build.path], timeout_secs=60)
    said = checked(output, f"reading {build.path} on the phone").split()
    if not said or said[0] != build.sha256:
        raise RunnerError(f"{build.path} on the phone is not the build", remedy="clean it: pocketbench clean --device")


def _succeeded(done: Finished, program: str) -> str:
    if done.code:
        lines = [line.strip() for line in done.output.splitlines() if line.strip()]
        said = f": {lines[-1][:200]}" if lines else ""
        raise RunnerError(f"{program} {how_ended(done.code)}{said}", remedy="see its log; was it built for this phone?")
    return done.output


def _result(build: BuildFile, told: Printed, done: Finished, errand: Errand) -> BuildResult:
    calls = tuple(round(us * 1e3) for us in told.calls_us)
    mean = Block(wall_ns=(round(told.timed.mean_us * 1e3 * told.timed.count),), calls_per_sample=told.timed.count)
    first_us = told.warmup.first_us if told.warmup else None
    return BuildResult(
        build=build.id,
        load_ns=round((told.init_us or 0) * 1e3),
        first_inference_ns=round((first_us or 0) * 1e3),
        warmup=_warmup(told),
        blocks=(Block(wall_ns=calls) if calls else mean,),
        memory=_memory(told, done),
        delegate=told.delegate,
        delegated_operators=told.delegated,
        total_operators=told.total,
        facts=_facts(told, errand),
    )


def _warmup(told: Printed) -> Block:
    if told.warmup is None:
        return Block(wall_ns=())
    count = told.warmup.count
    return Block(wall_ns=(round(told.warmup.mean_us * 1e3 * count),), calls_per_sample=count)


def _memory(told: Printed, done: Finished) -> Memory | None:
    """Only where both are known: what the build cost, as the program tells, and the whole process, as /proc does."""
    if told.memory_mb is None or done.peak_kb is None:
        return None
    return Memory(
        peak_rss_mb=told.memory_mb, total_peak_rss_mb=done.peak_kb / 1024, method="benchmark_model's own, and VmHWM"
    )


def _facts(told: Printed, errand: Errand) -> dict[str, str]:
    """With everything that the program tells beyond what a result has room for."""
    program = PROGRAMS[errand.request.builds[0].runtime]
    facts = {"program": program, "samples": "single calls" if told.calls_us else "means", "outputs": "not told"}
    facts["inputs"] = "the program's own"
    facts["first_call"] = "in the mean" if told.first_included else "kept apart"
    spread = msgspec.structs.asdict(told.timed)
    told_too = ("min_us", "max_us", "median_us", "p95_us")
    facts |= {f"told_{name}": f"{spread[name]:g}" for name in told_too if spread[name]}
    if told.remarks:
        facts["remarks"] = "; ".join(told.remarks)
    return facts
