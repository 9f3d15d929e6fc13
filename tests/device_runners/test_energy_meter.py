"""The package energy counters, in a folder that looks like the system's."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from device_runners import energy_meter
from device_runners.energy_meter import Meter, PackageCounters
from device_runners.host import HostRunner
from harness import energy
from harness.errors import RunnerError
from harness.process import Bounds
from tests.device_runners.conftest import Ask

RANGE_UJ = 262_143_328_850


def domain(root: Path, name: str, label: str, used_uj: int, range_uj: int = RANGE_UJ) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    for file, text in (("name", label), ("energy_uj", used_uj), ("max_energy_range_uj", range_uj)):
        (folder / file).write_text(f"{text}\n")
    return folder


@pytest.fixture
def powercap(tmp_path: Path) -> Path:
    """Two packages, with the parts and the sum that must not be counted again."""
    root = tmp_path / "powercap"
    domain(root, "intel-rapl:0", "package-0", 1_000)
    domain(root, "intel-rapl:0:0", "core", 500)
    domain(root, "intel-rapl:1", "package-1", 5_000)
    domain(root, "intel-rapl:2", "psys", 9_000)
    domain(root, "intel-rapl-mmio:0", "package-0", 1_000)
    return root


def use(folder: Path, used_uj: int) -> None:
    (folder / "energy_uj").write_text(f"{used_uj}\n")


def test_only_packages_are_counted_and_their_use_is_added_up(powercap: Path) -> None:
    found = energy_meter.counters(powercap)
    assert found is not None and found.names == ["package-0", "package-1"]
    assert found.used_uj() == 0
    use(powercap / "intel-rapl:0", 1_700)
    use(powercap / "intel-rapl:0:0", 99_999)
    use(powercap / "intel-rapl:1", 5_020)
    assert found.used_uj() == 720
    assert energy_meter.told(powercap) == "package energy counters (package-0, package-1)"


def test_a_counter_that_went_round_goes_on(tmp_path: Path) -> None:
    folder = domain(tmp_path, "intel-rapl:0", "package-0", RANGE_UJ - 400)
    found = PackageCounters([folder])
    use(folder, 100)
    assert found.used_uj() == 500
    use(folder, 150)
    assert found.used_uj() == 550
    use(folder, 10)  # once more
    assert found.used_uj() == 550 + RANGE_UJ - 140


def test_a_machine_without_counters_says_so(tmp_path: Path) -> None:
    for root in (tmp_path / "missing", tmp_path):
        assert energy_meter.counters(root) is None
        assert energy_meter.told(root) == "no package energy counters on this machine"


@pytest.mark.parametrize("broken", ["energy_uj", "max_energy_range_uj"])
def test_a_counter_that_may_not_be_read_is_told_from_none(powercap: Path, broken: str) -> None:
    """A folder stands for the file that only root may open: opening it fails likewise, for root too."""
    (powercap / "intel-rapl:1" / broken).unlink()
    (powercap / "intel-rapl:1" / broken).mkdir()
    assert energy_meter.counters(powercap) is None
    assert "may not be read by this user" in energy_meter.told(powercap)


def test_a_counter_that_is_lost_in_the_middle_is_an_error(powercap: Path) -> None:
    found = energy_meter.counters(powercap)
    assert found is not None
    use(powercap / "intel-rapl:0", -1)
    with pytest.raises(RunnerError, match=r"intel-rapl:0/energy_uj cannot be read"):
        found.used_uj()


def test_the_device_tells_what_energy_can_be_had() -> None:
    assert HostRunner().device().facts["energy"] == energy_meter.told()


class Machine:
    """A package that uses 12 W idle and 30 W under load; its clock moves when it sleeps or works."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.now, self._used_uj = folder, 0.0, 0.0

    def sleep(self, secs: float) -> None:
        self._pass(secs, 12.0)

    def work(self, secs: float) -> None:
        self._pass(secs, 30.0)

    def _pass(self, secs: float, watts: float) -> None:
        self.now += secs
        self._used_uj += secs * watts * 1e6
        use(self._folder, round(self._used_uj) % 10_000_000)


def test_what_idles_and_what_works_make_the_energy_of_a_call(tmp_path: Path) -> None:
    folder = domain(tmp_path, "intel-rapl:0", "package-0", 0, range_uj=10_000_000)
    machine = Machine(folder)
    meter = Meter(energy_meter.counters(tmp_path), idle_secs=0.25, sleep=machine.sleep, clock=lambda: machine.now)
    meter.idle()
    machine.work(1.0)  # the warm-up is not counted
    meter.read()
    for _ in range(8):
        machine.work(0.0625)
        meter.read()
    meter.idle()
    trace = meter.trace(inferences=200)
    assert trace is not None and [block.kind for block in trace.blocks] == ["idle", "load", "idle"]
    found = energy.estimate(trace, 0.95).per_inference_mj
    assert found is not None and found.value == pytest.approx((30 - 12) * 1e3 * 0.5 / 200, rel=1e-6)


@pytest.mark.parametrize(("missing", "idle_secs"), [(True, 0.25), (False, 0.0)])
def test_without_counters_or_idle_time_nothing_is_read_and_nobody_waits(
    powercap: Path, missing: bool, idle_secs: float
) -> None:
    slept: list[float] = []
    meter = Meter(None if missing else energy_meter.counters(powercap), idle_secs=idle_secs, sleep=slept.append)
    meter.idle()
    meter.read()
    assert meter.trace(inferences=10) is None and not slept


SERVE = """
import functools, sys
from pathlib import Path
from device_runners import host_worker
host_worker.serve = functools.partial(host_worker.serve, powercap=Path(sys.argv[1]))
sys.exit(host_worker.main(sys.argv[2:]))
"""


@pytest.mark.runtimes
def test_the_worker_reads_the_counters_around_the_blocks_of_a_build_that_is_alone(
    tflite_files: Path, ask: Ask, tmp_path: Path, powercap: Path
) -> None:
    runner = HostRunner((sys.executable, "-c", SERVE, str(powercap)))
    dense = tflite_files / "dense.tflite"
    bounds = Bounds(timeout_secs=60)
    (result,) = runner.run(ask(dense), folder=tmp_path, bounds=bounds).results
    assert result.energy is not None
    idle, load, after = result.energy.blocks
    assert (idle.kind, load.kind, after.kind) == ("idle", "load", "idle")
    assert len(load.time_s) == len(result.blocks) + 1
    assert load.inferences == sum(len(block.wall_ns) * block.calls_per_sample for block in result.blocks)
    assert idle.time_s[-1] < load.time_s[0] and load.time_s[-1] < after.time_s[0]
    both = runner.run(ask([dense, tflite_files / "sum_of_two.tflite"]), folder=tmp_path, bounds=bounds)
    assert all(result.energy is None for result in both.results)


@pytest.mark.runtimes
def test_a_long_run_sends_back_no_more_samples_than_were_asked_for(
    tflite_files: Path, ask: Ask, tmp_path: Path
) -> None:
    request = ask(tflite_files / "dense.tflite", samples_per_block=2)
    (result,) = HostRunner().run(request, folder=tmp_path, bounds=Bounds(timeout_secs=60)).results
    kept = [len(block.wall_ns) for block in result.blocks]
    assert max(kept) == 2 and min(kept) >= 1  # on a busy machine a block may have had a single one
    starts = [block.start_ns for block in result.blocks]
    assert None not in starts and np.all(np.diff(np.asarray(starts, dtype=float)) > 0)
