"""Variants + a runner -> Measurements, each kept as soon as it is won.

First every build runs once through the evaluation samples in its runner (a build that cannot do this is out),
then the rounds of timed restarts follow (see schedule.py), and then further rounds of only those builds that are still
tied or whose gates are still open.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np

from device_runners import Runner
from device_runners.wire import BuildFile, BuildResult, Request, Response, TensorFile, Timing
from harness import quality, schedule, store
from harness.errors import PocketbenchError, RunnerError, RunnerLost, StoreError
from harness.process import Bounds
from harness.records import Experiment, Failure, Measurement, Model, Quality, Record, Restart, Settings, Variant

CHECK = "outputs"  # the pass that judges the outputs; the timed ones are numbered
Found = dict[str, Measurement]
_NO_TIMING = {"warmup_runs": 0, "warmup_min_secs": 0.0, "num_runs": 1, "min_secs": 0.0, "blocks": 1}


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
    turns = schedule.remaining(schedule.rounds(list(ready), settings.restarts, seed=seed), done_before)
    checks = [name for name in ready if name not in found or not (found[name].quality or found[name].restarts)]
    steps = [(name, CHECK) for name in checks] + [(name, "") for name in turns]
    done, deadline = 0, 0.0
    while steps:
        total = done + len(steps)
        for name, step in steps:
            yield found, done, total, f"{name} {'outputs' if step else 'latency'}"
            measured = found.get(name) or Measurement(variant=name, device=runner.device(), settings=settings)
            if measured.failure is None:
                found[name] = _step(job, ready[name], measured, _Turn(step=step, runner=runner))
            done += 1
        deadline = deadline or time.monotonic() + settings.extra_secs
        steps = _extra(job, found) if time.monotonic() < deadline else []
    yield found, done, done, ""


def _extra(job: Job, found: Found) -> list[tuple[str, str]]:
    """One more round for the builds that it may tell apart, or whose gates it may decide."""
    wanted = job.undecided(found)
    most = job.experiment.settings.max_restarts
    open_ = [name for name, m in found.items() if name in wanted and not m.failure and len(m.restarts) < most]
    seed = job.experiment.seed + sum(len(m.restarts) for m in found.values())
    return [(name, "") for name in schedule.rounds(open_, 1, seed=seed)[0]]


class _Turn(msgspec.Struct, frozen=True, kw_only=True):
    step: str
    runner: Runner


def _step(job: Job, variant: Variant, measured: Measurement, turn: _Turn) -> Measurement:
    """One fresh process; whatever goes wrong in it becomes the build's failure, and what it won before stays."""
    name = turn.step or f"restart-{len(measured.restarts)}"
    folder = job.folder / "logs" / "measure" / store.slug(variant.id) / name
    try:
        with store.guarded(folder):
            folder.mkdir(parents=True, exist_ok=True)
        request = _request(job, variant, turn, folder)
        settings = measured.settings
        bounds = Bounds(timeout_secs=settings.timeout_secs, memory_limit_mb=settings.memory_limit_mb)
        response = turn.runner.run(request, folder=folder, bounds=bounds)
        if failed := response.results[0].failure:
            raise RunnerError(failed)
        if turn.step == CHECK:
            return msgspec.structs.replace(measured, quality=_quality(job, variant, response.results[0]))
        return msgspec.structs.replace(measured, restarts=(*measured.restarts, _restart(response)))
    except (StoreError, RunnerLost):
        raise
    except PocketbenchError as error:
        failure = Failure(
            stage="quality" if turn.step == CHECK and "output" in error.message else "measure",
            reason=error.message,
            remedy=error.remedy,
            log=str(folder.relative_to(job.folder)),
        )
        return msgspec.structs.replace(measured, failure=failure)


def _request(job: Job, variant: Variant, turn: _Turn, folder: Path) -> Request:
    settings = job.experiment.settings
    build = BuildFile(
        id=variant.id, runtime=variant.runtime, path=str(job.folder / variant.path), sha256=variant.sha256
    )
    outputs = ""
    timing = timing_of(settings)
    if turn.step == CHECK:
        timing = msgspec.structs.replace(timing, **_NO_TIMING)
        place = job.folder / "work" / store.slug(variant.id)
        with store.guarded(place):
            place.mkdir(parents=True, exist_ok=True)
        outputs = str(place)
    return Request(
        run_id=f"{job.folder.name}/{folder.parent.name}/{folder.name}",
        builds=(build,),
        timing=timing,
        inputs=job.inputs,
        outputs=outputs,
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


def _quality(job: Job, variant: Variant, result: BuildResult) -> Quality | None:
    """The build's outputs against the reference's; None where the source has no reference (a ready-made file), or the
    runner says that it does not tell outputs."""
    if result.facts.get("outputs") == "not told" and not result.output_files:
        return None
    reference_files = sorted(Path(job.prepared, "reference").glob("output_*.npy"), key=_number)
    if not reference_files:
        return None
    outputs = [_read_tensor(file, job.folder) for file in result.output_files]
    reference = [np.load(file) for file in reference_files]
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
