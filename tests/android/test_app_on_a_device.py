"""The whole way: Python -> adb -> `am instrument` -> the app's Java -> a real runtime -> response -> report; and its
ends: a crash, a kill for want of memory, a call that never comes back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
import pytest

from android_app.ci import jvm
from device_runners import app_package
from device_runners.adb.connect import connect
from device_runners.adb.link import Link
from device_runners.adb.server import Server
from device_runners.android import AndroidRunner, Ears
from device_runners.app_route import AppRoute
from device_runners.wire import PlannedBlock, Request, Response
from harness import store
from harness.errors import RunnerError
from harness.process import Bounds
from harness.records import Phone
from tests.android import java_phone
from tests.device.sandbox import Sandbox
from tests.device_runners import tiny_tflite
from tests.device_runners.conftest import TIMING, asked, outputs_of

pytestmark = [pytest.mark.android, pytest.mark.adb, pytest.mark.runtimes]

BOUNDS = Bounds(timeout_secs=60)
SAMPLES = np.random.default_rng(0).uniform(-2, 2, size=(12, 1, 8)).astype(np.float32)
EXPECTED = SAMPLES @ tiny_tflite.WEIGHT.T + tiny_tflite.BIAS
LONG = msgspec.structs.replace(TIMING, min_secs=50.0, max_secs=50.0)
BENCH = """
model: {{source: dense.tflite}}
device: "{serial}"
phone: {{tflite_app: litert.apk, cool_down_secs: 1}}
settings:
  {{restarts: 2, max_restarts: 2, extra_secs: 0, num_runs: 20, min_secs: 0.05, warmup_min_secs: 0.05,
    warmup_max_secs: 0.5, blocks: 4}}
