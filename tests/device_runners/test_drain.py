"""device_runners/drain.py: the sampler's script in a real shell, and what is refused."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest

from device_runners import gauge
from device_runners.drain import SAMPLE
from harness.process import Child


def sampled(folder: Path, log: Path, *, secs: float, path: str = "") -> tuple[gauge.Reading, ...]:
    """What the script prints in so many seconds; `dumpsys` is what lies in `path`."""
    argv = ["sh", "-c", 'exec "$0" "$@" >&2', "sh", "-c", SAMPLE, "pocketbench", str(folder), "0.02", "0.02"]
    env = {"PATH": f"{path}:/usr/bin:/bin"} if path else None
    with contextlib.closing(Child(argv, log=log, env=env)):
        time.sleep(secs)
    return gauge.readings(log.read_text())


def test_the_kernel_s_files_are_read_over_and_over_with_the_time(tmp_path: Path) -> None:
    folder = tmp_path / "a battery;$(touch hacked)"
    folder.mkdir()
    for name, value in {"charge_counter": "2750000", "voltage_now": "3912000", "status": "Not charging"}.items():
        (folder / name).write_text(f"{value}\n")
    found = sampled(folder, tmp_path / "log", secs=0.4)
    assert len(found) > 3 and found[0].time_s <= found[-1].time_s
    assert (found[0].charge, found[0].voltage_v, found[0].current, found[0].plugged) == (2750000, 3.912, None, True)
    assert not list(tmp_path.rglob("hacked"))


def test_a_phone_that_hides_them_is_asked_for_its_dumps(tmp_path: Path) -> None:
    dump = tmp_path / "dumpsys"
    dump.write_text("#!/bin/sh\necho '  USB powered: false'\necho '  Charge counter: 2750000'\necho '  level: 80'\n")
    dump.chmod(0o755)
    found = sampled(tmp_path / "nowhere", tmp_path / "log", secs=0.4, path=str(tmp_path))
    assert len(found) > 3 and found[0].charge == 2750000 and not found[0].plugged


def test_a_phone_that_tells_nothing_gives_no_readings(tmp_path: Path) -> None:
    assert sampled(tmp_path / "nowhere", tmp_path / "log", secs=0.2, path=str(tmp_path)) == ()


@pytest.mark.parametrize("text", ["", "1 2 3", "@ x\nlevel: 5", "@ 5\nnothing"])
def test_what_is_no_reading_is_left_out(text: str) -> None:
    assert gauge.readings(text) == ()
