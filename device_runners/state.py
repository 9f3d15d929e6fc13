"""In what state a phone is: battery, heat, clocks, screen, modes, load; read in one round trip, told as facts.

Facts are words and numbers in a response's `facts`, with `_before` and `_after` in their names; what is doubtful about
them is decided in harness/caveats.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from device_runners import dumps
from device_runners.adb.link import Link
from device_runners.dumps import STATUS_WORDS, Battery, Clock, Thermal
from harness.errors import RunnerError
from harness.records import Record

LOW_BATTERY = 0.20  # below it phones save power by themselves
HOT_BATTERY_C = 40.0
_MARK = "@@pocketbench "
_TIMEOUT_SECS = 30.0

# Nothing but fixed words; what a device has not got leaves its part empty.
_SCRIPT = """
part() { echo; echo "@@pocketbench $1"; }
part battery; dumpsys battery 2>/dev/null
part thermal; dumpsys thermalservice 2>/dev/null
part power; dumpsys power 2>/dev/null | grep -m 1 'mWakefulness='
part airplane_mode; settings get global airplane_mode_on 2>/dev/null
part power_save; settings get global low_power 2>/dev/null
part clocks
for c in /sys/devices/system/cpu/cpu[0-9]*; do
  now=; limit=; top=
  read -r now 2>/dev/null <"$c/cpufreq/scaling_cur_freq"
  read -r limit 2>/dev/null <"$c/cpufreq/scaling_max_freq"
  read -r top 2>/dev/null <"$c/cpufreq/cpuinfo_max_freq"
  echo "${c##*/} ${now:--} ${limit:--} ${top:--}"
done
part load; cat /proc/loadavg 2>/dev/null
part boot; cat /proc/sys/kernel/random/boot_id 2>/dev/null
part busy; grep '^cpu ' /proc/stat 2>/dev/null; sleep 0.1; grep '^cpu ' /proc/stat 2>/dev/null
"""


class State(Record, frozen=True, kw_only=True):
    """One look at a phone; None and "" where it does not tell. busy_share: of all processors, over a tenth of a second,
    our own look at it included."""

    battery: Battery | None = None
    thermal: Thermal | None = None
    clocks: tuple[Clock, ...] = ()
    awake: bool | None = None
    airplane_mode: bool | None = None
    power_save: bool | None = None
    busy_share: float | None = None
    load_average: str = ""
    boot_id: str = ""

    @property
    def powered_by(self) -> tuple[str, ...]:
        return self.battery.powered_by if self.battery else ()

    @property
    def status(self) -> int | None:
        return self.thermal.status if self.thermal else None

    @property
    def clock_limit(self) -> float | None:
        """How far the most limited processor may go, as a share of what it could; None where it is not told."""
        shares = [one.limit_khz / one.top_khz for one in self.clocks if one.limit_khz and one.top_khz]
        return min(shares, default=None)


def read(link: Link) -> State:
    """Raises RunnerError when the link fails; a device that tells nothing at all is a State of Nones."""
    return parsed(dumps.text_of(link.script(_SCRIPT, timeout_secs=_TIMEOUT_SECS).stdout))


def parsed(text: str) -> State:
    """The parts of the script's output, each by its parser."""
    parts: dict[str, str] = {}
    for part in text.split(f"\n{_MARK}")[1:]:
        name, _, body = part.partition("\n")
        parts.setdefault(name.strip(), body)
    wakefulness = parts.get("power", "").partition("mWakefulness=")[2].split()
    return State(
        battery=dumps.battery(parts.get("battery", "")),
        thermal=dumps.thermal(parts.get("thermal", "")),
        clocks=dumps.clocks(parts.get("clocks", "")),
        awake=wakefulness[0] == "Awake" if wakefulness else None,
        airplane_mode=dumps.flag(parts.get("airplane_mode", "")),
        power_save=dumps.flag(parts.get("power_save", "")),
        busy_share=dumps.busy_share(parts.get("busy", "")),
        load_average=" ".join(parts.get("load", "").split()[:3]),
        boot_id=parts.get("boot", "").strip()[:40],
    )


def facts(state: State, when: str) -> dict[str, str]:
    """What is known, in words with units in their names: `battery_percent_before`."""
    battery, thermal = state.battery, state.thermal
    found: dict[str, object] = {
        "battery_percent": _rounded(battery.level if battery else None, 100, 0),
        "battery_c": battery.temperature_c if battery else None,
        "powered_by": "+".join(state.powered_by) or ("none" if battery else None),
        "thermal_status": state.status,
        "skin_c": thermal.hottest_c("skin") if thermal else None,
        "cpu_c": thermal.hottest_c("CPU") if thermal else None,
        "clock_limit_percent": _rounded(state.clock_limit, 100, 0),
        "awake": _yes_no(state.awake),
        "airplane_mode": _yes_no(state.airplane_mode),
        "power_save": _yes_no(state.power_save),
        "busy_percent": _rounded(state.busy_share, 100, 0),
        "load_average": state.load_average or None,
    }
    told = {f"{name}_{when}": str(value) for name, value in found.items() if value is not None}
    if (thermal and thermal.overridden) or (battery and battery.frozen):
        told[f"made_up_state_{when}"] = "yes"
    return told


