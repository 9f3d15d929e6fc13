"""Energy of a build on a phone: a sampler on the phone reads the fuel gauge while it idles and while the build runs.

The sampler is detached and writes to the phone, so that neither a cable nor traffic is needed while it reads. A group
is idle, load, load, idle; see gauge.py for what becomes of the readings, and harness/energy.py for the figure. Where
the phone measures its power rails (rails.py) those are read instead, and then it may charge meanwhile.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from device_runners import dumps, gauge, rails, state
from device_runners.adb import files, runs
from device_runners.adb.link import Link, checked
from device_runners.gauge import Span
from device_runners.handset import PhoneHandset
from device_runners.wire import Response
from harness.errors import RunnerError, RunnerLost
from harness.process import Bounds
from harness.records import EnergyTrace

GAUGE = "/sys/class/power_supply/battery"
PERIOD_SECS, DUMP_PERIOD_SECS = "0.25", "1"
SETTLE_SECS = 5.0  # from load to idle: what the load has heated and filled works on for a moment
_MOST_BYTES = 64 * 2**20
_PUSHING_SECS = 120.0
_PROBE_SECS = 1.5
# "$1" folder of the gauge, "$2" and "$3" seconds between two looks, at the kernel's files or at a whole dump.
SAMPLE = """
if read -r charge <"$1/charge_counter" || read -r charge <"$1/current_now"; then
  while :; do
    read -r up rest </proc/uptime; charge=-; volts=-; current=-; status=-
    read -r charge <"$1/charge_counter"; read -r volts <"$1/voltage_now"
    read -r current <"$1/current_now"; read -r status <"$1/status"
    echo "$up ${charge:--} ${volts:--} ${current:--} ${status:--}"
    sleep "$2"
  done
else
  while :; do
    read -r up rest </proc/uptime; echo "@ $up"; dumpsys battery || exit 1
    sleep "$3"
  done
fi 2>/dev/null
"""
CHARGING = "the battery says nothing while the phone is charging: connect it over Wi-Fi and unplug it (docs/phones.md)"


class Drain:
    """One group at a time on one phone. sleep: for idle blocks; folder: of the gauge, on the phone."""

    def __init__(
        self, handset: PhoneHandset, *, sleep: Callable[[float], None] = time.sleep, folder: str = GAUGE
    ) -> None:
        self._handset, self._sleep, self._folder = handset, sleep, folder
        self._rails: bool | None = None

    def group(self, load: Callable[[], Response], *, idle_secs: float, folder: Path, bounds: Bounds) -> EnergyTrace:
        """idle, load, load, idle: from power rails where the phone has them, else from its battery. Raises RunnerError
        where neither can tell it."""
        link = self._handset.link
        before = state.read(link)
        if self._rails is None:
            self._rails = self._has_rails(folder)
        if before.powered_by and not self._rails:
            raise RunnerError(CHARGING)
        secs = 2 * idle_secs + 2 * (bounds.timeout_secs + _PUSHING_SECS)
        if self._rails:
            with self._recorded(secs, folder) as trace:
                spans = self._spans(link, load, idle_secs)
            return rails.trace(rails.parse(trace.read_bytes()), spans)
        words = ["sh", "-c", SAMPLE, "pocketbench", self._folder, PERIOD_SECS, DUMP_PERIOD_SECS]
        job = self._handset.background(words, f"gauge-{uuid.uuid4().hex[:12]}", secs)
        with runs.running(link, job, tell=lambda _: None):
            spans = self._spans(link, load, idle_secs)
            text = _sampled(link, job, folder)
        runs.remove(link, job)
        if state.read(link).powered_by:
            raise RunnerError(CHARGING)
        level = before.battery.level if before.battery else None
        return gauge.trace(gauge.readings(text), spans, level)

    def _spans(self, link: Link, load: Callable[[], Response], idle_secs: float) -> list[Span]:
        spans = [self._idle(link, idle_secs), _load(load), _load(load)]
        self._sleep(SETTLE_SECS)
        return [*spans, self._idle(link, idle_secs)]

    def _idle(self, link: Link, secs: float) -> Span:
        start = _uptime(link)
        self._sleep(secs)
        return Span(kind="idle", group=0, start_s=start, end_s=_uptime(link))

    def _has_rails(self, folder: Path) -> bool:
        """Whether a short trace of theirs names any; a phone without perfetto has none for us."""
        try:
            with self._recorded(_PROBE_SECS, folder) as trace:
                self._sleep(_PROBE_SECS)
            return bool(rails.parse(trace.read_bytes()).names)
        except RunnerLost:
            raise
        except RunnerError as error:
            (folder / "rails.txt").write_text(f"no power rails: {error.message}\n")
            return False

    @contextlib.contextmanager
    def _recorded(self, secs: float, folder: Path) -> Iterator[Path]:
        """Rails are recorded while this lasts; afterwards the trace is in the file."""
        link, name = self._handset.link, f"rails-{uuid.uuid4().hex[:12]}"
        there, target = f"{rails.TRACES}/pocketbench-{name}", folder / "rails.pftrace"
        stop = f"{files.ROOT}/runs/{name}/enough"
        words = ["sh", "-c", rails.RECORD, "pocketbench", str(int(secs * 1000)), there, stop]
        job = self._handset.background(words, name, secs + _PUSHING_SECS)
        try:
            with runs.running(link, job, tell=lambda _: None):
                yield target
                checked(link.shell(["touch", stop], timeout_secs=20), "ending a trace")
                runs.wait(link, job, tell=lambda _: None)
                link.pull(there, target, most_bytes=_MOST_BYTES, timeout_secs=120)
        finally:
            with contextlib.suppress(RunnerError):  # what stays is small, and perfetto removes old traces itself
                link.shell(["rm", "-f", there], timeout_secs=20)
                runs.remove(link, job)


def _load(load: Callable[[], Response]) -> Span:
    response = load()
    ended_s = dumps.number(response.facts.get("ended_uptime_s"))
    if ended_s is None:
        raise RunnerError("the phone does not tell when the load ended, so its energy cannot be told")
    return gauge.load_span(response, 0, ended_s)


def _uptime(link: Link) -> float:
    """The sampler's clock, now."""
    words = checked(link.shell(["cat", "/proc/uptime"], timeout_secs=20), "reading the phone's clock").split()
    seconds = dumps.number(words[0]) if words else None
    if seconds is None:
        raise RunnerError("the phone's clock cannot be read")
    return seconds


def _sampled(link: Link, job: runs.Job, folder: Path) -> str:
    target = folder / "gauge.txt"
    runs.pull(link, job, "out", target, most_bytes=_MOST_BYTES)
    return dumps.text_of(target.read_bytes()[-dumps.MAX_BYTES :])
