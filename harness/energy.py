"""Energy of one call from a counter that is coarse, slow, and also counts the rest of the device. numpy only.

The device idles and works in turn, idle, load, load, idle, so that a steady drift cancels within the four. In each
block the counter's slope is fitted to all its readings: the end points alone catch a coarse counter between two steps
and read up to 8 % too little. What is left of load less idle, over the calls, is the energy of one call; its interval
comes from the groups of four. Where a block is too short for the counter, the answer is how long it would have to be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from harness import stats
from harness.records import EnergyBlock, EnergyTrace, Estimate, Measurement, Record
from harness.stats import Floats

MJ_PER_UAH_V = 3.6  # 1 uAh at 1 V
REFRESHES = 24  # times the counter has to move in a block
QUANTA = 15  # steps of the counter that the load has to use in a block
_SHORTEST_SECS = {"charge_uah": 60.0, "energy_uj": 0.0}  # a fuel gauge averages over seconds
_SLACK = 0.95  # of the time asked for: the last reading comes a little early


class Resolution(Record, frozen=True, kw_only=True):
    """quantum: smallest step seen, in the counter's unit; refresh_secs: time between two of its moves."""

    quantum: float
    refresh_secs: float


class Energy(Record, frozen=True, kw_only=True):
    """What a trace amounts to. reason: why there is no figure; needed_secs: how long a block would have to be for one,
    None where more time would not help."""

    per_inference_mj: Estimate | None = None
    reason: str = ""
    needed_secs: float | None = None


def of_measurement(measurement: Measurement) -> EnergyTrace | None:
    """The trace of a run of its own, else those of all restarts together, one group each; None without any."""
    if measurement.energy is not None:
        return measurement.energy
    traces = [restart.energy for restart in measurement.restarts if restart.energy is not None]
    if not traces:
        return None
    blocks = tuple(
        msgspec.structs.replace(block, group=number) for number, trace in enumerate(traces) for block in trace.blocks
    )
    return msgspec.structs.replace(traces[0], blocks=blocks, charging=any(trace.charging for trace in traces))


def estimate(trace: EnergyTrace, confidence: float) -> Energy:
    """Millijoules of one call net of the idle device, mean over groups with Student's t; or why it cannot be told.

    Needed per block: max(60 s, 24 refreshes, 15 quanta at the net rate); the 60 s for batteries only.
    """
    if reason := _unusable(trace):
        return Energy(reason=reason)
    rates = group_rates(trace)
    net, found = float(rates.mean()), resolution(trace)
    if found is None:
        return Energy(reason="the energy counter did not move")
    needed = max(_SHORTEST_SECS[trace.counter], REFRESHES * found.refresh_secs)
    if net <= 0:
        return Energy(reason="the load does not show above the idle device")
    needed = max(needed, QUANTA * found.quantum / net)
    had = min(_span(block) for block in trace.blocks)
    if had < _SLACK * needed:
        reason = f"not measurable in this time: a block lasted {had:.3g} s and would have to last {needed:.3g} s"
        return Energy(reason=reason, needed_secs=needed)
    return Energy(per_inference_mj=_mean(_per_inference_mj(trace, rates), confidence))


def estimates(measurement: Measurement, confidence: float) -> dict[str, Estimate]:
    """The metric, where it can be told."""
    trace = of_measurement(measurement)
    found = estimate(trace, confidence).per_inference_mj if trace else None
    return {"energy_mj": found} if found else {}


def group_rates(trace: EnergyTrace) -> Floats:
    """Per group, what load uses more than idle, in the counter's unit per second."""
    rates = []
    for blocks in _groups(trace):
        use = {kind: [used_per_sec(trace, one) for one in blocks if one.kind == kind] for kind in ("load", "idle")}
        rates.append(float(np.mean(use["load"]) - np.mean(use["idle"])))
    return np.asarray(rates, dtype=np.float64)


