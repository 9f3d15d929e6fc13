"""Did it help? A build against its parent: the same runtime and quantization without the compression steps.

The parent of `tflite/prune(0.5)+static_wi8_ai8` is `tflite/static_wi8_ai8`; that of a plain quantization is `fp32`.
What counts is what a user of the device has of it: less time, less memory, a smaller file. What only a download has of
it (the same file zipped or packed) is told and is not enough.

A gain in time says more than noise just where the ranking tells the two builds apart; where both were timed side by
side, that interval is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from harness import gains, metrics
from harness.benefit_words import verdict
from harness.gains import BYTES, DOWNLOAD, MEMORY, PACKED, SIZE, TIME
from harness.parents import parent_of, parent_recipe, steps_of
from harness.records import Benefit, Comparison, Estimate, Measurement, Model, Record, Variant

CLOCKS: tuple[tuple[str, Literal["on-CPU", "wall"]], ...] = (("on_cpu_ms.p50", "on-CPU"), ("latency_ms.p50", "wall"))


class Evidence(Record, frozen=True, kw_only=True):
    """What an experiment gave: its builds, their metrics by id, what was measured by id, and side by side."""

    model: Model
    confidence: float
    variants: tuple[Variant, ...]
    metrics: dict[str, dict[str, Estimate]]
    measurements: dict[str, Measurement] = {}
    comparisons: tuple[Comparison, ...] = ()


class Pair(Record, frozen=True, kw_only=True):
    """A build and its parent, with the metrics of both. higher_is_better: of the quality; comparison: of the two, side
    by side, where there is one."""

    build: Variant
    parent: Variant
    found: dict[str, Estimate]
    parent_found: dict[str, Estimate]
    quality: str = ""
    higher_is_better: bool = True
    change: Estimate | None = None
    comparison: Comparison | None = None


def all_of(evidence: Evidence) -> tuple[Benefit, ...]:
    """For every build that was made and has, or should have, a parent."""
    found = (of(variant, evidence) for variant in evidence.variants if variant.failure is None)
    return tuple(benefit for benefit in found if benefit is not None)


def of(variant: Variant, evidence: Evidence) -> Benefit | None:
    """One build's benefit; without figures where its parent is not in the experiment, None where it has none."""
    wanted = parent_recipe(variant.recipe)
    if not wanted:
        return None
    parent = parent_of(variant, evidence.variants)
    if parent is None:
        words = f"not told: {variant.runtime}/{wanted}, which it is to be held against, was not made"
        return Benefit(variant=variant.id, missing=wanted, verdict=words)
    change, quality = _change(variant.id, parent.id, evidence)
    return weigh(
        Pair(
            build=variant,
            parent=parent,
            found=evidence.metrics.get(variant.id, {}),
            parent_found=evidence.metrics.get(parent.id, {}),
            quality=quality,
            higher_is_better=evidence.model.metric_higher_is_better or quality != evidence.model.metric,
            change=change,
            comparison=next((c for c in evidence.comparisons if (c.a, c.b) == (parent.id, variant.id)), None),
        )
    )


def weigh(pair: Pair) -> Benefit:
    """What the build gained, by how much, and the verdict in words."""
    time, clock = _time(pair)
    found = _of_figures(pair) | _of_files(pair) | ({} if time is None else {TIME: time})
    benefit = Benefit(
        variant=pair.build.id,
        parent=pair.parent.id,
        gains=found,
        clock=clock,
        quality=pair.quality,
        change=pair.change,
    )
    steps = [step.name for step in steps_of(pair.build.recipe)]
    benefit = msgspec.structs.replace(benefit, outcome=_outcome(benefit, steps, pair.higher_is_better))
    return msgspec.structs.replace(benefit, verdict=verdict(benefit, steps, higher_is_better=pair.higher_is_better))


def _outcome(
    benefit: Benefit, steps: Sequence[str], higher_is_better: bool
) -> Literal["helped", "at a price", "sending only", "no benefit", "not told"]:
    found = benefit.gains
    time, size, memory = found.get(TIME), found.get(SIZE), found.get(MEMORY)
    quality = gains.improved(benefit.change, higher_is_better)
    only_train = bool(steps) and all(step in gains.ONLY_TRAIN for step in steps)
    helped = gains.smaller(size) or gains.shown(time) == "better" or gains.lighter(memory)
    if helped or (only_train and quality == "better"):
        paid = gains.larger(size) or gains.shown(time) == "worse" or gains.heavier(memory)
        return "at a price" if paid or (quality == "worse" and benefit.quality != "cosine") else "helped"
    if time is None or time.low is None or time.high is None:
        return "not told"
    return "sending only" if any(gains.smaller(found.get(name)) for name in (DOWNLOAD, PACKED)) else "no benefit"


def _change(build: str, parent: str, evidence: Evidence) -> tuple[Estimate | None, str]:
    """The build's quality less its parent's, and of what: the task metric, else the cosine to the source model."""
    found = (evidence.measurements.get(name) for name in (build, parent))
    one, other = (measurement.quality if measurement else None for measurement in found)
    if one is None or other is None:
        return None, ""
    if task := evidence.model.metric:
        change = metrics.change(one, other, evidence.confidence, task).get(task + metrics.CHANGE)
        return (change, task) if change is not None else (None, "")
    value = one.cosine - other.cosine
    return Estimate(value=value, low=value, high=value, confidence=1.0, samples=one.samples), "cosine"


def _of_figures(pair: Pair) -> dict[str, Estimate]:
    both = [name for name in (*BYTES, MEMORY) if name in pair.found and name in pair.parent_found]
    return {name: gains.gain(pair.parent_found[name], pair.found[name]) for name in both if pair.found[name].value > 0}


def _of_files(pair: Pair) -> dict[str, Estimate]:
    """Multiply-adds and weights that are not there any more."""
    build, parent = pair.build.contents, pair.parent.contents
    if build is None or parent is None:
        return {}
    counts = {"macs": (parent.macs, build.macs)}
    counts["parameters"] = (sum(parent.weight_elements.values()), sum(build.weight_elements.values()))
    return {name: gains.exact(before, after) for name, (before, after) in counts.items() if before and after}


def _time(pair: Pair) -> tuple[Estimate | None, Literal["", "side by side", "on-CPU", "wall"]]:
    comparison = pair.comparison
    if comparison is not None and comparison.log_ratios:
        found = gains.of_effect(comparison.effect)
        if comparison.outcome != "inconclusive" or not gains.shown(found):  # else the builds hardly got the processor
            return found, "side by side"
    for name, clock in CLOCKS:
        if name in pair.found and name in pair.parent_found:
            return gains.gain(pair.parent_found[name], pair.found[name]), clock
    return None, ""
