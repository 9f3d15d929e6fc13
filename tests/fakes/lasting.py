"""Made-up sustained runs with known truth: levels, noise whose neighbours are alike, a clock that falls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.records import Sustained


def noise(count: int, sd: float, *, correlation: float = 0.0, seed: int = 0) -> NDArray[np.float64]:
    """AR(1) noise of standard deviation `sd`."""
    random = np.random.default_rng(seed)
    fresh = random.normal(0, sd * (1 - correlation**2) ** 0.5, count)
    values, last = [], random.normal(0, sd)
    for one in fresh:
        last = correlation * last + one
        values.append(last)
    return np.asarray(values)


def levels(*parts: tuple[int, float]) -> NDArray[np.float64]:
    """(blocks, ms) after (blocks, ms)."""
    return np.concatenate([np.full(count, ms) for count, ms in parts])


def run(
    times_ms: Sequence[float] | NDArray[np.float64], *, sd: float = 0.01, seed: int = 0, **changes: Any
) -> Sustained:
    """A block a second with these on-CPU times and 1 % of noise, a tenth more on the wall."""
    times = np.asarray(times_ms) * np.exp(noise(len(times_ms), sd, seed=seed)) if sd else np.asarray(times_ms)
    fields: dict[str, Any] = {
        "started": "2026-01-01T00:00:00",
        "start_secs": tuple(float(second) for second in range(len(times))),
        "wall_ms": tuple((times * 1.1).tolist()),
        "on_cpu_ms": tuple(times.tolist()),
        "canary_us": (40.0,) * len(times),
    }
    return Sustained(**{**fields, **changes})


def throttling(seconds: int = 180, *, share: float = 0.25, at: int = 60, **changes: Any) -> Sustained:
    """10 ms, from second `at` on slower by `share`, and the clock with it."""
    times = levels((at, 10.0), (seconds - at, 10.0 * (1 + share)))
    return run(times, **{"canary_us": tuple((times * 4).tolist()), **changes})
