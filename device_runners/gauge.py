"""What a phone's fuel gauge said -> blocks of an EnergyTrace: readings, their unit, their sign. Pure functions.

The charge counter should be microampere-hours and the current microamperes, positive into the battery; devices differ
in both. So the unit is found from what the battery can hold, and the sign from an unplugged battery that can only lose.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from device_runners import dumps
from device_runners.wire import Response
from harness.errors import RunnerError
from harness.records import EnergyBlock, EnergyTrace, Record
from harness.stats import Floats

CAPACITY_UAH = (500_000.0, 30_000_000.0)  # a watch's to a tablet's
MOST_MA = 20_000.0  # a current beyond this is microamperes: no phone draws 20 A
CHARGE, CURRENT = "charge counter", "current, added up over time"
_PLUGGED = ("Charging", "Full", "Not charging")
_TAIL_SECS, _HEAD_SECS = 1.5, 0.5  # between a process's end and the end of its last call, at the most


class Reading(Record, frozen=True, kw_only=True):
    """One look of the sampler. time_s: since the phone started. charge, current: in the device's own unit."""

    time_s: float
    charge: float | None = None
    current: float | None = None
    voltage_v: float | None = None
    plugged: bool = False


class Span(Record, frozen=True, kw_only=True):
    """When a block was, on the sampler's clock, and how many calls were made in it."""

    kind: str  # idle or load
    group: int
    start_s: float
    end_s: float
    inferences: int = 0


def readings(text: str) -> tuple[Reading, ...]:
    """What the sampler wrote: a line `uptime charge voltage current status` per look, or `@ uptime` and a whole
    `dumpsys battery` after it. Torn lines, as at the end of a full disk, are left out."""
    found = []
    for part in f"\n{text}".split("\n@ ")[1:]:
        uptime, _, dump = part.partition("\n")
        seconds, battery = dumps.number(uptime), dumps.battery(dump)
        if seconds is not None and battery is not None:
            found.append(
                Reading(
                    time_s=seconds,
                    charge=battery.charge_counter,
                    voltage_v=battery.voltage_v,
                    plugged=bool(battery.powered_by),
                )
            )
    if found:
        return tuple(found)
    rows = [line.split(maxsplit=4) for line in text.splitlines()]
    return tuple(one for row in rows if len(row) == 5 and (one := _of_row(row)))


def _of_row(row: Sequence[str]) -> Reading | None:
    seconds, charge, voltage, current = (dumps.number(value) for value in row[:4])
    if seconds is None:
        return None
    return Reading(
        time_s=seconds,
        charge=charge,
        current=current,
        voltage_v=dumps.volts(voltage),
        plugged=row[4].strip() in _PLUGGED,
    )


def trace(found: Sequence[Reading], spans: Sequence[Span], level: float | None) -> EnergyTrace:
    """Readings cut into blocks, as microampere-hours left in the battery. level: share of full at the start.

    Raises RunnerError where the device tells neither a charge nor a current whose unit can be found.
    """
    times = np.asarray([one.time_s for one in found], dtype=np.float64)
    left_uah, source = _left_uah(found, spans, level)
    volts = np.asarray([one.voltage_v if one.voltage_v is not None else np.nan for one in found], dtype=np.float64)
    blocks = []
    for span in spans:
        inside = np.flatnonzero((times >= span.start_s) & (times <= span.end_s) & np.isfinite(left_uah))
        told = volts[inside]
        first, last = (times[inside[0]], times[inside[-1]]) if inside.size else (0.0, 0.0)
        share = (last - first) / (span.end_s - span.start_s) if span.end_s > span.start_s else 0.0
        blocks.append(
            EnergyBlock(
                kind="load" if span.kind == "load" else "idle",
                group=span.group,
                time_s=tuple(times[inside].tolist()),
                counter=tuple(left_uah[inside].tolist()),
                voltage_v=tuple(told.tolist()) if np.isfinite(told).all() else (),
                inferences=round(span.inferences * share),
            )
        )
    return EnergyTrace(
        source=source,
        counter="charge_uah",
        blocks=tuple(blocks),
        charging=any(one.plugged for one in found),
    )


