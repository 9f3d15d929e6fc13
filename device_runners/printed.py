"""What the runtimes' own benchmark programs print -> numbers: LiteRT's benchmark_model, ExecuTorch's executor_runner.

They are made for people. Wordings differ by version and logging prefix, so words are matched and positions never are.
Neither prints what a single call took, apart from the newest executor_runner; what cannot be told stays None.
"""

from __future__ import annotations

import re
from typing import Any

from harness.errors import RunnerError
from harness.records import Record

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
# Plain, `INFO: ` in front, or a logcat line such as `11-22 10:00:00.123  1  2 I tflite  : count=...`.
_PREFIX = r"^(?:[^=]*?\b(?:INFO|VERBOSE|tflite|benchmark_model|benchmark_litert_model)\s*:\s*)?"
_COUNT = re.compile(_PREFIX + r"(count=\d+\b.*)$", re.MULTILINE)
_FIELD = re.compile(rf"\b(count|first|curr|min|max|avg|std|median|p95)=({_NUMBER})")
_TIMINGS = re.compile(r"[Ii]nference timings in us:(.*)$", re.MULTILINE)
_TIMING = re.compile(rf"(Init|First inference|Warmup(?: \(avg\))?|Inference(?: \(avg\))?|no stats): ({_NUMBER})")
_MEMORY = re.compile(
    rf"(?:Peak memory footprint|Memory footprint delta from the start of the tool) \(MB\): init={_NUMBER} "
    rf"overall=({_NUMBER})"
)
_PEAK = re.compile(rf"Overall peak memory footprint \(MB\) via periodic monitoring: ({_NUMBER})")
_REPLACED = re.compile(r"Replacing (\d+)(?: out of (\d+))? node\(s\) with delegate \((\w+)\)")
_NO_DELEGATE = "Going to apply 0 delegates"


class Spread(Record, frozen=True, kw_only=True):
    """One `count=` line: how many calls, and what is told about them, in microseconds."""

    count: int
    mean_us: float
    first_us: float | None = None
    min_us: float | None = None
    max_us: float | None = None
    median_us: float | None = None
    p95_us: float | None = None


class Printed(Record, frozen=True, kw_only=True):
    """What one process of a benchmark program told. timed: after the warm-up, or all calls where there is none
    (first_included). calls_us: single calls where they are told. delegated of total: operators, None where not told."""

    timed: Spread
    warmup: Spread | None = None
    first_included: bool = False
    calls_us: tuple[float, ...] = ()
    init_us: float | None = None
    memory_mb: float | None = None
    delegate: str = ""
    delegated: int | None = None
    total: int | None = None
    remarks: tuple[str, ...] = ()


def benchmark_model(text: str) -> Printed:
    """Raises RunnerError where it did not get as far as a result.

    The first `count=` line is the warm-up, the second the measurement; further ones belong to profiles, and
    `Memory (bytes): count=0` is none of them.
    """
    spreads = [found for line in _COUNT.findall(text) if (found := _spread(line))]
    timings = {name.removesuffix(" (avg)"): float(value) for name, value in _TIMING.findall(_last(_TIMINGS, text))}
    if len(spreads) < 2 or not timings:
        raise RunnerError(
            f"benchmark_model printed no result: {_end(text)}", remedy="see its log; does it run this file by hand?"
        )
    warmup, timed = spreads[:2]
    said = timings.get("Inference", timings.get("no stats", timed.mean_us))
    if abs(said - timed.mean_us) > 0.02 * timed.mean_us + 1:
        raise RunnerError(
            f"benchmark_model contradicts itself: {timed.mean_us:g} us in one line and {said:g} us in another",
            remedy="see its log; it was not made for several runs in one process",
        )
    return Printed(
        timed=timed,
        warmup=warmup,
        init_us=timings.get("Init"),
        memory_mb=_memory(text),
        **_delegation(text),
    )


def _spread(line: str) -> Spread | None:
    found = {key: float(value) for key, value in _FIELD.findall(line)}
    mean = found.get("avg", found.get("curr"))  # of a single call only `curr` is printed
    if mean is None or found["count"] < 1:
        return None
    told = {f"{key}_us": found[key] for key in ("first", "min", "max", "median", "p95") if key in found}
    if found["count"] == 1:
        told.setdefault("first_us", mean)
    return Spread(count=int(found["count"]), mean_us=mean, **told)


