"""Variants + a runner -> Measurements, each kept as soon as it is won.

Rounds of timed restarts (see schedule.py), and then further rounds of only those builds that are still tied or whose
gates are still open. A build's first restart also runs the evaluation samples, after it was timed: no process is
started for that alone, and a build whose outputs cannot be had is out before the second round.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from device_runners import Runner
from device_runners.wire import BuildFile, BuildResult, Request, Response, TensorFile, Timing
from harness import quality, schedule, store
from harness.errors import PocketbenchError, RunnerError, RunnerLost, StoreError
from harness.process import Bounds
from harness.records import Experiment, Failure, Measurement, Model, Quality, Record, Restart, Settings, Variant

Found = dict[str, Measurement]
_NOT_TOLD = "not told"  # of outputs, by a runner that has only times


class Job(Record, frozen=True, kw_only=True):
    """What to measure and where its files go."""

    experiment: Experiment
    model: Model
    prepared: Path  # folder with evaluation/ and reference/
    score: Callable[[Path], float | None]  # the user's own task metric, of a folder with output_<j>.npy
    undecided: Callable[[Found], Collection[str]]  # builds that more restarts may tell apart
    inputs: tuple[TensorFile, ...]
    folder: Path


def all_builds(
    job: Job, variants: Sequence[Variant], before: Sequence[Measurement], runner: Runner
) -> Iterator[tuple[Found, int, int, str]]:
    """Yields (measurements by variant id, steps done, steps in all, what comes next) before each step and at the end.

    before: measurements of an interrupted run; what they hold is not measured again, what failed is tried again.
    """
    ready = {variant.id: variant for variant in variants if variant.failure is None}
    found: Found = {m.variant: msgspec.structs.replace(m, failure=None) for m in before if m.variant in ready}
    settings, seed = job.experiment.settings, job.experiment.seed
    done_before = {name: len(m.restarts) for name, m in found.items()}
    steps = schedule.remaining(schedule.rounds(list(ready), settings.restarts, seed=seed), done_before)
    steps += [name for name, m in found.items() if name not in steps and _wants_outputs(job, m)]
    done, deadline = 0, 0.0
    while steps:
        total = done + len(steps)
        for name in steps:
            yield found, done, total, name
            measured = found.get(name) or Measurement(variant=name, device=runner.device(), settings=settings)
            if measured.failure is None:
                found[name] = _step(job, ready[name], measured, runner)
            done += 1
        deadline = deadline or time.monotonic() + settings.extra_secs
        steps = _extra(job, found) if time.monotonic() < deadline else []
    yield found, done, done, ""


def _extra(job: Job, found: Found) -> list[str]:
    """One more round for the builds that it may tell apart, or whose gates it may decide."""
    wanted = job.undecided(found)
    most = job.experiment.settings.max_restarts
    open_ = [name for name, m in found.items() if name in wanted and not m.failure and len(m.restarts) < most]
    seed = job.experiment.seed + sum(len(m.restarts) for m in found.values())
    return schedule.rounds(open_, 1, seed=seed)[0]


def _wants_outputs(job: Job, measured: Measurement) -> bool:
    """Not of a ready-made file, which has no reference, nor of a runner that has said that it does not tell them."""
    told = all(restart.facts.get("outputs") != _NOT_TOLD for restart in measured.restarts)
    return measured.quality is None and told and bool(_references(job))


def _step(job: Job, variant: Variant, measured: Measurement, runner: Runner) -> Measurement:
    """One fresh process; whatever goes wrong in it becomes the build's failure, and what it won before stays."""
    folder = job.folder / "logs" / "measure" / store.slug(variant.id) / f"restart-{len(measured.restarts)}"
    stage: Literal["measure", "quality"] = "measure"
    try:
        with store.guarded(folder):
            folder.mkdir(parents=True, exist_ok=True)
        settings, judged = measured.settings, _wants_outputs(job, measured)
        request = _request(job, variant, folder, outputs=judged)
        bounds = Bounds(timeout_secs=settings.timeout_secs, memory_limit_mb=settings.memory_limit_mb)
        response = runner.run(request, folder=folder, bounds=bounds)
        if failed := response.results[0].failure:
            stage = "quality" if "output" in failed else stage
            raise RunnerError(failed)
        measured = msgspec.structs.replace(measured, restarts=(*measured.restarts, _restart(response)))
        if judged:
            stage = "quality"
            measured = msgspec.structs.replace(measured, quality=_quality(job, variant, response.results[0]))
        return measured
    except (StoreError, RunnerLost):
        raise
    except PocketbenchError as error:
        failure = Failure(
            stage=stage, reason=error.message, remedy=error.remedy, log=str(folder.relative_to(job.folder))
        )
        return msgspec.structs.replace(measured, failure=failure)


