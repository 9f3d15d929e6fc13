"""The energy of each build, on a phone whose battery can tell it: after everything else, group after group of blocks.

A group is idle, load, load, idle (see harness/energy.py). Where the first group shows that the blocks are too short for
the phone's counter, the answer is how long they would have to be, and no more time is spent.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from device_runners import DrainRunner, Runner
from device_runners.wire import BuildFile, Request
from harness import energy, schedule, store
from harness.errors import PocketbenchError, RunnerLost, StoreError
from harness.measure import Found, Job, timing_of
from harness.process import Bounds
from harness.records import EnergyTrace, Measurement, Variant

_EDGES_SECS = 4.0  # of a load that are not taken for its block, and of the warm-up before it
UNKNOWN = "energy"  # the fact of a device that says why its energy cannot be told


def all_builds(
    job: Job, variants: Sequence[Variant], before: Sequence[Measurement], runner: Runner
) -> Iterator[tuple[Found, int, int, str]]:
    """Yields (measurements by variant id, builds done, builds in all, what comes next) before each and at the end;
    nothing where energy is not asked for, or the runner has no such counter."""
    settings, found = job.experiment.settings, {one.variant: one for one in before}
    if not settings.energy_secs or not isinstance(runner, DrainRunner):
        return
    by_id = {variant.id: variant for variant in variants}
    open_ = [name for name, one in found.items() if one.failure is None and one.restarts and one.energy is None]
    order = schedule.rounds(open_, 1, seed=job.experiment.seed)[0]
    minutes = settings.energy_groups * 4 * settings.energy_secs / 60
    for done, name in enumerate(order):
        yield found, done, len(order), f"{name} for {minutes:.0f} min"
        found[name] = _drained(job, by_id[name], found[name], runner)
    yield found, len(order), len(order), ""


def _drained(job: Job, variant: Variant, measured: Measurement, runner: DrainRunner) -> Measurement:
    """With its trace, or with the reason why there is none among the facts of its device."""
    settings = job.experiment.settings
    folder = job.folder / "logs" / "measure" / store.slug(variant.id) / "energy"
    trace: EnergyTrace | None = None
    try:
        for number in range(settings.energy_groups):
            with store.guarded(folder):
                folder.mkdir(parents=True, exist_ok=True)
            bounds = Bounds(
                timeout_secs=settings.timeout_secs + settings.energy_secs, memory_limit_mb=settings.memory_limit_mb
            )
            request = _request(job, variant, folder)
            one = runner.drain(request, idle_secs=settings.energy_secs, folder=folder, bounds=bounds)
            trace = _joined(trace, one, number)
            if energy.estimate(trace, job.experiment.confidence).needed_secs is not None:
                break
    except (StoreError, RunnerLost):
        raise
    except PocketbenchError as error:
        facts = measured.device.facts | {UNKNOWN: error.message}
        device = msgspec.structs.replace(measured.device, facts=facts)
        return msgspec.structs.replace(measured, device=device, energy=trace)
    return msgspec.structs.replace(measured, energy=trace)


def _joined(before: EnergyTrace | None, one: EnergyTrace, number: int) -> EnergyTrace:
    blocks = tuple(msgspec.structs.replace(block, group=number) for block in one.blocks)
    if before is None:
        return msgspec.structs.replace(one, blocks=blocks)
    charging = before.charging or one.charging
    return msgspec.structs.replace(before, blocks=(*before.blocks, *blocks), charging=charging)


def _request(job: Job, variant: Variant, folder: Path) -> Request:
    """Called without a pause for as long as a block, in blocks of some seconds."""
    settings = job.experiment.settings
    secs = settings.energy_secs + _EDGES_SECS
    path = str(job.folder / variant.path)
    build = BuildFile(id=variant.id, runtime=variant.runtime, path=path, sha256=variant.sha256)
    blocks = math.ceil(secs / 5)
    timing = msgspec.structs.replace(
        timing_of(settings), num_runs=blocks, min_secs=secs, max_secs=secs + 5, blocks=blocks
    )
    return Request(run_id=f"{job.folder.name}/energy", builds=(build,), timing=timing, inputs=job.inputs)
