"""What can be ranked and gated: the table of metrics, and how each follows from what was recorded.

A sample is `wall_ns / calls_per_sample`: what one call took. On-CPU time is that less the time the thread stood in
the run queue; it exists only where the system tells the wait of the thread that does the work, so not for more than
one thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np

from harness import energy, stats, steady
from harness.records import Block, Contents, Estimate, Measurement, Quality, Record, Restart, Variant
from harness.stats import Floats, Interval

Kind = Literal["latency", "on_cpu", "start", "sustained", "energy", "memory", "size", "quality", "delegation"]

# The default task metric, and the only ones known to be shares of right answers.
ACCURACY = "accuracy"
PROPORTIONS = (ACCURACY, "top1_accuracy", "top5_accuracy", "top1_agreement")
CHANGE = "_change"
RESTARTS_FOR_MEMORY = 3
QUANTILES = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99}


class Metric(Record, frozen=True, kw_only=True):
    """One column. digits: decimals, or significant digits where `significant`."""

    name: str
    label: str
    unit: str
    kind: Kind
    lower_is_better: bool = True
    digits: int = 3
    significant: bool = False


def _latency(name: str, label: str, kind: Kind = "latency") -> Metric:
    return Metric(name=name, label=label, unit="ms", kind=kind, significant=True)


def _quality(name: str, label: str, *, digits: int, unit: str = "") -> Metric:
    return Metric(name=name, label=label, unit=unit, kind="quality", lower_is_better=False, digits=digits)


def _difference(name: str, label: str) -> Metric:
    return Metric(name=name, label=label, unit="", kind="quality", digits=2, significant=True)


_ALL = (
    _latency("latency_ms.p50", "latency p50"),
    _latency("latency_ms.p90", "latency p90"),
    _latency("latency_ms.p95", "latency p95"),
    _latency("latency_ms.p99", "latency p99"),
    _latency("latency_ms.mean", "latency mean"),
    _latency("on_cpu_ms.p50", "on-CPU p50", "on_cpu"),
    _latency("on_cpu_ms.p90", "on-CPU p90", "on_cpu"),
    _latency("first_inference_ms", "first inference", "start"),
    _latency("load_ms", "load", "start"),
    _latency("sustained_ms.p50_first", "sustained p50, first 30 s", "sustained"),
    _latency("sustained_ms.p50_last", "sustained p50, last 30 s", "sustained"),
    Metric(name="sustained_slowdown", label="slow-down under sustained load", unit="", kind="sustained"),
    Metric(name="energy_mj", label="energy per inference", unit="mJ", kind="energy", significant=True),
    Metric(name="peak_rss_mb", label="peak memory", unit="MB", kind="memory", digits=1),
    Metric(name="total_peak_rss_mb", label="peak memory of the process", unit="MB", kind="memory", digits=1),
    Metric(name="size_bytes", label="file", unit="B", kind="size", digits=0),
    Metric(name="size_mb", label="file", unit="MB", kind="size", significant=True),
    Metric(name="download_bytes", label="download", unit="B", kind="size", digits=0),
    Metric(name="download_mb", label="download", unit="MB", kind="size", significant=True),
    Metric(name="packed_bytes", label="packed", unit="B", kind="size", digits=0),
    Metric(name="packed_mb", label="packed", unit="MB", kind="size", significant=True),
    _quality("cosine", "cosine to the reference", digits=5),
    _quality("snr_db", "signal to noise", digits=1, unit="dB"),
    _quality("top1_agreement", "top-1 agreement", digits=4),
    _difference("max_abs_diff", "largest difference"),
    _difference("max_rel_diff", "largest relative difference"),
    Metric(
        name="delegated_macs_share", label="delegated multiply-adds", unit="", kind="delegation", lower_is_better=False
    ),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}


def metric(name: str, *, task_metric: str = "", higher_is_better: bool = True) -> Metric:
    """The metric of that name; KeyError when it is neither in METRICS nor the model's own (or its change)."""
    if name in METRICS:
        return METRICS[name]
    if task_metric and name == task_metric:
        label = task_metric.replace("_", " ")
    elif task_metric and name == task_metric + CHANGE:
        label = f"{task_metric.replace('_', ' ')} against the baseline"
    else:
        raise KeyError(name)
    return Metric(name=name, label=label, unit="", kind="quality", lower_is_better=not higher_is_better, digits=4)


# --- samples ------------------------------------------------------------------------------------------


def latency_samples_ms(measurement: Measurement) -> tuple[Floats, ...]:
    """Per restart, wall-clock milliseconds of one call, in the order they were taken."""
    return tuple(_joined([wall_ms(block) for block in restart.blocks]) for restart in measurement.restarts)


