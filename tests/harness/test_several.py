"""harness/several.py: one experiment on several phones at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness import commands, pipeline, several
from harness.errors import ExperimentError, RunnerError
from harness.events import Event
from harness.experiment import check_device, on_device
from harness.records import Device, Experiment, ModelSource, Settings
from harness.several import Crowd, Outcome
from tests.fakes.rooms import Converter, Runner, rooms

EXPERIMENT = Experiment(
    model=ModelSource(source="model.py"),
    devices=("PHONE1", "PHONE2", "PHONE3"),
    settings=Settings(restarts=2, extra_secs=0),
    recipes=("fp32",),
    runtimes=("tflite",),
    gates=("latency_ms.mean <= 5",),
    accept=("FEW-SAMPLES",),
)


class Phone(Runner):
    """Its latency depends on which it is; the third is not there."""

    plans = True

    def __init__(self, serial: str, met: threading.Barrier | None = None) -> None:
        super().__init__({"tflite/fp32": 1_000_000 if serial == "PHONE1" else 9_000_000})
        self.serial, self._met = serial, met

    def device(self) -> Device:
        return Device(kind="phone", name=f"a {self.serial}", serial=self.serial)

    def run(self, *arguments: Any, **named: Any) -> Any:
        if self._met:
            self._met.wait(timeout=20)
            self._met = None
        return super().run(*arguments, **named)


def crowd(tmp_path: Path, runner: Callable[..., Runner], converter: Converter | None = None) -> Crowd:
    each = several.spread(EXPERIMENT)
    made = msgspec.structs.replace(rooms(Runner(), converter or Converter()), runner=runner)
    places = []
    for one in each:
        folder = tmp_path / one.device
        (folder / "logs").mkdir(parents=True)
        places.append(commands.Place(plan=pipeline.Plan(folder=folder, cache=tmp_path / "cache")))
    return Crowd(experiments=tuple(each), places=tuple(places), source=None, rooms=made)


def test_phones_are_measured_at_once_each_with_a_report_and_a_ranking_of_its_own(tmp_path: Path) -> None:
    met = threading.Barrier(2)  # both are being measured at the same time, or this times out

    def runner(experiment: Experiment, *_: object) -> Runner:
        if experiment.device == "PHONE3":
            raise RunnerError("it is offline", remedy="plug it in")
        return Phone(experiment.device, met)

    converter = Converter()
    events: list[Event] = []
    outcomes = several.run(crowd(tmp_path, runner, converter), events.append)
    assert [one.device for one in outcomes] == ["PHONE1", "PHONE2", "PHONE3"]
    for outcome in outcomes[:2]:
        assert outcome.report is not None and outcome.report.complete
        assert [device.serial for device in outcome.report.devices] == [outcome.device]
        assert {m.device.serial for m in outcome.report.measurements} == {outcome.device}
        assert (tmp_path / outcome.device / "report.html").exists()
    assert (outcomes[2].error, outcomes[2].remedy) == ("it is offline", "plug it in")
    assert {event.stage for event in events} >= {"measure PHONE1", "measure PHONE2"}


def test_a_build_is_made_once_for_all(tmp_path: Path) -> None:
    converter = Converter()
    outcomes = several.run(crowd(tmp_path, lambda e, *_: Phone(e.device), converter), lambda _: None)
    assert all(one.report is not None for one in outcomes)
    assert converter.made == ["tflite/fp32"]


def test_the_worst_of_all_devices_is_the_exit_code(tmp_path: Path) -> None:
    outcomes = several.run(crowd(tmp_path, lambda e, *_: Phone(e.device)), lambda _: None)
    assert [one.exit_code for one in outcomes] == [0, 1, 1]
    assert several.exit_code(outcomes) == 1 and several.exit_code(outcomes[:1]) == 0
    assert several.exit_code([*outcomes, Outcome(device="X", folder=tmp_path, error="gone")]) == 2


def test_an_interrupt_ends_all_of_them(tmp_path: Path) -> None:
    def interrupt(event: Event) -> None:
        if event.stage == "measure PHONE2":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        several.run(crowd(tmp_path, lambda e, *_: Phone(e.device)), interrupt)
    assert (tmp_path / "PHONE2" / "results.json").exists()


def test_an_experiment_is_spread_over_its_devices() -> None:
    assert [one.device for one in several.spread(EXPERIMENT)] == ["PHONE1", "PHONE2", "PHONE3"]
    alone = msgspec.structs.replace(EXPERIMENT, devices=())
    assert several.spread(alone) == [alone]


@pytest.mark.parametrize(
    ("asked", "device", "devices"),
    [
        ("phone", "phone", ()),
        ("A,B", "host", ("A", "B")),
        ("all", "host", "all"),
        (None, "host", ("PHONE1", "PHONE2", "PHONE3")),
    ],
)
def test_a_flag_changes_the_device(asked: str | None, device: str, devices: object) -> None:
    found = on_device(EXPERIMENT, asked)
    assert (found.device, found.devices) == (device, devices)


@pytest.mark.parametrize("asked", ["A,A", "$(reboot)", "A,b c", "hots", "emulator:a;b"])
def test_a_flag_that_names_no_device_is_refused(asked: str) -> None:
    with pytest.raises(ExperimentError):
        on_device(EXPERIMENT, asked)


def test_a_slip_of_the_finger_is_met_with_the_nearest_name() -> None:
    with pytest.raises(ExperimentError, match=r"unknown device 'phoen'; did you mean 'phone'\?"):
        check_device("phoen")