def _memory(text: str) -> float | None:
    """The peak where it is told, else what the process grew by; both are polled and approximate."""
    values = _PEAK.findall(text) or _MEMORY.findall(text)
    return float(values[-1]) if values and float(values[-1]) > 0 else None


def _delegation(text: str) -> dict[str, Any]:
    """How many operators a delegate took; one that was asked for and took none is a remark."""
    found = _REPLACED.findall(text)
    if not found:
        return {"remarks": ("no delegate took any operator",)} if _NO_DELEGATE in text else {}
    delegated, total = int(found[0][0]), found[0][1]
    names = dict.fromkeys(name for _, _, name in found)
    return {"delegate": ", ".join(names), "delegated": delegated, "total": int(total) if total else None}


# --- executor_runner ------------------------------------------------------------------------------------

# `I 00:00:00.001234 executorch:executor_runner.cpp:180] text`; file names differ between runners.
_LOGGED = re.compile(r"^[A-Z] (\d\d):(\d\d):(\d\d\.\d+) executorch:[^\]]*\] (.*)$", re.MULTILINE)
_DONE = re.compile(rf"Model executed successfully(?:,?\s+(\d+) time\(s\))?(?: in ({_NUMBER}) ms)?\.")
_ITERATION = re.compile(rf"Iteration (\d+) of (\d+): ({_NUMBER}) ms")


def executor_runner(text: str, asked: int) -> Printed:
    """asked: how many executions it was told to make. Its log is on standard error.

    Raises RunnerError where it did not say that it succeeded, or made another number of executions.
    """
    done = _DONE.search(text)
    if done is None:
        raise RunnerError(
            f"executor_runner did not say that it succeeded: {_end(text)}",
            remedy="see its log; was it built with the delegates that this file needs?",
        )
    calls = tuple(float(value) * 1e3 for _, _, value in _ITERATION.findall(text))
    count = int(done[1] or 1)
    if asked not in (count, len(calls)):
        raise RunnerError(
            f"executor_runner made {count} executions where {asked} were asked for",
            remedy="use one that knows --num_executions",
        )
    stamps = _stamps(text)
    remarks = tuple(f"warned: {line}" for line in _warnings(text))
    init_us = stamps.get("Method loaded.")
    if len(calls) == asked:
        rest = calls[1:] or calls
        spread = _of_calls(rest)
        return Printed(
            timed=spread,
            warmup=_of_calls(calls[:1]),
            calls_us=rest,
            first_included=len(calls) == 1,
            init_us=init_us,
            remarks=remarks,
        )
    mean_us = _mean_us(done, stamps, count)
    return Printed(timed=Spread(count=count, mean_us=mean_us), first_included=True, init_us=init_us, remarks=remarks)


def _mean_us(done: re.Match[str], stamps: dict[str, float], count: int) -> float:
    """From the total that it tells, else from the time stamps of the lines before and after."""
    if done[2]:
        return float(done[2]) * 1e3 / count
    start = stamps.get("Inputs prepared.")
    end = next((at for line, at in stamps.items() if line.startswith("Model executed successfully")), None)
    if start is None or end is None or end <= start:
        raise RunnerError("executor_runner told no time", remedy="use a newer one, or one built with logging")
    return (end - start) / count


def _stamps(text: str) -> dict[str, float]:
    """Microseconds since the runner's start, of the last line with each text."""
    found = {}
    for hours, minutes, seconds, line in _LOGGED.findall(text):
        found[line.strip()] = ((int(hours) * 60 + int(minutes)) * 60 + float(seconds)) * 1e6
    return found


def _of_calls(calls: tuple[float, ...]) -> Spread:
    return Spread(
        count=len(calls), mean_us=sum(calls) / len(calls), first_us=calls[0], min_us=min(calls), max_us=max(calls)
    )


def _warnings(text: str) -> list[str]:
    """Lines that say that something was ignored, which some delegates do instead of failing."""
    return [line.strip()[:200] for line in text.splitlines() if "ignoring error" in line.lower()][:3]


def _last(pattern: re.Pattern[str], text: str) -> str:
    found: list[str] = pattern.findall(text)
    return found[-1] if found else ""


def _end(text: str) -> str:
    """Its last words, for a failure's reason."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it printed nothing"