def on_cpu_samples_ms(measurement: Measurement) -> tuple[Floats, ...] | None:
    """Per restart, on-CPU milliseconds of one call; None where the wait is not known for every call."""
    if not wait_is_known(measurement):
        return None
    return tuple(_joined([on_cpu_ms(block) for block in restart.blocks]) for restart in measurement.restarts)


def block_medians_ms(measurement: Measurement) -> tuple[tuple[float, ...], ...]:
    """Per restart, the median of each block: on-CPU where it is known, else wall. What drift is looked for in."""
    of = on_cpu_ms if wait_is_known(measurement) else wall_ms
    return tuple(
        tuple(float(np.median(of(block))) for block in restart.blocks if block.wall_ns)
        for restart in measurement.restarts
    )


def wait_is_known(measurement: Measurement) -> bool:
    """Whether on-CPU time can be had: one thread, and a wait beside every sample."""
    blocks = [block for restart in measurement.restarts for block in restart.blocks]
    timed = [block for block in blocks if block.wall_ns]
    told = bool(timed) and all(len(block.wait_ns) == len(block.wall_ns) for block in timed)
    return told and measurement.settings.num_threads == 1


def wait_share(measurement: Measurement) -> float | None:
    """Share of the timed wall time that the thread stood in the run queue; None where it is not known."""
    if not wait_is_known(measurement):
        return None
    blocks = [block for restart in measurement.restarts for block in restart.blocks]
    wall_ns = sum(sum(block.wall_ns) for block in blocks)
    return sum(sum(block.wait_ns) for block in blocks) / wall_ns if wall_ns else 0.0


def wall_ms(block: Block) -> Floats:
    """Milliseconds of one call, per sample."""
    return np.asarray(block.wall_ns, dtype=np.float64) / (block.calls_per_sample * 1e6)


def on_cpu_ms(block: Block) -> Floats:
    """The same less the wait in the run queue, for a block that tells it."""
    wall = np.asarray(block.wall_ns, dtype=np.float64)
    return (wall - np.asarray(block.wait_ns, dtype=np.float64)) / (block.calls_per_sample * 1e6)


def _joined(parts: list[Floats]) -> Floats:
    return np.concatenate(parts) if parts else np.empty(0)


# --- estimates ----------------------------------------------------------------------------------------


def estimates(
    variant: Variant, measurement: Measurement | None, confidence: float, task_metric: str = ""
) -> dict[str, Estimate]:
    """Every metric that these facts allow; a name that is missing could not be had.

    task_metric: the model's own name for its score. Sizes, parity and a score of unknown kind are exact: they describe
    this file, on these evaluation data, and low = high = value.
    """
    found = dict(_of_file(variant.contents)) if variant.contents else {}
    if measurement is None or measurement.failure is not None:
        return found
    if measurement.restarts:
        found |= _of_calls(measurement, confidence)
        found |= _of_restarts(measurement.restarts, confidence)
    if measurement.sustained is not None:
        found |= steady.estimates(measurement.sustained, confidence)
    found |= energy.estimates(measurement, confidence)
    if measurement.quality is not None:
        found |= _of_quality(measurement.quality, confidence, task_metric)
    return found


def _exact(value: float, samples: int = 1) -> Estimate:
    return Estimate(value=value, low=value, high=value, confidence=1.0, samples=samples)


def _of_file(contents: Contents) -> Iterator[tuple[str, Estimate]]:
    yield "size_bytes", _exact(contents.size_bytes)
    yield "size_mb", _exact(contents.size_bytes / 2**20)
    yield "download_bytes", _exact(contents.download_bytes)
    yield "download_mb", _exact(contents.download_bytes / 2**20)
    if contents.packed_bytes is not None:
        yield "packed_bytes", _exact(contents.packed_bytes)
        yield "packed_mb", _exact(contents.packed_bytes / 2**20)
    if contents.delegated_macs_share is not None:
        yield "delegated_macs_share", _exact(contents.delegated_macs_share)


def _of_calls(measurement: Measurement, confidence: float) -> dict[str, Estimate]:
    """Quantiles of all calls of all restarts, with the interval of `stats.clustered_quantile_interval`; the mean with
    Student's t on the logarithm of each restart's mean."""
    wall = latency_samples_ms(measurement)
    pooled = _joined(list(wall))
    if not pooled.size:
        return {}
    found = _quantiles("latency_ms", wall, confidence, QUANTILES)
    mean = float(pooled.mean())
    interval = stats.restart_interval([restart.mean() for restart in wall if restart.size], confidence)
    found["latency_ms.mean"] = _estimate(mean, interval, confidence, pooled.size)
    on_cpu = on_cpu_samples_ms(measurement)
    if on_cpu is not None:
        found |= _quantiles("on_cpu_ms", on_cpu, confidence, {name: QUANTILES[name] for name in ("p50", "p90")})
    return found