def used_per_sec(trace: EnergyTrace, block: EnergyBlock) -> float:
    """Slope of the counter by ordinary least squares, sum((t - mean t)(c - mean c)) / sum((t - mean t)^2), in the
    direction of use: a charge falls, an energy grows."""
    times, counter = (np.asarray(values, dtype=np.float64) for values in (block.time_s, block.counter))
    since = times - times.mean()
    slope = float(since @ (counter - counter.mean()) / (since @ since))
    return -slope if trace.counter == "charge_uah" else slope


def resolution(trace: EnergyTrace) -> Resolution | None:
    """The counter's documented resolution, else what the readings show: its smallest step, and the first decile of the
    times between its moves (a block when it moved but once). None when it never moved."""
    if trace.quantum is not None and trace.refresh_secs is not None:
        return Resolution(quantum=trace.quantum, refresh_secs=trace.refresh_secs)
    steps: list[float] = []
    gaps: list[float] = []
    for block in trace.blocks:
        moves = np.diff(np.asarray(block.counter, dtype=np.float64))
        at = np.flatnonzero(moves)
        steps += np.abs(moves[at]).tolist()
        gaps += np.diff(np.asarray(block.time_s)[at + 1]).tolist()
    if not steps:
        return None
    refresh_secs = float(np.quantile(gaps, 0.1, method="lower")) if gaps else max(map(_span, trace.blocks))
    return Resolution(quantum=min(steps), refresh_secs=refresh_secs)


def _unusable(trace: EnergyTrace) -> str:
    """What no amount of time would mend."""
    if trace.charging:
        return "the device was charging: take it off the charger and off USB"
    if any(len(block.time_s) < 2 or block.time_s[-1] <= block.time_s[0] for block in trace.blocks):
        return "a block has fewer than two readings"
    if not trace.blocks or any({b.kind for b in blocks} != {"idle", "load"} for blocks in _groups(trace)):
        return "there is no idle time beside the load"
    if trace.counter == "charge_uah":
        if any(used_per_sec(trace, block) < 0 for block in trace.blocks):
            return "charge flowed into the battery: take the device off the charger and off USB"
        if any(len(block.voltage_v) == 0 for block in trace.blocks if block.kind == "load"):
            return "the battery's voltage is not known"
    if any(sum(b.inferences for b in blocks) < 1 for blocks in _groups(trace)):
        return "no call was counted"
    return ""


def _per_inference_mj(trace: EnergyTrace, rates: Floats) -> Floats:
    found = []
    for blocks, rate in zip(_groups(trace), rates, strict=True):
        load = [block for block in blocks if block.kind == "load"]
        calls = sum(block.inferences for block in load)
        secs = sum(block.time_s[-1] - block.time_s[0] for block in load)
        found.append(rate * _mj_of_unit(trace, load) * secs / calls)
    return np.asarray(found, dtype=np.float64)


def _mj_of_unit(trace: EnergyTrace, load: Sequence[EnergyBlock]) -> float:
    """Millijoules of one step of the counter's unit, at the mean voltage under load."""
    if trace.counter == "energy_uj":
        return 1e-3
    return MJ_PER_UAH_V * float(np.mean(np.concatenate([block.voltage_v for block in load])))


def _mean(values: Floats, confidence: float) -> Estimate:
    """Mean with its t interval; no interval from a single group."""
    mean, low, high = float(values.mean()), None, None
    if values.size > 1:
        half = stats.t_quantile((1 + confidence) / 2, values.size - 1) * float(values.std(ddof=1))
        low, high = mean - half / math.sqrt(values.size), mean + half / math.sqrt(values.size)
    return Estimate(value=mean, low=low, high=high, confidence=confidence, samples=values.size)


def _groups(trace: EnergyTrace) -> list[list[EnergyBlock]]:
    groups: dict[int, list[EnergyBlock]] = {}
    for block in trace.blocks:
        groups.setdefault(block.group, []).append(block)
    return list(groups.values())


def _span(block: EnergyBlock) -> float:
    """Seconds of a block, one reading's distance beyond the last."""
    secs = block.time_s[-1] - block.time_s[0]
    return secs * len(block.time_s) / max(1, len(block.time_s) - 1)
