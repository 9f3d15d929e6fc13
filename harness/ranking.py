"""Which build is best: the ranking with its ties, the Pareto front, and the one build to ship.

Ranks follow `experiment.rank_by` alone. Two builds share a rank when their intervals overlap that of the best of the
group (`stats.overlap_ranks`): they cannot be told apart. The front weighs latency, memory, size and quality, among
builds that are what they say.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from harness import benefit, caveats, metrics, parents, stats
from harness.errors import ExperimentError
from harness.facts import Facts
from harness.gate_scope import baseline_of, metric_of
from harness.metrics import Metric
from harness.recommend import recommend
from harness.records import Comparison, Estimate, Experiment, Measurement, Model, Standing, Variant
from harness.stats import Interval

__all__ = ["front_axes", "rank", "recommend"]


def rank(
    experiment: Experiment,
    model: Model,
    variants: Sequence[Variant],
    measurements: Sequence[Measurement],
    comparisons: Sequence[Comparison] = (),
) -> tuple[Standing, ...]:
    """Every build's place, best first; then builds without a number for rank_by, then failed ones, both without a rank.

    comparisons: what builds gained over their parents leans on these where it can. Raises ExperimentError where rank_by
    is no metric of this model, or a build was measured on two devices.
    """
    by_id = _by_variant(measurements)
    evidence = benefit.Evidence(
        model=model,
        confidence=experiment.confidence,
        variants=tuple(variants),
        metrics={
            variant.id: metrics.estimates(variant, by_id.get(variant.id), experiment.confidence, model.metric)
            for variant in variants
        },
        measurements=by_id,
        comparisons=tuple(comparisons),
    )
    standings = [_standing(experiment, variant, evidence) for variant in variants]
    ordered, ranks = _ranked(metric_of(model, experiment.rank_by), standings)
    sound = [s for s in standings if s.failure is None and not caveats.disqualified_by(s.caveats, experiment.accept)]
    front = _front(sound, front_axes(experiment, model, standings))
    placed = [
        msgspec.structs.replace(standing, rank=place, tied=ranks.count(place) > 1, on_front=standing.variant in front)
        for standing, place in zip(ordered, ranks, strict=True)
    ]
    rest = [standing for standing in standings if standing not in ordered]
    return (*placed, *sorted(rest, key=lambda standing: standing.failure is not None))


def front_axes(experiment: Experiment, model: Model, standings: Sequence[Standing]) -> tuple[Metric, ...]:
    """What the Pareto front weighs: latency (rank_by where that is one, else the on-CPU median where all measured
    builds have it, else the wall median), peak memory, file size, quality (the task metric, else cosine); each only
    where some build has it."""
    alive = [standing for standing in standings if standing.failure is None]
    ranked_by = metric_of(model, experiment.rank_by)
    everywhere = alive and all("on_cpu_ms.p50" in standing.metrics for standing in alive)
    latency = "on_cpu_ms.p50" if everywhere else "latency_ms.p50"
    if ranked_by.kind in ("latency", "on_cpu"):
        latency = ranked_by.name
    quality = next((name for name in (model.metric, "cosine") if any(name in s.metrics for s in alive)), "")
    names = [latency, "peak_rss_mb", "size_bytes", quality]
    return tuple(metric_of(model, name) for name in names if any(name in standing.metrics for standing in alive))


def _by_variant(measurements: Sequence[Measurement]) -> dict[str, Measurement]:
    by_id = {measurement.variant: measurement for measurement in measurements}
    if len(by_id) < len(measurements):
        raise ExperimentError(
            "a build was measured more than once: builds are ranked per device",
            remedy="hand over the measurements of one device",
        )
    return by_id


def _standing(experiment: Experiment, variant: Variant, evidence: benefit.Evidence) -> Standing:
    """Metrics and caveats of one build; no place yet."""
    model, variants, measurements = evidence.model, evidence.variants, evidence.measurements
    measurement, found = measurements.get(variant.id), evidence.metrics[variant.id]
    base_id = baseline_of(experiment, variant.id)
    base = next((other for other in variants if other.id == base_id and other.id != variant.id), None)
    if base is not None:
        pair = [one.quality if one else None for one in (measurement, measurements.get(base.id))]
        found = found | metrics.change(pair[0], pair[1], experiment.confidence, model.metric)
    parent = parents.parent_of(variant, variants)
    facts = Facts(
        experiment=experiment,
        model=model,
        variant=variant,
        measurement=measurement,
        metrics=found,
        baseline=base.id if base else "",
        baseline_metrics=evidence.metrics[base.id] if base else {},
        benefit=benefit.of(variant, evidence),
        parent_sha256=parent.sha256 if parent else "",
        uncompressed=parents.uncompressed(variant, variants),
    )
    failure = variant.failure or (measurement.failure if measurement else None)
    return Standing(variant=variant.id, metrics=found, caveats=caveats.judge(facts), failure=failure)


def _ranked(by: Metric, standings: Sequence[Standing]) -> tuple[list[Standing], list[int]]:
    """The builds that can be ranked, best first, and their ranks."""
    able = [standing for standing in standings if standing.failure is None and by.name in standing.metrics]
    ordered = sorted(able, key=lambda standing: _badness(by, standing.metrics[by.name].value))
    return ordered, stats.overlap_ranks([_interval(standing.metrics[by.name]) for standing in ordered])


def _front(standings: Sequence[Standing], axes: Sequence[Metric]) -> set[str]:
    """Builds that no other dominates. Only builds with every figure can be on it: a missing one may be bad."""
    whole = [standing for standing in standings if all(axis.name in standing.metrics for axis in axes)]
    return {
        standing.variant for standing in whole if axes and not any(_dominates(one, standing, axes) for one in whole)
    }


def _dominates(one: Standing, other: Standing, axes: Sequence[Metric]) -> bool:
    """At least as good on every axis, by value, and better beyond the intervals on one.

    Values make it an order (no circles, so the front is never empty); intervals keep noise from pushing a build off.
    """
    pairs = [(axis, one.metrics[axis.name], other.metrics[axis.name]) for axis in axes]
    as_good = all(_badness(axis, mine.value) <= _badness(axis, its.value) for axis, mine, its in pairs)
    return as_good and any(
        mine.value != its.value and not _interval(mine).overlaps(_interval(its)) for _, mine, its in pairs
    )


def _badness(by: Metric, value: float) -> float:
    return value if by.lower_is_better else -value


def _interval(estimate: Estimate) -> Interval:
    return Interval(estimate.low, estimate.high)
