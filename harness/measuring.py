"""The measuring part of a run: rounds of restarts, more of them where it is still open, side-by-side comparisons."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec

from device_runners import Runner
from harness import draining, measure, regression, sustained
from harness.caveats import CLOCK
from harness.events import Event, Observer
from harness.judgement import judge
from harness.metrics import METRICS
from harness.records import Experiment, Measurement, Model, Record, Report, Variant, Verdict


class Scene(Record, frozen=True, kw_only=True):
    """What is measured and where. prepared: folder with the model's data; score: the user's own task metric."""

    experiment: Experiment
    model: Model
    prepared: Path
    folder: Path
    score: Callable[[Path], float | None]
    observe: Observer


def measure_all(scene: Scene, report: Report, runner: Runner) -> Iterator[Report]:
    """The report after every step."""
    started, before = time.monotonic(), report.measure_secs
    report = msgspec.structs.replace(report, devices=(runner.device(),))
    try:
        inputs = measure.write_inputs(scene.prepared, scene.folder / "work" / "inputs")
        job = measure.Job(
            experiment=scene.experiment,
            model=scene.model,
            prepared=scene.prepared,
            score=scene.score,
            undecided=partial(_undecided, report),
            inputs=inputs,
            folder=scene.folder,
        )
        for found, done, total, now in measure.all_builds(job, report.variants, report.measurements, runner):
            scene.observe(Event(stage="measure", done=done, total=total, now=now))
            spent = before + time.monotonic() - started
            measured = _in_order(report.variants, found)
            report = msgspec.structs.replace(report, measurements=measured, measure_secs=spent)
            yield report
        setting = regression.Setting(
            experiment=scene.experiment,
            folder=scene.folder,
            runner=runner,
            inputs=inputs,
            watch=partial(_watch, scene.observe),
        )
        for compared in regression.hold(setting, report.variants, report.measurements, report.comparisons):
            spent = before + time.monotonic() - started
            report = msgspec.structs.replace(report, comparisons=compared, measure_secs=spent)
            yield report
        for stage, found, done, total, now in _lasting(job, report, runner):
            scene.observe(Event(stage=stage, done=done, total=total, now=now))
            spent = before + time.monotonic() - started
            measured = _in_order(report.variants, found)
            report = msgspec.structs.replace(report, measurements=measured, measure_secs=spent)
            yield report
    finally:
        shutil.rmtree(scene.folder / "work", ignore_errors=True)


def _lasting(job: measure.Job, report: Report, runner: Runner) -> Iterator[tuple[str, measure.Found, int, int, str]]:
    """What takes minutes for each build, and heats a device: the sustained runs, then the energy."""
    found = report.measurements
    for stage, all_builds in (("sustain", sustained.all_builds), ("energy", draining.all_builds)):
        for measured, done, total, now in all_builds(job, report.variants, found, runner):
            yield stage, measured, done, total, now
            found = _in_order(report.variants, measured)


def _watch(observe: Observer, done: int, total: int, now: str) -> None:
    observe(Event(stage="compare", done=done, total=total, now=now))


def _in_order(variants: Sequence[Variant], found: Mapping[str, Measurement]) -> tuple[Measurement, ...]:
    return tuple(found[variant.id] for variant in variants if variant.id in found)


def _undecided(report: Report, found: Mapping[str, Measurement]) -> set[str]:
    """Builds that more restarts may tell apart: tied ones, and those with a limit inside the interval of a time."""
    judged = judge(msgspec.structs.replace(report, measurements=_in_order(report.variants, found)))
    by_clock = report.experiment.rank_by in METRICS and METRICS[report.experiment.rank_by].kind in CLOCK
    tied = {standing.variant for standing in judged.standings if standing.tied and by_clock}
    return tied | {verdict.variant for verdict in judged.verdicts if _is_open(verdict)}


def _is_open(verdict: Verdict) -> bool:
    seen, limit, metric = verdict.observed, verdict.limit, METRICS.get(verdict.gate.split()[0])
    if verdict.outcome != "not judged" or seen is None or limit is None or metric is None or metric.kind not in CLOCK:
        return False
    return seen.low is None or seen.high is None or seen.low < limit < seen.high
