"""device_runners/choice.py: which device a name means, and what is said where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from device_runners import choice, doctor, kind_of, listing
from device_runners.choice import Wanted
from harness.errors import ExperimentError, RunnerError
from tests.device.sandbox import free_port


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A computer without adb, and without an adb server."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(free_port()))
    for name in ("ADB", "ANDROID_HOME", "ANDROID_SDK_ROOT", "ANDROID_SERIAL", "POCKETBENCH_SANDBOX"):
        monkeypatch.delenv(name, raising=False)


def wanted(device: str, told: list[str] | None = None) -> Wanted:
    return Wanted(device=device, tell=(told if told is not None else []).append)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("host", "host"),
        ("auto", "auto"),
        ("phone", "phone"),
        ("sandbox", "sandbox"),
        ("emulator:Pixel_8", "emulator"),
        ("emulator-5554", "serial"),
        ("R58M12ABCDE", "serial"),
        ("192.168.1.20:5555", "serial"),
        ("adb-R58M12ABCDE-x1Y2z3._adb-tls-connect._tcp", "serial"),
        ("[fe80::1]:5555", "serial"),
    ],
)
def test_a_name_means_a_kind_of_device_or_is_a_serial(name: str, kind: str) -> None:
    assert choice.check(name) == name and kind_of(name) == kind


@pytest.mark.parametrize(
    "name",
    ["", "a b", "$(reboot)", "x;reboot", "../x", "-s", "a\nb", "emulator:", "emulator:a b", "emulator:-wipe-data"],
)
def test_what_no_device_is_called_is_refused(name: str) -> None:
    with pytest.raises(ExperimentError, match="device"):
        choice.check(name)


@pytest.mark.usefixtures("nothing")
def test_without_a_phone_auto_takes_this_computer_and_says_so() -> None:
    told: list[str] = []
    runner = choice.auto(wanted("auto", told))
    assert runner.device().kind == "host"
    assert told == ["no phone is connected: this computer is measured instead"]


@pytest.mark.usefixtures("nothing")
def test_without_a_phone_phone_refuses() -> None:
    with pytest.raises(RunnerError, match="none is connected") as caught:
        choice.phone(wanted("phone"))
    assert "pocketbench doctor" in caught.value.remedy


@pytest.mark.usefixtures("nothing")
def test_a_phone_that_is_not_there_is_an_error_with_a_remedy() -> None:
    with pytest.raises(RunnerError) as caught:
        choice.serial(wanted(f"127.0.0.1:{free_port()}"))
    assert caught.value.remedy


def test_several_phones_are_a_question() -> None:
    assert choice._only(["A"]) == "A"
    with pytest.raises(ExperimentError, match="several phones are connected: A, B") as caught:
        choice._only(["A", "B"])
    assert "devices: all" in caught.value.remedy


@pytest.mark.usefixtures("nothing")
def test_a_list_without_phones_is_this_computer() -> None:
    (seen,) = listing.everything()
    assert seen.device.kind == "host" and seen.obstacles == ()


@pytest.mark.usefixtures("nothing")
def test_an_address_where_nothing_listens_is_listed_with_the_reason() -> None:
    _, seen = listing.everything([f"127.0.0.1:{free_port()}"])
    (obstacle,) = seen.obstacles
    assert obstacle.stops and "127.0.0.1" in obstacle.what and obstacle.remedy


@pytest.mark.parametrize("condition", [*listing.REMEDIES, "no permissions (user in plugdev group)", "strange"])
def test_every_state_of_adb_s_list_has_a_remedy(condition: str) -> None:
    seen = listing.shut("ABC", "Pixel_9", condition)
    (obstacle,) = seen.obstacles
    assert obstacle.stops and obstacle.remedy and seen.device.name == "Pixel 9"


@pytest.mark.usefixtures("nothing")
def test_the_doctor_misses_adb_and_a_phone_and_says_what_to_do(tmp_path: Path) -> None:
    found = {one.what: one for one in doctor.examine()}
    (adb,) = [one for what, one in found.items() if "no program adb" in what]
    assert adb.grade == "failed" and "apt-get install adb" in adb.remedy
    assert found["no phone is connected"].grade == "warning"


@pytest.mark.usefixtures("nothing")
def test_the_doctor_sees_a_key_that_others_can_read(tmp_path: Path) -> None:
    key = tmp_path / ".android" / "adbkey"
    key.parent.mkdir()
    key.write_text("secret")
    key.chmod(0o644)
    (found,) = [one for one in doctor.examine() if str(key) in one.what]
    assert found.grade == "failed" and found.remedy == f"chmod 600 {key}"
    key.chmod(0o600)
    (found,) = [one for one in doctor.examine() if str(key) in one.what]
    assert found.grade == "ok" and not found.remedy
