"""A made-up battery: a charge counter that moves in steps and seldom, under idle and load blocks in ABBA order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from harness.records import EnergyBlock, EnergyTrace

IDLE_UAH_S, NET_UAH_S, VOLTAGE = 42.0, 139.0, 3.9  # 150 mA idle, 500 mA more under load
CALLS_PER_SEC = 100
POLL_SECS = 0.25


class Gauge(NamedTuple):
    """quantum: uAh of one step; refresh_secs: between updates; idle_noise: of a block's idle current; drift: of that
    over the whole trace."""

    quantum: float
    refresh_secs: float
    net_uah_s: float = NET_UAH_S
    idle_noise: float = 0.05
    drift: float = 0.10


def trace(gauge: Gauge, block_secs: float, random: np.random.Generator, pairs: int = 8) -> EnergyTrace:
    """`pairs` idle and as many load blocks, polled at 4 Hz."""
    phase, used, blocks = random.uniform(0, gauge.refresh_secs), random.uniform(0, gauge.quantum), []
    for number in range(2 * pairs):
        load, start = number % 4 in (1, 2), number * block_secs
        current = IDLE_UAH_S * (1 + gauge.drift * number / (2 * pairs) + random.normal(0, gauge.idle_noise))
        current += gauge.net_uah_s * random.normal(1, 0.01) if load else 0.0
        times = start + np.arange(0, block_secs, POLL_SECS)
        refreshed = np.floor((times + phase) / gauge.refresh_secs) * gauge.refresh_secs - phase
        steps = np.floor((used + current * np.clip(refreshed - start, 0, None)) / gauge.quantum)
        blocks.append(
            EnergyBlock(
                kind="load" if load else "idle",
                group=number // 4,
                time_s=tuple(times.tolist()),
                counter=tuple((4e6 - steps * gauge.quantum).tolist()),
                voltage_v=(VOLTAGE,),
                inferences=round(CALLS_PER_SEC * float(times[-1] - times[0])) if load else 0,
            )
        )
        used += current * block_secs
    return EnergyTrace(source="simulated battery", counter="charge_uah", blocks=tuple(blocks))


def traces(gauge: Gauge, block_secs: float, count: int, seed: int = 0) -> Iterator[EnergyTrace]:
    random = np.random.default_rng(seed)
    return (trace(gauge, block_secs, random) for _ in range(count))


def true_mj(gauge: Gauge) -> float:
    return gauge.net_uah_s * VOLTAGE * 3.6 / CALLS_PER_SEC
