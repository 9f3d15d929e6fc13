"""The seam between a phone and what runs a build on it: a request that lies on the phone in, a response out.

Two routes serve it: the benchmark app (app_route.py) and the runtimes' own programs (binary_route.py). Whatever a route
starts runs detached on the phone, so that a broken connection does not end it, and is killed there when its time is up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from device_runners.adb.files import ROOT
from device_runners.adb.link import Link
from device_runners.wire import Request, Response
from harness.errors import RunnerError
from harness.process import Bounds
from harness.records import Record

ERRANDS = f"{ROOT}/jobs"  # a folder each; what the app writes is the only thing of ours that lies elsewhere
WATCHED = "watched on the phone, where it is ended above it"
TOLD, NOT_TOLD = "held against what the app tells at its end", "not held: the app tells no memory"
_ENDED = re.compile(r"^pocketbench-ended (\d+\.\d+)$", re.MULTILINE)
_PEAK = re.compile(r"^pocketbench-peak VmHWM:\s+(\d+) kB$", re.MULTILINE)

# Runs the rest of its words, and says when it ended on the phone's clock; unless "$1" is no: and what its peak of
# memory was, which /proc tells only while it lives, and ends it above so many kB. Not by `ulimit -v`: Android's own
# allocator sets gigabytes of addresses aside without using them.
WRAPPED = """
most=$1; shift
if [ "$most" != no ]; then
  "$@" & pid=$!
  peak=
  while [ -d "/proc/$pid" ]; do
    line=$(grep VmHWM "/proc/$pid/status" 2>/dev/null)
    if [ -n "$line" ]; then
      peak=$line kb=${line% kB}
      if [ "$most" -gt 0 ] && [ "${kb##*[!0-9]}" -gt "$most" ]; then kill -9 "$pid"; fi
    fi
    sleep 0.3
    kill -0 "$pid" 2>/dev/null || break
  done
  wait "$pid"; code=$?
  if [ -n "$peak" ]; then echo; echo "pocketbench-peak $peak"; fi
else
  "$@"; code=$?
fi
read -r up rest </proc/uptime && { echo; echo "pocketbench-ended $up"; }
exit "$code"
"""


class Errand(Record, frozen=True, kw_only=True):
    """One request on its way. request: its paths and run_id are those on the phone, where its inputs and builds lie.

    place: its folder on the phone; folder: on this computer, where the log and the response go.
    """

    request: Request
    place: str
    folder: Path
    bounds: Bounds


class Finished(Record, frozen=True, kw_only=True):
    """A command that ran detached. output: both its streams. ended_s: when, in seconds since the phone started;
    peak_kb: of its memory; None where they are not known."""

    code: int
    output: str
    ended_s: float | None = None
    peak_kb: int | None = None


class Handset(Protocol):
    """The phone as a route sees it."""

    @property
    def link(self) -> Link: ...

    def execute(self, argv: Sequence[str], errand: Errand, *, watch_memory: bool = False) -> Finished:
        """Run a command detached to its end, its output in the errand's folder; RunnerError when it has to be killed
        there, or when the phone does not come back. watch_memory: and end it above errand.bounds.memory_limit_mb."""

    def stored(self, file: Path, *, mode: int) -> str:
        """Where a file of this computer lies on the phone, pushed if it is not there yet."""


class Route(Protocol):
    """Serves requests on a phone. name: for people and facts. plans: whether it can time the blocks of a plan, so that
    two builds can be compared side by side."""

    name: str
    plans: bool

    def prepare(self, phone: Handset) -> dict[str, str]:
        """Once per session: check that what it needs is there; facts about it. RunnerError with how to get it."""

    def serve(self, phone: Handset, errand: Errand) -> Response:
        """A response whose output files, if any, lie in errand.folder. RunnerError: nothing came back."""


def words(argv: Sequence[str], *, most_mb: int | None) -> list[str]:
    """A command in our wrapper, for a device's shell to run. most_mb: of its memory, 0 for any, which is then watched;
    None: it is not watched."""
    return ["sh", "-c", WRAPPED, "pocketbench", "no" if most_mb is None else str(1024 * most_mb), *argv]


def within(used_mb: float, bounds: Bounds, *, how: str) -> dict[str, str]:
    """How its limit of memory is held, as a fact; RunnerError when a process used more."""
    most_mb = bounds.memory_limit_mb
    if 0 < most_mb < used_mb:
        raise RunnerError(
            f"on the phone: used {used_mb:.0f} MB, above its limit of {most_mb} MB ({how})",
            remedy="raise settings.memory_limit_mb in bench.yaml, or make the model smaller",
        )
    return {"memory_limit": f"{most_mb} MB, {how}"} if most_mb else {}


def finished(code: int, output: str) -> Finished:
    """What the wrapper said, taken out of the output; the last one counts, for a program may print anything."""
    ended, peaks = _ENDED.findall(output), _PEAK.findall(output)
    text = _PEAK.sub("", _ENDED.sub("", output)).rstrip("\n") + "\n"
    return Finished(
        code=code,
        output=text,
        ended_s=float(ended[-1]) if ended else None,
        peak_kb=int(peaks[-1]) if peaks else None,
    )


def how_ended(code: int) -> str:
    """An exit code of a shell in words: 137 is signal 9, which on a phone is often the low-memory killer."""
    if not 128 < code <= 128 + 64:
        return f"ended with exit code {code}"
    often = ", often the phone's low-memory killer" if code == 128 + 9 else ""
    return f"was ended by signal {code - 128}{often}"
