"""What gates are about: which builds, which baseline, and whether they can mean anything for this model.

`baseline` in a gate is the build of `experiment.baseline` in the same runtime, or the one build named there as
`tflite/fp32`. A gate that speaks of the baseline is not about the baseline itself.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from harness.errors import ExperimentError
from harness.gate_text import Gate, parse
from harness.metrics import ACCURACY, CHANGE, METRICS, Metric, metric
from harness.parents import parent_recipe
from harness.records import Experiment, GateRule, Model
from harness.registry import nearest


class Rule(NamedTuple):
    """A gate and the build patterns it is about; none: all builds."""

    gate: Gate
    builds: tuple[str, ...]


def rules(experiment: Experiment) -> tuple[Rule, ...]:
    """The experiment's gates, read."""
    return tuple(
        Rule(parse(one.gate), one.builds) if isinstance(one, GateRule) else Rule(parse(one), ())
        for one in experiment.gates
    )


def applies(rule: Rule, build: str, experiment: Experiment) -> bool:
    """Whether a gate is about a build: named by its patterns, and not the baseline it would be held against."""
    if rule.gate.relative and build == baseline_of(experiment, build):
        return False
    return not rule.builds or matches(build, rule.builds)


def falls_short_of_itself(experiment: Experiment, build: str) -> bool:
    """Whether a gate asks to be better than the baseline and `build` is that baseline: it gets no verdict for this, and
    cannot be what the gates look for either. (`size_bytes <= 0.5 x baseline`; not `accuracy >= baseline - 0.01`.)"""
    if build != baseline_of(experiment, build):
        return False
    return any(
        rule.gate.relative and not rule.gate.holds(1.0, rule.gate.limit(1.0))
        for rule in rules(experiment)
        if not rule.builds or matches(build, rule.builds)
    )


def matches(build: str, patterns: tuple[str, ...]) -> bool:
    """`*` and `?` as in file names; everything else, brackets too, is itself."""
    return any(fnmatchcase(build, pattern.replace("[", "[[]")) for pattern in patterns)


def baseline_of(experiment: Experiment, build: str) -> str:
    """Id of the build that `build` is held against."""
    runtime = experiment.baseline.partition("/")[0]
    if runtime in ("tflite", "executorch"):
        return experiment.baseline
    return f"{build.partition('/')[0]}/{experiment.baseline}"


def build_ids(experiment: Experiment, model: Model) -> tuple[str, ...]:
    """Ids of all builds of an experiment; a finished file is its own only build."""
    ready = {"tflite": "tflite", "pte": "executorch"}.get(model.format)
    if ready:
        return (f"{ready}/{Path(model.source).stem}",)
    return tuple(f"{runtime}/{recipe}" for recipe in experiment.recipes for runtime in experiment.runtimes)


def check(experiment: Experiment, model: Model) -> None:
    """Whether gates, rank_by and release can mean anything for this model; raises ExperimentError before any work."""
    builds = build_ids(experiment, model)
    for rule in rules(experiment):
        what = f"gate {rule.gate.text!r}"
        check_metric_of(model, rule.gate.metric, what)
        if rule.builds and not any(matches(build, rule.builds) for build in builds):
            raise ExperimentError(
                f"{what}: builds {', '.join(rule.builds)} match none of this experiment",
                remedy=f"its builds are {', '.join(builds)}",
            )
        about = [build for build in builds if not rule.builds or matches(build, rule.builds)]
        missing = {baseline_of(experiment, build) for build in about} - set(builds)
        if rule.gate.relative and missing:
            raise ExperimentError(
                f"{what}: there is no baseline build {', '.join(sorted(missing))}",
                remedy="add the baseline's recipe to recipes, set baseline, or gate on a number",
            )
    check_metric_of(model, experiment.rank_by, "rank_by")
    _check_side_by_side(experiment, builds)
    for pattern in experiment.release if isinstance(experiment.release, tuple) else ():
        if not any(matches(build, (pattern,)) for build in builds):
            raise ExperimentError(
                f"release: {pattern!r} is no build of this experiment{nearest(pattern, builds)}",
                remedy=f"its builds are {', '.join(builds)}",
            )


def _check_side_by_side(experiment: Experiment, builds: tuple[str, ...]) -> None:
    """Each pattern names a build whose parent is made as well."""
    for pattern in experiment.side_by_side:
        named = [build for build in builds if matches(build, (pattern,))]
        parents = [f"{build.partition('/')[0]}/{parent_recipe(build.partition('/')[2])}" for build in named]
        if not set(parents) & set(builds):
            missing = sorted({parent for parent in parents if not parent.endswith("/")})
            raise ExperimentError(
                f"side_by_side: {pattern!r} names no build that could be held against what it was made from",
                remedy=f"add {', '.join(missing)}" if missing else f"its builds are {', '.join(builds)}",
            )


def metric_of(model: Model, name: str) -> Metric:
    """How a gate's metric is read for this model; raises ExperimentError for one that it cannot have."""
    check_metric_of(model, name, f"gate on {name}")
    return metric(name, task_metric=model.metric, higher_is_better=model.metric_higher_is_better)


def check_metric_of(model: Model, name: str, what: str) -> None:
    """Whether this model can have this metric; raises ExperimentError."""
    own = (model.metric, model.metric + CHANGE) if model.metric else ()
    known = METRICS.get(name)
    if known is None and name not in own:
        if name in (ACCURACY, ACCURACY + CHANGE):
            raise ExperimentError(
                f"{what}: {model.name} has no labelled evaluation data, so there is no accuracy",
                remedy="let get_evaluation_data() give inputs and labels, or use top1_agreement or cosine",
            )
        raise ExperimentError(
            f"{what}: {model.name} has no metric {name!r}{nearest(name, (*METRICS, *own))}",
            remedy=f"known: {', '.join((*METRICS, *own))}",
        )
    if known is not None and known.kind == "quality" and model.format in ("tflite", "pte"):
        raise ExperimentError(
            f"{what}: {model.name} is a finished file, so there is nothing to hold its outputs against",
            remedy="hand in the model's source, or leave this out",
        )