class Obstacle(Record, frozen=True, kw_only=True):
    """What speaks against measuring now, and what to do about it. stops: nothing can be measured at all."""

    what: str
    remedy: str
    stops: bool = False


def obstacles(state: State) -> list[Obstacle]:
    """In the order of their weight; a phone that tells nothing about itself has one too."""
    battery = state.battery
    found = [
        (
            bool(battery and battery.level is not None and battery.level < LOW_BATTERY),
            f"the battery is at {100 * (battery.level or 0):.0f} %" if battery else "",
            "charge it above 20 %, then take it off the charger",
        ),
        (bool(state.status), f"thermal status {_word(state.status)}", "let it cool: off the charger, screen off"),
        (
            bool(battery and (battery.temperature_c or 0) >= HOT_BATTERY_C),
            f"the battery has {battery.temperature_c:g} degrees" if battery and battery.temperature_c else "",
            "let it cool: off the charger, out of its case",
        ),
        (bool(state.power_save), "power-save mode is on", "Settings > Battery > Battery Saver: off"),
        (
            bool(state.powered_by),
            f"it is charging ({'+'.join(state.powered_by)})",
            "energy cannot be measured and the battery warms: connect over Wi-Fi and unplug it (docs/phones.md)",
        ),
        (state.awake is False, "the screen is off", "unlock it; `svc power stayon true` keeps it on while plugged in"),
        (state.airplane_mode is False, "airplane mode is off", "switch it on, then Wi-Fi back on if adb needs it"),
        (
            bool(state.thermal and state.thermal.overridden),
            "its thermal status was set by hand",
            "adb shell cmd thermalservice reset",
        ),
        (bool(battery and battery.frozen), "its battery state was set by hand", "adb shell dumpsys battery reset"),
        (
            battery is None and state.thermal is None,
            "it tells neither battery nor heat",
            "an old or unusual system: watch it yourself, caveats about heat and charging cannot be raised",
        ),
    ]
    return [Obstacle(what=what, remedy=remedy) for seen, what, remedy in found if seen]


# --- cooling down -------------------------------------------------------------------------------------

BATTERY_SLACK_C, SKIN_SLACK_C = 2.0, 3.0
_POLL_SECS = 5.0


def warmer(now: State, start: State) -> str:
    """By what a phone is hotter, or slower clocked, than at the start, in words; "" when it is as it was."""
    seen = []
    if (now.status or 0) > 0:
        seen.append(f"thermal status {_word(now.status)}")
    pairs = (("battery", _battery_c, BATTERY_SLACK_C), ("skin", _skin_c, SKIN_SLACK_C))
    for name, of, slack in pairs:
        celsius, before = of(now), of(start)
        if celsius is not None and before is not None and celsius > before + slack:
            seen.append(f"{name} {celsius:.1f} degrees, {before:.1f} at the start")
    if now.clock_limit is not None and start.clock_limit is not None and now.clock_limit < start.clock_limit - 0.01:
        seen.append(f"clocks limited to {now.clock_limit:.0%}")
    return ", ".join(seen)


def _battery_c(seen: State) -> float | None:
    return seen.battery.temperature_c if seen.battery else None


def _skin_c(seen: State) -> float | None:
    return seen.thermal.hottest_c("skin") if seen.thermal else None


class Patience(Record, frozen=True, kw_only=True):
    """How long to wait for a phone to cool; the clock and the sleep can be another's. tell: hears why it waits."""

    most_secs: float
    tell: Callable[[str], None]
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


def cooled(look: Callable[[], State], start: State, patience: Patience) -> tuple[State, dict[str, str]]:
    """Wait until a phone is as cool as at the start, and no longer than allowed; its state then, and facts about the
    wait: `cooled_secs`, and `still_warm` with the reason when the time was over first."""
    began = patience.clock()
    now = look()
    told = {}
    while why := warmer(now, start):
        waited = patience.clock() - began
        if waited >= patience.most_secs:
            return now, {"cooled_secs": f"{waited:.0f}", "still_warm": why}
        patience.tell(f"cooling down: {why}")
        patience.sleep(min(_POLL_SECS, patience.most_secs - waited))
        now = look()
        told = {"cooled_secs": f"{patience.clock() - began:.0f}"}
    return now, told


def same_boot(before: State, after: State) -> None:
    """RunnerError when the phone started anew in between: what was measured is not what was asked."""
    if before.boot_id and after.boot_id and before.boot_id != after.boot_id:
        raise RunnerError("the phone started anew while it was measured", remedy="measure again: run --resume")


def _word(status: int | None) -> str:
    return "unknown" if status is None else f"{status} ({STATUS_WORDS[status]})"


def _rounded(value: float | None, times: float, digits: int) -> str | None:
    return None if value is None else f"{value * times:.{digits}f}"


def _yes_no(value: bool | None) -> str | None:
    return None if value is None else "yes" if value else "no"
