"""Doubts about the clock: where it was read, how often, and what else the machine was doing.

Each function takes Facts and returns what was seen, in words with figures, or "" when there is no such doubt.
"""

from __future__ import annotations

import numpy as np

from harness import metrics, stats
from harness.facts import Facts
from harness.figures import percent
from harness.records import Measurement

FEWEST_RESTARTS = 2
FEWEST_SAMPLES = 30
RESTART_SPREAD = 0.15
DRIFT_CHANGE = 0.02
DRIFT_P = 0.01
NOISY_WAIT_SHARE = 0.05
STARVED_WAIT_SHARE = 0.80
CANARY_SPREAD = 0.05
NO_TIME_SHARE = 0.01


def emulator(facts: Facts) -> str:
    return _device_detail(facts, "emulator")


def host(facts: Facts) -> str:
    return "" if _phone_was_asked(facts) else _device_detail(facts, "host")


def host_fallback(facts: Facts) -> str:
    if not _phone_was_asked(facts) or not _device_detail(facts, "host"):
        return ""
    return f"{facts.experiment.device} was asked for, {_device_detail(facts, 'host')}"


def few_samples(facts: Facts) -> str:
    """Fewer than two restarts say nothing about a fresh process; a few calls say little about the others."""
    measured = facts.measured
    if measured is None:
        return ""
    restarts, calls = len(measured.restarts), _calls(measured)
    if restarts >= FEWEST_RESTARTS and calls >= FEWEST_SAMPLES:
        return ""
    return f"{calls} timed sample{'s' * (calls != 1)} in {restarts} restart{'s' * (restarts != 1)}"


def unstable(facts: Facts) -> str:
    """Restarts that differ (standard deviation of the logarithm of their medians), most of them never steady, or a
    drift over the blocks that is both significant and not tiny. On-CPU times where they can be had, else wall."""
    measured = facts.measured
    if measured is None:
        return ""
    blocks = metrics.block_medians_ms(measured)
    centres = [float(np.median(series)) for series in blocks if series]
    seen = []
    if len(centres) >= FEWEST_RESTARTS and float(np.std(np.log(centres), ddof=1)) > RESTART_SPREAD:
        seen.append(f"the medians of the restarts go from {min(centres):.3g} to {max(centres):.3g} ms")
    unsteady = sum(not restart.steady for restart in measured.restarts)
    if 2 * unsteady > len(measured.restarts):
        seen.append(f"{unsteady} of {len(measured.restarts)} restarts were not steady after their warm-up")
    drift = stats.trend(blocks)
    if drift.p < DRIFT_P and abs(drift.change) > DRIFT_CHANGE:
        word = "slower" if drift.change > 0 else "faster"
        seen.append(f"the second half of the blocks is {percent(abs(drift.change))} {word} than the first")
    return "; ".join(seen)


def noisy_machine(facts: Facts) -> str:
    share = _wait_share(facts)
    if share <= NOISY_WAIT_SHARE:
        return ""
    return f"{percent(share)} of the timed wall time went by in the run queue, behind other processes"


def starved(facts: Facts) -> str:
    share = _wait_share(facts)
    return f"{percent(share)} of the timed wall time went by in the run queue" if share > STARVED_WAIT_SHARE else ""


def wait_unknown(facts: Facts) -> str:
    measured = facts.measured
    if measured is None or metrics.wait_is_known(measured):
        return ""
    threads = measured.settings.num_threads
    if threads > 1:
        return f"{threads} threads: how long the worker threads stood in the run queue is not known"
    return f"{measured.device.name} does not tell how long a thread stood in the run queue"


def no_time(facts: Facts) -> str:
    """What the way into the runtime costs is taken off every call; where that is more than the call took, 0 is left."""
    if facts.measured is None:
        return ""
    restarts = metrics.on_cpu_samples_ms(facts.measured) or metrics.latency_samples_ms(facts.measured)
    samples = np.concatenate([np.empty(0), *restarts])
    share = float((samples <= 0).mean()) if samples.size else 0.0
    return f"{percent(share)} of the timed calls came out as taking no time at all" if share > NO_TIME_SHARE else ""


def canary(facts: Facts) -> str:
    """A fixed integer loop beside each block times the clock itself; its 10th and 90th percentiles must be close."""
    measured = facts.measured
    if measured is None:
        return ""
    blocks = [block for restart in measured.restarts for block in restart.blocks]
    times = [block.canary_ns for block in blocks if block.canary_ns]
    if len(times) < 4:
        return ""
    low, high = stats.quantile(times, 0.1), stats.quantile(times, 0.9)
    if high <= low * (1 + CANARY_SPREAD):
        return ""
    return f"a fixed loop took from {low / 1000:.3g} to {high / 1000:.3g} us: {percent(high / low - 1)} apart"


def _phone_was_asked(facts: Facts) -> bool:
    return facts.experiment.device != "host"


def _device_detail(facts: Facts, kind: str) -> str:
    measured = facts.measured
    if measured is None or measured.device.kind != kind:
        return ""
    device = measured.device
    return "measured on " + ", ".join(part for part in (device.soc or device.name, device.abi) if part)


def _wait_share(facts: Facts) -> float:
    measured = facts.measured
    return (metrics.wait_share(measured) or 0.0) if measured else 0.0


def _calls(measured: Measurement) -> int:
    """Timed samples; of a runner that tells means alone, the calls behind them (MEANS-ONLY says the rest)."""
    if any(restart.facts.get("samples") == "means" for restart in measured.restarts):
        return sum(len(b.wall_ns) * b.calls_per_sample for restart in measured.restarts for b in restart.blocks)
    return int(_pooled(measured).size)


def _pooled(measured: Measurement) -> stats.Floats:
    return np.concatenate([np.empty(0), *metrics.latency_samples_ms(measured)])