"""


@pytest.fixture(scope="module")
def phone(
    phone_files: Path, built: jvm.Jvm, project: Path, adb_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sandbox]:
    """A device whose `am` and `pm` know the app."""
    folder = tmp_path_factory.mktemp("java-phone")
    device = Sandbox(phone_files, folder, size="1g", binds=java_phone.binds(project))
    with java_phone.put_app(device, built):
        yield device


@pytest.fixture
def link(phone: Sandbox) -> Iterator[Link]:
    with closing(connect(phone.serial, tell=print)) as link:
        yield link


@pytest.fixture
def runner(link: Link, litert_apk: Path) -> Iterator[AndroidRunner]:
    wishes = Phone(tflite_app=str(litert_apk), cool_down_secs=1)
    with closing(AndroidRunner(link, AppRoute(wishes), wishes, Ears(tell=print))) as runner:
        yield runner


def run(runner: AndroidRunner, request: Request, folder: Path, bounds: Bounds = BOUNDS) -> Response:
    return runner.run(request, folder=folder, bounds=bounds)


def test_a_build_is_measured_in_the_app_over_adb(runner: AndroidRunner, builds: Path, tmp_path: Path) -> None:
    request = asked(tmp_path, [builds / "dense.tflite", builds / "dense_int8.tflite"], SAMPLES)
    response = run(runner, request, tmp_path)
    assert runner.device().kind == "sandbox", "this machine's processor is no phone's"
    assert [result.failure for result in response.results] == ["", ""]
    assert response.facts["app"] == "org.pocketbench.app.litert" and response.facts["route"] == "app"
    assert response.facts["worker"].startswith("the app's Java")
    for result in response.results:
        assert len(result.blocks) == TIMING.blocks and result.memory is not None and result.delegate == "XNNPACK"
    (file,) = response.results[0].output_files
    np.testing.assert_allclose(outputs_of(file, tmp_path), EXPECTED, rtol=1e-5, atol=1e-5)
    stages = (tmp_path / "worker.log").read_text()
    assert "INSTRUMENTATION_STATUS: stage=warming up tflite/dense_int8" in stages


def test_a_build_for_executorch_is_measured_in_the_app_that_is_put_there_for_it(
    link: Link, executorch_apk: Path, builds: Path, tmp_path: Path
) -> None:
    wishes = Phone(executorch_app=str(executorch_apk), cool_down_secs=1)
    other = connect(link.serial, tell=print)  # closed with its runner
    with closing(AndroidRunner(other, AppRoute(wishes), wishes, Ears(tell=print))) as runner:
        response = run(runner, asked(tmp_path, builds / "dense.pte", SAMPLES), tmp_path)
    assert app_package.uninstall(link)[-1] == "org.pocketbench.app.executorch"
    (result,) = response.results
    assert (result.failure, result.delegate) == ("", "XnnpackBackend")
    assert response.facts["app"] == "org.pocketbench.app.executorch" and response.facts["app_compiled"] == "ahead"
    np.testing.assert_allclose(outputs_of(result.output_files[0], tmp_path), EXPECTED, rtol=1e-5, atol=1e-5)


def test_two_builds_of_a_plan_share_the_process(runner: AndroidRunner, builds: Path, tmp_path: Path) -> None:
    plan = tuple(PlannedBlock(build=build, calls=40) for build in (0, 1, 1, 0))
    request = asked(tmp_path, [builds / "dense.tflite", builds / "dense_int8.tflite"], plan=plan)
    first, second = run(runner, request, tmp_path).results
    starts = [first.blocks[0].start_ns, second.blocks[0].start_ns, second.blocks[1].start_ns, first.blocks[1].start_ns]
    assert None not in starts and starts == sorted(starts)  # type: ignore[type-var]


def test_the_package_is_put_there_once_and_taken_away_when_asked(
    runner: AndroidRunner, link: Link, litert_apk: Path, builds: Path, tmp_path: Path
) -> None:
    app_package.uninstall(link)
    before = installs(link)
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        run(runner, asked(folder, builds / "dense.tflite"), folder)
    runner.close()  # one session at a time holds a phone
    wishes = Phone(tflite_app=str(litert_apk))
    other = connect(link.serial, tell=print)  # closed with its runner
    with closing(AndroidRunner(other, AppRoute(wishes), wishes, Ears(tell=print))) as again:
        assert "app_installed" not in run(again, asked(tmp_path, builds / "dense.tflite"), tmp_path).facts
        assert installs(other) == before + 1
        assert app_package.uninstall(other) == ["org.pocketbench.app.litert"]
        assert app_package.installed(other, "org.pocketbench.app.litert") == ""


def test_an_app_that_is_not_there_is_not_started(link: Link, builds: Path, tmp_path: Path) -> None:
    wishes = Phone(cool_down_secs=1)
    runner = AndroidRunner(link, AppRoute(wishes), wishes, Ears(tell=print))
    with closing(runner), pytest.raises(RunnerError, match=r"org\.pocketbench\.app\.executorch\) is not installed"):
        run(runner, asked(tmp_path, builds / "dense.pte"), tmp_path)


def test_builds_of_two_runtimes_are_not_asked_of_one_app(runner: AndroidRunner, builds: Path, tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match="one app has one runtime"):
        run(runner, asked(tmp_path, [builds / "dense.tflite", builds / "dense.pte"]), tmp_path)


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (signal.SIGSEGV, r"in the app: Process crashed.*logcat: F libc.*Fatal signal"),
        (signal.SIGKILL, r"in the app: Process crashed.*ran out of memory and killed it"),
    ],
    ids=["crash", "out of memory"],
)
def test_the_end_of_the_process_is_told_apart(
    runner: AndroidRunner, phone: Sandbox, builds: Path, tmp_path: Path, number: signal.Signals, told: str
) -> None:
    forget_log(phone)
    request = asked(tmp_path, builds / "dense.tflite", timing=LONG)
    with struck(phone, number), pytest.raises(RunnerError, match=told) as caught:
        run(runner, request, tmp_path)
    assert "logcat.txt" in caught.value.remedy
    assert "timing tflite/dense" in (tmp_path / "logcat.txt").read_text()
    assert app_processes(phone) == []


def test_a_call_that_never_comes_back_is_ended_and_told(
    runner: AndroidRunner, phone: Sandbox, builds: Path, tmp_path: Path
) -> None:
    forget_log(phone)
    request = asked(tmp_path, builds / "dense.tflite", timing=LONG)
    with (
        struck(phone, signal.SIGSTOP),
        pytest.raises(RunnerError, match=r"on the phone: .*its last words: .*timing tflite/dense") as caught,
    ):
        run(runner, request, tmp_path, Bounds(timeout_secs=4))
    assert "raise timeout_secs" in caught.value.remedy
    assert app_processes(phone) == [], "nothing is left running"


def test_a_report_is_made_of_what_the_app_measured(
    phone: Sandbox, adb_server: Server, litert_apk: Path, builds: Path, tmp_path: Path
) -> None:
    (tmp_path / "dense.tflite").write_bytes((builds / "dense.tflite").read_bytes())
    (tmp_path / "litert.apk").write_bytes(litert_apk.read_bytes())
    (tmp_path / "bench.yaml").write_text(BENCH.format(serial=phone.serial))
    argv = [sys.executable, "-c", "from harness.cli import main; main()", "run", str(tmp_path / "bench.yaml")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    (folder,) = (tmp_path / "runs").iterdir() if done.returncode == 0 else [tmp_path]
    assert done.returncode == 0, done.stdout + done.stderr
    report = store.load(folder)
    (measurement,) = report.measurements
    assert measurement.failure is None and len(measurement.restarts) == 2
    assert measurement.device.kind == "sandbox"
    assert measurement.restarts[0].facts["app"] == "org.pocketbench.app.litert"
    assert "SANDBOX" in {caveat.id for standing in report.standings for caveat in standing.caveats}
    assert "tflite/dense" in (folder / "report.html").read_text()


def installs(link: Link) -> int:
    return link.shell(["cat", "/tmp/installs"], timeout_secs=20).text.count("installed")


def forget_log(phone: Sandbox) -> None:
    with closing(connect(phone.serial, tell=print)) as link:
        link.shell(["rm", "-f", "/tmp/logcat"], timeout_secs=20)


def app_processes(phone: Sandbox) -> list[str]:
    return [line for line in phone.processes() if "host.Instrument" in line]


class struck(threading.Thread):
    """Sends a signal to the app's process as soon as it times."""

    def __init__(self, phone: Sandbox, number: signal.Signals) -> None:
        super().__init__(daemon=True)
        self._phone, self._number = phone, number

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        self.join(30)

    def run(self) -> None:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if self._timing():
                for pid in self._phone.pids("host.Instrument"):
                    os.kill(pid, self._number)
                return
            time.sleep(0.05)

    def _timing(self) -> bool:
        with closing(connect(self._phone.serial, tell=print)) as link:
            return "timing" in link.shell(["cat", "/tmp/logcat"], timeout_secs=20).text