def _quantiles(
    prefix: str, restarts: tuple[Floats, ...], confidence: float, wanted: Mapping[str, float]
) -> dict[str, Estimate]:
    timed = [restart for restart in restarts if restart.size]
    pooled = _joined(timed)
    found = {}
    for name, q in wanted.items():
        interval = stats.clustered_quantile_interval(timed, q, confidence)
        found[f"{prefix}.{name}"] = _estimate(stats.quantile(pooled, q), interval, confidence, pooled.size)
    return found


def _of_restarts(restarts: tuple[Restart, ...], confidence: float) -> dict[str, Estimate]:
    """What each process gives once: the median of the restarts with their t interval on logarithms; peak memory, which
    hardly varies, as the largest seen with the range of all (from three restarts on)."""
    found = {}
    for name in ("load_ms", "first_inference_ms"):
        values = [value for restart in restarts if (value := getattr(restart, name)) > 0]
        if not values:  # a program that does not tell
            continue
        interval = stats.restart_interval(values, confidence)
        found[name] = _estimate(float(np.median(values)), interval, confidence, len(values))
    memories = [restart.memory for restart in restarts if restart.memory is not None]
    if memories:
        found["peak_rss_mb"] = _peak([memory.peak_rss_mb for memory in memories])
        found["total_peak_rss_mb"] = _peak([memory.total_peak_rss_mb for memory in memories])
    return found


def _peak(values: list[float]) -> Estimate:
    interval, confidence = stats.range_interval(values)
    if len(values) < RESTARTS_FOR_MEMORY:
        interval = stats.OPEN
    return Estimate(value=max(values), low=interval.low, high=interval.high, confidence=confidence, samples=len(values))


def _of_quality(quality: Quality, confidence: float, task_metric: str) -> dict[str, Estimate]:
    found = {
        name: _exact(getattr(quality, name), quality.samples)
        for name in ("cosine", "snr_db", "max_abs_diff", "max_rel_diff")
    }
    if quality.top1_agreement is not None:
        found["top1_agreement"] = _share("top1_agreement", quality.top1_agreement, quality.samples, confidence)
    if quality.score is not None and task_metric:
        found[task_metric] = _share(task_metric, quality.score, quality.samples, confidence)
    return found


def _share(name: str, value: float, samples: int, confidence: float) -> Estimate:
    """A share of right answers says something about other data too: Wilson's interval from the number of samples."""
    if name not in PROPORTIONS:
        return _exact(value, samples)
    return _estimate(value, stats.wilson_interval(value * samples, samples, confidence), confidence, samples)


def change(
    quality: Quality | None, baseline: Quality | None, confidence: float, task_metric: str
) -> dict[str, Estimate]:
    """`<task metric>_change`: the score less the baseline build's, or nothing where one is missing.

    Where both say which samples they got right, the interval is that of paired proportions, far narrower than two
    intervals side by side. Shares without that: the difference of two independent ones. Other scores: exact on these
    data.
    """
    if quality is None or baseline is None or quality.score is None or baseline.score is None or not task_metric:
        return {}
    value = quality.score - baseline.score
    if task_metric not in PROPORTIONS:
        return {task_metric + CHANGE: _exact(value, quality.samples)}
    if task_metric == ACCURACY and quality.correct and len(quality.correct) == len(baseline.correct):
        pairs = list(zip(quality.correct, baseline.correct, strict=True))
        gained, lost = pairs.count(("1", "0")), pairs.count(("0", "1"))
        interval = stats.paired_proportion_interval(gained, lost, len(pairs), confidence)
    else:
        first = stats.wilson_interval(quality.score * quality.samples, quality.samples, confidence)
        second = stats.wilson_interval(baseline.score * baseline.samples, baseline.samples, confidence)
        interval = stats.difference_interval(quality.score, first, baseline.score, second)
    return {task_metric + CHANGE: _estimate(value, interval, confidence, quality.samples)}


def _estimate(value: float, interval: Interval, confidence: float, samples: int) -> Estimate:
    """The interval is widened to hold the value, which may come from another formula than its centre."""
    low = None if interval.low is None else min(interval.low, value)
    high = None if interval.high is None else max(interval.high, value)
    return Estimate(value=value, low=low, high=high, confidence=confidence, samples=samples)