def _left_uah(found: Sequence[Reading], spans: Sequence[Span], level: float | None) -> tuple[Floats, str]:
    charges = np.asarray([one.charge if one.charge is not None else np.nan for one in found], dtype=np.float64)
    if np.isfinite(charges).sum() >= 2:
        unit = charge_unit_uah(float(charges[np.isfinite(charges)][0]), level)
        return charges * unit, f"{CHARGE}{', in mAh' if unit == 1000 else ''}"
    currents = np.asarray([one.current if one.current is not None else np.nan for one in found], dtype=np.float64)
    if np.isfinite(currents).sum() < 2:
        raise RunnerError(
            "the phone tells neither the charge of its battery nor a current",
            remedy="leave out what is asked about energy, or use a phone that does",
        )
    return _integrated(found, currents, spans)


def charge_unit_uah(value: float, level: float | None) -> float:
    """Microampere-hours of one count, so that the whole battery is of a possible size; RunnerError when it cannot be
    told."""
    whole = value / level if level else value
    low, high = CAPACITY_UAH
    if low <= whole <= high or (not level and low / 10 <= whole <= high):
        return 1.0
    if low <= whole * 1000 <= high or (not level and low / 10 <= whole * 1000 <= high):
        return 1000.0
    raise RunnerError(
        f"the charge counter says {value:g}, which is neither microampere-hours nor milliampere-hours of a battery",
        remedy="this phone's counter cannot be used",
    )


def _integrated(found: Sequence[Reading], currents: Floats, spans: Sequence[Span]) -> tuple[Floats, str]:
    """The current over time, by trapezoids; an unplugged battery only loses, whatever sign a device gives that."""
    times = np.asarray([one.time_s for one in found], dtype=np.float64)
    loads = np.zeros(times.size, dtype=bool)
    for span in spans:
        loads |= (times >= span.start_s) & (times <= span.end_s) & (span.kind == "load")
    under_load = currents[loads & np.isfinite(currents)]
    if not under_load.size or np.median(under_load) == 0:
        raise RunnerError("the phone's current reads 0 under load", remedy="this phone's gauge cannot be used")
    middle = float(np.median(under_load))
    to_ua = 1000.0 if abs(middle) < MOST_MA else 1.0
    drawn_ua = np.where(np.isfinite(currents), currents, middle) * to_ua * np.sign(middle)
    steps = np.diff(times) * (drawn_ua[1:] + drawn_ua[:-1]) / 2 / 3600
    left: Floats = -np.concatenate([[0.0], np.cumsum(steps)])
    unit = "mA" if to_ua == 1000 else "uA"
    return left, f"{CURRENT} (taken for {unit}, {'positive' if middle > 0 else 'negative'} when it discharges)"


def load_span(response: Response, group: int, ended_s: float) -> Span:
    """When a load process called its build, from the time at which it ended on the sampler's clock.

    The timed part is its last thing but for writing the answer, so a little is left out at both ends.
    """
    blocks = [block for result in response.results for block in result.blocks if block.wall_ns]
    if not blocks:
        raise RunnerError("nothing was timed under load", remedy="see its log")
    calls = sum(len(block.wall_ns) * block.calls_per_sample for block in blocks)
    starts = [block.start_ns for block in blocks if block.start_ns is not None]
    if len(starts) == len(blocks):
        lasted = (starts[-1] + sum(blocks[-1].wall_ns) - starts[0]) / 1e9
    else:
        lasted = sum(sum(block.wall_ns) for block in blocks) / 1e9
    start, end = ended_s - lasted + _HEAD_SECS, ended_s - _TAIL_SECS
    if end <= start:
        raise RunnerError(f"the load lasted {lasted:.1f} s, too short for a gauge", remedy="raise settings.energy_secs")
    return Span(kind="load", group=group, start_s=start, end_s=end, inferences=round(calls * (end - start) / lasted))
