"""device_runners/android.py: what happens around a request on a phone, whatever serves it there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from device_runners import DrainRunner, PlanRunner
from device_runners.android import AndroidRunner, Ears
from device_runners.routes import Errand
from device_runners.wire import Response, TensorFile
from harness.errors import RunnerError
from harness.records import Phone
from tests.fakes import phones
from tests.fakes.links import FakeLink
from tests.fakes.phones import BOUNDS, StaticRoute

Make = Callable[..., AndroidRunner]


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def runner(told: list[str]) -> Make:
    def make(link: FakeLink, route: StaticRoute, **phone: object) -> AndroidRunner:
        return AndroidRunner(link, route, Phone(**{"cool_down_secs": 0.0, **phone}), Ears(tell=told.append))  # type: ignore[arg-type]

    return make


def scripts_with(link: FakeLink, part: str) -> int:
    return sum(part in text for text, _ in link.scripts)


def test_a_request_s_files_lie_on_the_phone_and_its_answer_carries_the_phone_s_state(
    tmp_path: Path, runner: Make
) -> None:
    route = StaticRoute()
    request = phones.request(tmp_path, inputs=phones.samples(tmp_path))
    response = runner(phones.phone(), route).run(request, folder=tmp_path, bounds=BOUNDS)
    (errand,) = route.errands
    assert errand.request.builds[0].path.startswith("/data/local/tmp/pocketbench/files/")
    assert errand.request.inputs[0].path.startswith("/data/local/tmp/pocketbench/files/")
    assert errand.place == f"/data/local/tmp/pocketbench/jobs/{errand.request.run_id}"
    assert response.run_id == "run/1"
    assert response.facts["battery_percent_before"] == response.facts["battery_percent_after"] == "68"
    assert (response.facts["route"], response.facts["fixed_performance"]) == ("static", "on")


def test_names_of_ours_are_plain_whatever_the_request_is_called(tmp_path: Path, runner: Make) -> None:
    route = StaticRoute()
    request = phones.request(tmp_path, run_id="../$(reboot); 'a\nb'")
    response = runner(phones.phone(), route).run(request, folder=tmp_path, bounds=BOUNDS)
    assert route.errands[0].request.run_id.isalnum() and response.run_id == request.run_id


def test_a_phone_is_prepared_and_held_once_and_given_back_at_the_end(tmp_path: Path, runner: Make) -> None:
    link, route = phones.phone(), StaticRoute()
    made = runner(link, route)
    for _ in range(3):
        made.run(phones.request(tmp_path), folder=tmp_path, bounds=BOUNDS)
    assert route.prepared == 1
    assert scripts_with(link, "set-fixed-performance-mode-enabled true") == 1 and scripts_with(link, "beat.new") >= 2
    made.close()
    assert link.scripts[-1][0].rstrip().endswith('if [ -d "$1" ]; then restore "$1"; fi') and link.closed


def test_a_phone_that_was_lost_is_let_go_of_without_a_word(tmp_path: Path, runner: Make) -> None:
    link = phones.phone()
    made = runner(link, StaticRoute())
    made.run(phones.request(tmp_path), folder=tmp_path, bounds=BOUNDS)
    link.on_script("restore", RunnerError("gone"))
    made.close()
    assert link.closed


def test_whoever_waits_for_the_phone_is_told_when_it_is_let_go_of() -> None:
    stopped: list[bool] = []
    ears = Ears(tell=lambda _: None, after=lambda: stopped.append(True))
    AndroidRunner(phones.phone(), StaticRoute(), Phone(), ears).close()
    assert stopped == [True]


def test_a_phone_that_is_hotter_than_at_the_start_is_waited_for_and_that_is_told(
    tmp_path: Path, runner: Make, told: list[str]
) -> None:
    link = phones.phone()
    made = runner(link, StaticRoute(), cool_down_secs=0.01)
    made.run(phones.request(tmp_path), folder=tmp_path, bounds=BOUNDS)
    link.on_script("dumpsys battery", phones.state_text(status=3))
    response = made.run(phones.request(tmp_path), folder=tmp_path, bounds=BOUNDS)
    assert told and "thermal status 3" in told[0]
    assert "thermal status 3" in response.facts["still_warm"]


def test_a_phone_that_started_anew_on_the_way_gives_no_numbers(tmp_path: Path, runner: Make) -> None:
    link = phones.phone()

    def restarted(errand: Errand) -> Response:
        link.on_script("dumpsys battery", phones.state_text(boot="b2"))
        return phones.respond(errand)

    with pytest.raises(RunnerError, match="started anew"):
        runner(link, StaticRoute(restarted)).run(phones.request(tmp_path), folder=tmp_path, bounds=BOUNDS)


@pytest.mark.parametrize(
    "changes", [{"run_id": "another"}, {"results": ()}], ids=["another run's", "without the build"]
)
def test_an_answer_to_another_request_is_refused(tmp_path: Path, runner: Make, changes: dict[str, object]) -> None:
    route = StaticRoute(lambda errand: msgspec.structs.replace(phones.respond(errand), **changes))
    with pytest.raises(RunnerError, match="answered another request"):
        runner(phones.phone(), route).run(phones.request(tmp_path), folder=tmp_path, bounds=BOUNDS)


def test_outputs_go_where_the_request_wants_them(tmp_path: Path, runner: Make) -> None:
    wanted, folder = tmp_path / "wanted", tmp_path / "errand"
    folder.mkdir()

    def with_output(errand: Errand) -> Response:
        assert errand.request.outputs == "outputs"
        (errand.folder / "output_0.bin").write_bytes(b"1234")
        file = TensorFile(path=str(errand.folder / "output_0.bin"), dtype="float32", shape=(1,), samples=1)
        response = phones.respond(errand)
        result = msgspec.structs.replace(response.results[0], output_files=(file,))
        return msgspec.structs.replace(response, results=(result,))

    request = phones.request(tmp_path, outputs=str(wanted))
    response = runner(phones.phone(), StaticRoute(with_output)).run(request, folder=folder, bounds=BOUNDS)
    (file,) = response.results[0].output_files
    assert Path(file.path) == wanted / "output_0.bin" and Path(file.path).read_bytes() == b"1234"


def test_the_errand_s_folder_is_removed_even_after_a_failure(tmp_path: Path, runner: Make) -> None:
    link = phones.phone()

    def fail(errand: Errand) -> Response:
        raise RunnerError("no")

    with pytest.raises(RunnerError, match="no"):
        runner(link, StaticRoute(fail)).run(phones.request(tmp_path), folder=tmp_path, bounds=BOUNDS)
    assert link.asked[-1][:2] == ("rm", "-rf") and link.asked[-1][2].startswith("/data/local/tmp/pocketbench/jobs/r")


def test_a_phone_has_plans_instead_of_live_sessions(tmp_path: Path, runner: Make) -> None:
    made = runner(phones.phone(), StaticRoute())
    assert isinstance(made, PlanRunner) and isinstance(made, DrainRunner)
    with pytest.raises(RunnerError, match="no live sessions"):
        made.start(phones.request(tmp_path), folder=tmp_path, bounds=BOUNDS)


def test_the_device_is_told_with_its_chip_its_state_and_the_way_to_it(runner: Make) -> None:
    device = runner(phones.phone(), StaticRoute()).device()
    assert (device.kind, device.name, device.soc, device.abi) == (
        "phone",
        "Google Pixel 9",
        "Google Tensor G4",
        "arm64-v8a",
    )
    assert (device.os_build, device.serial, device.memory_mb, device.cores) == (
        "Android 16 (API 36)",
        "R58M12ABCDE",
        11718,
        1,
    )
    assert device.facts["battery_percent"] == "68" and device.facts["link"] == "server"


def test_energy_is_refused_while_the_phone_charges(tmp_path: Path, runner: Make) -> None:
    link = phones.phone(battery=phones.BATTERY.replace("USB powered: false", "USB powered: true"))
    link.on_script("supervise", RunnerError("no perfetto here"))
    with pytest.raises(RunnerError, match="while the phone is charging"):
        runner(link, StaticRoute()).drain(phones.request(tmp_path), idle_secs=60, folder=tmp_path, bounds=BOUNDS)
