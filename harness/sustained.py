"""The sustained runs: after everything else, each build once more, for minutes and without a pause.

They come last, since they leave a device hot. The response with its samples stays in the run's logs; what is kept of it
in the report is a median per block (see harness/steady.py for what follows from them).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np

from device_runners import Runner
from device_runners.wire import BuildFile, Request, Response
from harness import metrics, schedule, store
from harness.errors import PocketbenchError, RunnerError, RunnerLost, StoreError
from harness.measure import Found, Job, timing_of
from harness.process import Bounds
from harness.records import Block, Failure, Measurement, Sustained, Variant

BLOCK_SECS = 1.0
SAMPLES_PER_BLOCK = 250  # an hour of them is some 14 MB of response; their median is within a tenth of their sd


def all_builds(
    job: Job, variants: Sequence[Variant], before: Sequence[Measurement], runner: Runner
) -> Iterator[tuple[Found, int, int, str]]:
    """Yields (measurements by variant id, runs done, runs in all, what comes next) before each run and at the end;
    nothing where no sustained run is asked for. A build that has one already, or could not be measured, gets none."""
    settings, found = job.experiment.settings, {one.variant: one for one in before}
    if not settings.sustained_secs:
        return
    by_id = {variant.id: variant for variant in variants}
    open_ = [name for name, one in found.items() if one.failure is None and one.restarts and one.sustained is None]
    order = schedule.rounds(open_, 1, seed=job.experiment.seed)[0]
    for done, name in enumerate(order):
        yield found, done, len(order), f"{name} for {settings.sustained_secs:g} s"
        found[name] = _run(job, by_id[name], found[name], runner)
    yield found, len(order), len(order), ""


def _run(job: Job, variant: Variant, measured: Measurement, runner: Runner) -> Measurement:
    """One fresh process; a build that fails under load has failed."""
    settings = job.experiment.settings
    folder = job.folder / "logs" / "measure" / store.slug(variant.id) / "sustained"
    bounds = Bounds(
        timeout_secs=settings.timeout_secs + settings.sustained_secs, memory_limit_mb=settings.memory_limit_mb
    )
    try:
        with store.guarded(folder):
            folder.mkdir(parents=True, exist_ok=True)
        response = runner.run(_request(job, variant, folder), folder=folder, bounds=bounds)
        if failed := response.results[0].failure:
            raise RunnerError(failed)
        return msgspec.structs.replace(measured, sustained=kept(response))
    except (StoreError, RunnerLost):
        raise
    except PocketbenchError as error:
        reason = f"in the sustained run: {error.message}"
        log = str(folder.relative_to(job.folder))
        return msgspec.structs.replace(
            measured, failure=Failure(stage="measure", reason=reason, remedy=error.remedy, log=log)
        )


def _request(job: Job, variant: Variant, folder: Path) -> Request:
    settings = job.experiment.settings
    secs, blocks = settings.sustained_secs, math.ceil(settings.sustained_secs / BLOCK_SECS)
    return Request(
        run_id=f"{job.folder.name}/{folder.parent.name}/{folder.name}",
        builds=(
            BuildFile(
                id=variant.id, runtime=variant.runtime, path=str(job.folder / variant.path), sha256=variant.sha256
            ),
        ),
        timing=msgspec.structs.replace(
            timing_of(settings), num_runs=blocks, min_secs=secs, max_secs=secs + BLOCK_SECS, blocks=blocks
        ),
        inputs=job.inputs,
        samples_per_block=SAMPLES_PER_BLOCK,
    )


def kept(response: Response) -> Sustained:
    """A response's blocks, one figure each; RunnerError where nothing was timed."""
    result = response.results[0]
    blocks = [block for block in result.blocks if block.wall_ns]
    if not blocks:
        raise RunnerError("the sustained run timed no call", remedy="raise settings.sustained_secs")
    told = all(len(block.wait_ns) == len(block.wall_ns) for block in blocks)
    canaries = [block.canary_ns for block in blocks if block.canary_ns]
    return Sustained(
        started=response.started,
        start_secs=_starts(blocks),
        wall_ms=tuple(float(np.median(metrics.wall_ms(block))) for block in blocks),
        on_cpu_ms=tuple(float(np.median(metrics.on_cpu_ms(block))) for block in blocks) if told else (),
        canary_us=tuple(ns / 1e3 for ns in canaries) if len(canaries) == len(blocks) else (),
        energy=result.energy,
        facts=response.facts | result.facts,
    )


def _starts(blocks: Sequence[Block]) -> tuple[float, ...]:
    """Seconds since the first block; of a runner that tells no starts, the time of the calls before."""
    starts = [block.start_ns for block in blocks if block.start_ns is not None]
    if len(starts) == len(blocks):
        return tuple((start - starts[0]) / 1e9 for start in starts)
    ends = np.cumsum([sum(block.wall_ns) for block in blocks]) / 1e9
    return (0.0, *ends[:-1].tolist())