def _request(job: Job, variant: Variant, folder: Path, *, outputs: bool) -> Request:
    build = BuildFile(
        id=variant.id, runtime=variant.runtime, path=str(job.folder / variant.path), sha256=variant.sha256
    )
    place = job.folder / "work" / store.slug(variant.id)
    if outputs:
        with store.guarded(place):
            place.mkdir(parents=True, exist_ok=True)
    return Request(
        run_id=f"{job.folder.name}/{folder.parent.name}/{folder.name}",
        builds=(build,),
        timing=timing_of(job.experiment.settings),
        inputs=job.inputs,
        outputs=str(place) if outputs else "",
    )


def timing_of(settings: Settings) -> Timing:
    """What of the settings travels to the device."""
    return Timing(**{name: getattr(settings, name) for name in Timing.__struct_fields__})


def _restart(response: Response) -> Restart:
    result = response.results[0]
    assert result.warmup is not None
    return Restart(
        started=response.started,
        load_ms=result.load_ns / 1e6,
        first_inference_ms=result.first_inference_ns / 1e6,
        warmup=result.warmup,
        blocks=result.blocks,
        memory=result.memory,
        facts=response.facts | result.facts,
        delegate=result.delegate,
        delegated_operators=result.delegated_operators,
        total_operators=result.total_operators,
        steady=result.steady,
        energy=result.energy,
    )


def _references(job: Job) -> list[Path]:
    return sorted(Path(job.prepared, "reference").glob("output_*.npy"), key=_number)


def _quality(job: Job, variant: Variant, result: BuildResult) -> Quality | None:
    """The build's outputs against the reference's; None where the runner says that it does not tell outputs."""
    if result.facts.get("outputs") == _NOT_TOLD and not result.output_files:
        return None
    outputs = [_read_tensor(file, job.folder) for file in result.output_files]
    reference = [np.load(file) for file in _references(job)]
    labels_file = Path(job.prepared, "evaluation", "labels.npy")
    labels = np.load(labels_file) if labels_file.exists() else None
    found = quality.compare(outputs, reference, labels)
    if job.model.metric in ("", "accuracy"):
        return found
    place = job.folder / "work" / store.slug(variant.id) / "score"
    return msgspec.structs.replace(
        found,
        score=_own_score(job, outputs, place),
        reference_score=_own_score(job, reference, place.with_name("reference-score")),
    )


def _own_score(job: Job, outputs: Sequence[np.ndarray], place: Path) -> float | None:
    """The task metric that the user's own code computes, in a child process."""
    with store.guarded(place):
        place.mkdir(parents=True, exist_ok=True)
        for number, output in enumerate(outputs):
            np.save(place / f"output_{number}.npy", output)
    return job.score(place)


def write_inputs(prepared: Path, folder: Path) -> tuple[TensorFile, ...]:
    """The evaluation samples of a prepared model as the raw files that every runner reads."""
    files = sorted((prepared / "evaluation").glob("input_*.npy"), key=_number)
    written = []
    with store.guarded(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            values = np.ascontiguousarray(np.load(file))
            path = folder / f"{file.stem}.bin"
            path.write_bytes(values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes())
            written.append(
                TensorFile(path=str(path), dtype=values.dtype.name, shape=values.shape[1:], samples=len(values))
            )
    return tuple(written)


def _read_tensor(file: TensorFile, root: Path) -> np.ndarray:
    values = np.fromfile(root / file.path, dtype=np.dtype(file.dtype).newbyteorder("<"))
    return values.reshape((file.samples, *file.shape))


def _number(path: Path) -> int:
    return int(path.stem.rpartition("_")[2])
