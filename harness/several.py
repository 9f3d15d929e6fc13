"""One experiment on several phones at once: a worker each, a run folder and a report each.

Builds are made once and shared. Every phone has a ranking of its own, so that devices are never mixed in one. A phone
that fails does not keep the others from going on.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import msgspec

from device_runners import choice
from harness import commands, gates, pipeline, process, store
from harness.errors import EXIT_GATE_FAILED, EXIT_NOT_DONE, EXIT_NOT_JUDGED, PocketbenchError, RunnerError
from harness.events import Event, Observer
from harness.records import Experiment, Record, Report

_WORST_FIRST = (EXIT_NOT_DONE, EXIT_GATE_FAILED, EXIT_NOT_JUDGED)


def spread(experiment: Experiment) -> list[Experiment]:
    """An experiment per device; RunnerError where `all` finds none."""
    if not experiment.devices:
        return [experiment]
    serials = choice.usable() if experiment.devices == "all" else experiment.devices
    if not serials:
        raise RunnerError("devices: all, and no phone is connected", remedy="see `pocketbench doctor`")
    return [msgspec.structs.replace(experiment, device=serial, devices=()) for serial in serials]


def of_folder(experiment: Experiment, folder: Path) -> Experiment:
    """Which of an experiment's devices a run folder is about, so that it can be resumed."""
    if not experiment.devices:
        return experiment
    device = store.load(folder).experiment.device
    return msgspec.structs.replace(experiment, device=device, devices=())


class Outcome(Record, frozen=True, kw_only=True):
    """What came of one device: a report, or why there is none. folder: of its run."""

    device: str
    folder: Path
    report: Report | None = None
    error: str = ""
    remedy: str = ""

    @property
    def exit_code(self) -> int:
        if self.report is None:
            return EXIT_NOT_DONE
        return gates.exit_code(self.report.experiment, self.report.verdicts)


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """Of all devices together: the worst."""
    found = {one.exit_code for one in outcomes}
    return next((code for code in _WORST_FIRST if code in found), 0)


class Crowd(Record, frozen=True, kw_only=True):
    """Experiments that differ in their device alone, and where each runs. source: the bench.yaml, to be kept."""

    experiments: tuple[Experiment, ...]
    places: tuple[commands.Place, ...]
    source: Path | None
    rooms: pipeline.Rooms = pipeline.REAL


def run(crowd: Crowd, observe: Observer) -> list[Outcome]:
    """All of them at once; an interrupt ends all, each with a valid folder."""
    stopped = threading.Event()
    rooms = _shared(crowd.rooms, stopped)
    found: dict[str, Outcome] = {}
    with ThreadPoolExecutor(max_workers=len(crowd.experiments)) as pool:
        futures = {}
        for experiment, place in zip(crowd.experiments, crowd.places, strict=True):
            watch = _labelled(observe, experiment.device, stopped)
            futures[pool.submit(_one, experiment, place, crowd.source, _Hands(rooms, watch))] = experiment.device
        try:
            for future in as_completed(futures):
                found[futures[future]] = future.result()
        except BaseException:
            stopped.set()
            process.stop_all()
            raise
    return [found[experiment.device] for experiment in crowd.experiments]


class _Hands(msgspec.Struct, frozen=True):
    rooms: pipeline.Rooms
    watch: Observer


def _one(experiment: Experiment, place: commands.Place, source: Path | None, hands: _Hands) -> Outcome:
    folder = place.plan.folder
    try:
        report = commands.run(experiment, place, source, hands.watch, hands.rooms)
    except PocketbenchError as error:
        return Outcome(device=experiment.device, folder=folder, error=error.message, remedy=error.remedy)
    return Outcome(device=experiment.device, folder=folder, report=report)


def _labelled(observe: Observer, device: str, stopped: threading.Event) -> Observer:
    """Events with their device's name; the interrupt of the main thread reaches a worker here."""

    def watch(event: Event) -> None:
        _check(stopped)
        observe(msgspec.structs.replace(event, stage=f"{event.stage} {device}"))

    return watch


def _check(stopped: threading.Event) -> None:
    if stopped.is_set():
        raise KeyboardInterrupt


def _shared(rooms: pipeline.Rooms, stopped: threading.Event) -> pipeline.Rooms:
    """The same rooms, but a model or a build is made once for all: who comes second waits, and gets it."""
    prepare, convert = _Once(rooms.prepare), _Once(rooms.convert)

    def runner(experiment: Experiment, tell: Callable[[str], None]) -> Any:
        return rooms.runner(experiment, tell, lambda: _check(stopped))

    return msgspec.structs.replace(
        rooms,
        prepare=lambda *given, **named: prepare("model", *given, **named),
        convert=lambda prepared, runtime, recipe, **named: convert(
            (runtime, recipe.name), prepared, runtime, recipe, **named
        ),
        runner=runner,
    )


class _Once:
    """A function that several threads call; its answer for a key is the first one, unless that was an error."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make
        self._made: dict[Any, Any] = {}
        self._locks: dict[Any, threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()

    def __call__(self, key: Any, *given: Any, **named: Any) -> Any:
        with self._guard:
            lock = self._locks[key]
        with lock:
            if key not in self._made:
                self._made[key] = self._make(*given, **named)
            return self._made[key]
