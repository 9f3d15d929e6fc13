"""What Android's own commands print -> records: getprop, dumpsys battery, dumpsys thermalservice, cpufreq.

The texts differ by version and vendor, and none is a contract. Every parser answers None, or leaves a field None,
where a text does not tell; it never guesses. Shapes are those of AOSP's BatteryService.java,
ThermalManagerService.java and Temperature.java.
"""

from __future__ import annotations

import math
import re

from harness.records import Record

MAX_BYTES = 4 * 2**20  # a full dump of some services is this long; what follows is not looked at
_PROPERTY = re.compile(r"^\[(?P<name>[^\]]+)\]: \[", re.MULTILINE)
_TEMPERATURE = re.compile(r"^\s*Temperature\{(?P<fields>.*)\}\s*$")
_FIELD = re.compile(r"(m[A-Z]\w*)=(.*?)(?=,\s*m[A-Z]\w*=|$)")
_STOPPED = "UPDATES STOPPED"
# Temperature.java: types that are degrees; 6 to 8 are volts, amperes and per cent of the battery's current limit.
DEGREES = {0: "CPU", 1: "GPU", 2: "battery", 3: "skin", 4: "USB", 5: "power amplifier", 9: "NPU"}
STATUS_WORDS = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")


class Battery(Record, frozen=True, kw_only=True):
    """One `dumpsys battery`. level: share of full. powered_by: what power comes in through, `AC`, `USB` ...

    charge_counter: what is left, in the device's own unit (see phone_energy.py). frozen: a test told the service to
    show made-up values (`dumpsys battery unplug`).
    """

    level: float | None = None
    powered_by: tuple[str, ...] = ()
    temperature_c: float | None = None
    voltage_v: float | None = None
    charge_counter: int | None = None
    frozen: bool = False


class Temperature(Record, frozen=True, kw_only=True):
    """One sensor; kind is a value of DEGREES."""

    name: str
    kind: str
    celsius: float


class Thermal(Record, frozen=True, kw_only=True):
    """One `dumpsys thermalservice`. status: 0 (none) to 6 (shutdown). overridden: a test set it by hand."""

    status: int | None = None
    overridden: bool = False
    temperatures: tuple[Temperature, ...] = ()

    def hottest_c(self, kind: str) -> float | None:
        """The hottest sensor of a kind, None without one."""
        return max((one.celsius for one in self.temperatures if one.kind == kind), default=None)


class Clock(Record, frozen=True, kw_only=True):
    """One processor: its clock now, what it may be now, and what it could be; kHz, None where not told."""

    cpu: int
    now_khz: int | None = None
    limit_khz: int | None = None
    top_khz: int | None = None


def text_of(raw: bytes) -> str:
    """What a command printed: line ends of old devices, UTF-16 of a saved console, and excess length taken away."""
    raw = raw[:MAX_BYTES]
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = raw.decode("utf-16", errors="replace")
    else:
        text = raw.decode("utf-8-sig", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def properties(text: str) -> dict[str, str]:
    """`[name]: [value]` of getprop; a value may span lines and hold brackets, so an entry ends where another begins."""
    starts = list(_PROPERTY.finditer(text))
    found: dict[str, str] = {}
    for start, end in zip(starts, [*(one.start() for one in starts[1:]), len(text)], strict=False):
        value = text[start.end() : end].rstrip("\n")
        found.setdefault(start["name"], value.removesuffix("]"))
    return found


def battery(text: str) -> Battery | None:
    """None where there is no battery service; vendors add sections in [brackets], which are not its state."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        if line.lstrip().startswith("["):
            break
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(key.strip().casefold(), value.strip())
    if "level" not in fields and "status" not in fields:
        return None
    level, scale = number(fields.get("level")), number(fields.get("scale")) or 100
    tenths, millivolts = number(fields.get("temperature")), number(fields.get("voltage"))
    charge = number(fields.get("charge counter"))
    return Battery(
        level=level / scale if level is not None and 0 <= level <= scale else None,
        powered_by=_powered_by(text, fields),
        temperature_c=tenths / 10 if tenths is not None else None,
        voltage_v=volts(millivolts),
        charge_counter=int(charge) if charge is not None else None,
        frozen=_STOPPED in text,
    )


def _powered_by(text: str, fields: dict[str, str]) -> tuple[str, ...]:
    names = [
        key.removesuffix(" powered") for key, value in fields.items() if key.endswith(" powered") and value == "true"
    ]
    return tuple(name.upper() if len(name) < 4 else name for name in names)


def volts(value: float | None) -> float | None:
    """Millivolts by the documentation; some devices say volts, some microvolts."""
    if value is None or value <= 0:
        return None
    for scale in (1, 1e3, 1e6):
        if 2 <= value / scale <= 25:
            return value / scale
    return None


def thermal(text: str) -> Thermal | None:
    """None where there is no thermal service (before Android 10).

    The temperatures that the hardware layer tells now, else the cached ones, which may be old; cooling devices and
    thresholds look alike and are neither.
    """
    sections: dict[str, list[Temperature]] = {}
    heading, status, overridden = "", None, False
    for line in text.splitlines():
        if found := _TEMPERATURE.match(line):
            if one := _temperature(found["fields"]):
                sections.setdefault(heading, []).append(one)
            continue
        key, colon, value = line.strip().partition(":")
        if key == "Thermal Status":
            status = _status(value)
        elif key == "IsStatusOverride":
            overridden = value.strip() == "true"
        if colon:
            heading = key.casefold()
    if status is None and not sections:
        return None
    current = next((s for h, s in sections.items() if "current temperatures" in h), None)
    chosen = current or next((s for h, s in sections.items() if "cached" in h), [])
    return Thermal(status=status, overridden=overridden, temperatures=tuple(chosen))


def _temperature(fields: str) -> Temperature | None:
    found = {key: value.strip() for key, value in _FIELD.findall(fields)}
    celsius, kind = number(found.get("mValue")), number(found.get("mType"))
    if celsius is None or kind not in DEGREES:
        return None
    return Temperature(name=found.get("mName", ""), kind=DEGREES[int(kind)], celsius=celsius)


def _status(value: str) -> int | None:
    found = number(value)
    return int(found) if found is not None and 0 <= found < len(STATUS_WORDS) else None


def clocks(text: str) -> tuple[Clock, ...]:
    """Lines `cpu3 now limit top` as our own script prints them, `-` for what cannot be read; cores come and go."""
    found = []
    for line in text.splitlines():
        name, *values = line.split()
        if name.startswith("cpu") and name[3:].isdigit() and len(values) == 3:
            now, limit, top = (int(value) if value.isdigit() else None for value in values)
            found.append(Clock(cpu=int(name[3:]), now_khz=now, limit_khz=limit, top_khz=top))
    return tuple(found)


def busy_share(text: str) -> float | None:
    """Of two `cpu ...` lines of /proc/stat: the share of the time between them in which processors were not idle."""
    rows = [line.split()[1:] for line in text.splitlines() if line.startswith("cpu ")]
    if len(rows) != 2 or not all(value.isdigit() for row in rows for value in row) or len(rows[0]) < 5:
        return None
    spent = [int(after) - int(before) for before, after in zip(*rows, strict=False)]
    total, idle = sum(spent[:8]), spent[3] + spent[4]
    return max(0.0, 1 - idle / total) if total > 0 else None


def flag(text: str) -> bool | None:
    """`settings get` of a switch: 0 or 1; anything else (null, an error) tells nothing."""
    return {"0": False, "1": True}.get(text.strip())


def number(text: str | None) -> float | None:
    """A finite number, None for anything else."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
