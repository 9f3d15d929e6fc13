"""Energy of a build on a phone: a sampler on the phone reads the fuel gauge while it idles and while the build runs.

The sampler is detached and writes to the phone, so that neither a cable nor traffic is needed while it reads. A group
is idle, load, load, idle; see gauge.py for what becomes of the readings, and harness/energy.py for the figure.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from pathlib import Path

from device_runners import dumps, gauge, state
from device_runners.adb import runs
from device_runners.adb.link import Link, checked
from device_runners.gauge import Span
from device_runners.handset import PhoneHandset
from device_runners.wire import Response
from harness.errors import RunnerError
from harness.process import Bounds
from harness.records import EnergyTrace

GAUGE = "/sys/class/power_supply/battery"
PERIOD_SECS, DUMP_PERIOD_SECS = "0.25", "1"
SETTLE_SECS = 5.0  # from load to idle: what the load has heated and filled works on for a moment
_MOST_BYTES = 64 * 2**20
_PUSHING_SECS = 120.0
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

    def group(self, load: Callable[[], Response], *, idle_secs: float, folder: Path, bounds: Bounds) -> EnergyTrace:
        """idle, load, load, idle. Raises RunnerError where the phone is charging or its gauge tells nothing."""
        link = self._handset.link
        before = state.read(link)
        if before.powered_by:
            raise RunnerError(CHARGING)
        secs = 2 * idle_secs + 2 * (bounds.timeout_secs + _PUSHING_SECS)
        words = ["sh", "-c", SAMPLE, "pocketbench", self._folder, PERIOD_SECS, DUMP_PERIOD_SECS]
        job = self._handset.background(words, f"gauge-{uuid.uuid4().hex[:12]}", secs)
        spans: list[Span] = []
        with runs.running(link, job, tell=lambda _: None):
            spans.append(self._idle(link, idle_secs))
            spans += [_load(load) for _ in range(2)]
            self._sleep(SETTLE_SECS)
            spans.append(self._idle(link, idle_secs))
            text = _sampled(link, job, folder)
        runs.remove(link, job)
        after = state.read(link)
        if after.powered_by:
            raise RunnerError(CHARGING)
        level = before.battery.level if before.battery else None
        return gauge.trace(gauge.readings(text), spans, level)

    def _idle(self, link: Link, secs: float) -> Span:
        start = _uptime(link)
        self._sleep(secs)
        return Span(kind="idle", group=0, start_s=start, end_s=_uptime(link))


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
