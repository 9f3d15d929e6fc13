"""One run, in a straight line: experiment -> builds -> measurements -> judgement -> views.

The run folder is rewritten after every step, so that a crash or Ctrl-C loses nothing; `resume` goes on from there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

import msgspec

import converters
import device_runners
from converters import recipes
from device_runners import Runner
from device_runners.choice import Wanted
from harness import environment, gates, measuring, process, registry, store
from harness.errors import ExperimentError
from harness.events import Event, Observer
from harness.experiment import READY_SUFFIXES
from harness.judgement import judge
from harness.records import Experiment, Recipe, Record, Report, Runtime, Variant


class Plan(Record, frozen=True, kw_only=True):
    """Where a run happens. fresh: make every build anew, whatever the cache holds."""

    folder: Path
    cache: Path
    fresh: bool = False


AS_IS = Recipe(name="as-is", steps=())


def runner_for(experiment: Experiment, tell: Callable[[str], None], pulse: Callable[[], None] | None = None) -> Runner:
    """The runner for an experiment's device; raises RunnerError or ExperimentError where there is no such device.

    tell: hears what takes long; pulse: called now and then while a phone works, may raise to end it.
    """
    wanted = Wanted(
        device=experiment.device,
        phone=experiment.phone,
        root=Path(experiment.folder).resolve(),
        tell=tell,
        pulse=pulse or (lambda: None),
    )
    kind = device_runners.kind_of(experiment.device)
    made: Runner = registry.load("device", device_runners.RUNNERS, kind)(wanted)
    return made


class Rooms(Record, frozen=True, kw_only=True):
    """The other rooms as this one sees them; tests hand in fakes."""

    prepare: Callable[..., converters.Prepared] = converters.prepare
    convert: Callable[..., Variant] = converters.convert
    score: Callable[..., float | None] = converters.score
    runner: Callable[..., Runner] = runner_for


REAL = Rooms()


def run(
    experiment: Experiment, plan: Plan, observe: Observer, resumed: Report | None = None, rooms: Rooms = REAL
) -> Report:
    """Make, measure and judge every build of an experiment; the Report is in the run folder as well.

    Raises SourceError, ExperimentError or StoreError before anything was won, never after.
    """
    report = resumed or _begin(experiment, plan)
    store.save(plan.folder, report)
    runner = rooms.runner(experiment, partial(_told, observe))  # before the builds: a missing device is known at once
    try:
        work = _Work(experiment=experiment, plan=plan, observe=observe, rooms=rooms)
        prepared, report = _make(work, report)
        store.save(plan.folder, report)
        scene = measuring.Scene(
            experiment=experiment,
            prepared=Path(prepared.folder),
            model=prepared.model,
            folder=plan.folder,
            score=partial(rooms.score, prepared, workshop=work.workshop),
            observe=observe,
        )
        for measured in measuring.measure_all(scene, report, runner):
            report = measured
            store.save(plan.folder, report)
    finally:
        runner.close()
    report = msgspec.structs.replace(judge(report), complete=True)
    store.save(plan.folder, report)
    return report


def _told(observe: Observer, line: str) -> None:
    observe(Event(stage="device", done=0, total=1, now=line))


class _Work(Record, frozen=True, kw_only=True):
    experiment: Experiment
    plan: Plan
    observe: Observer
    rooms: Rooms

    @property
    def workshop(self) -> converters.Workshop:
        return converters.Workshop(
            cache=str(self.plan.cache),
            logs=str(self.plan.folder / "logs"),
            limits=self.experiment.limits,
            fresh=self.plan.fresh,
            training=self.experiment.training,
            seed=self.experiment.seed,
            tell=partial(_tell, self.observe),
        )


def _tell(observe: Observer, progress: converters.Progress) -> None:
    observe(Event(stage="train", done=progress.done, total=progress.total, now=progress.now))


def _make(work: _Work, report: Report) -> tuple[converters.Prepared, Report]:
    """The prepared model, and the report with it and its builds."""
    started, experiment = time.monotonic(), work.experiment
    work.observe(Event(stage="prepare", done=0, total=1, now=experiment.model.source))
    prepared = work.rooms.prepare(experiment.model, root=Path(experiment.folder), workshop=work.workshop)
    model = msgspec.structs.replace(prepared.model, notes=(*prepared.model.notes, *prepared.warnings))
    gates.check(experiment, model)
    work.observe(Event(stage="prepare", done=1, total=1, now=model.name))
    made = _convert(experiment, work.observe, partial(work.rooms.convert, prepared, workshop=work.workshop))
    variants = tuple(store.keep_build(work.plan.folder, variant) for variant in made)
    seconds = time.monotonic() - started
    return prepared, msgspec.structs.replace(report, model=model, variants=variants, convert_secs=seconds)


def resume(folder: Path, experiment: Experiment) -> Report:
    """The unfinished report of a run folder; raises ExperimentError when the experiment is another one by now."""
    report = store.load(folder)
    free = {"gates": experiment.gates, "side_by_side": experiment.side_by_side}
    if msgspec.structs.replace(report.experiment, **free) != experiment:
        raise ExperimentError(
            f"{folder} was made from another experiment than this bench.yaml",
            remedy="start a new run, or undo the change (gates and side_by_side may change)",
        )
    return msgspec.structs.replace(report, experiment=experiment, complete=False)


def builds_of(experiment: Experiment) -> list[tuple[Runtime, Recipe]]:
    """Every build that an experiment asks for; a ready-made file is its own only build."""
    if runtime := READY_SUFFIXES.get(Path(experiment.model.source).suffix.lower()):
        return [(runtime, AS_IS)]
    return [(runtime, recipes.parse(name)) for name in experiment.recipes for runtime in experiment.runtimes]


def _begin(experiment: Experiment, plan: Plan) -> Report:
    return Report(
        id=plan.folder.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        tool_version=version("pocketbench"),
        experiment=experiment,
        environment=environment.describe(),
    )


def _convert(
    experiment: Experiment, observe: Observer, convert: Callable[[Runtime, Recipe], Variant]
) -> tuple[Variant, ...]:
    """All builds, several at once where cores allow; a failing one is a Variant with its reason."""
    wanted = builds_of(experiment)
    found: dict[tuple[Runtime, str], Variant] = {}
    observe(Event(stage="convert", done=0, total=len(wanted), now=", ".join(experiment.recipes)))
    jobs = experiment.limits.jobs or os.cpu_count() or 1
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        futures = {pool.submit(convert, runtime, recipe): (runtime, recipe.name) for runtime, recipe in wanted}
        try:
            for future in as_completed(futures):
                variant = found[futures[future]] = future.result()
                state = "failed" if variant.failure else "cached" if variant.cached else f"{variant.seconds:.0f} s"
                now = f"{variant.id} {state}"
                observe(Event(stage="convert", done=len(found), total=len(wanted), now=now))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            process.stop_all()
            raise
    return tuple(found[runtime, recipe.name] for runtime, recipe in wanted)
