"""Which way a serial takes, and that a switch is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from device_runners.adb.connect import connect, way
from device_runners.adb.errors import DeviceUnreachable, DeviceWantsTls
from device_runners.adb.server import Server
from harness.errors import RunnerError
from tests.device.sandbox import free_port
from tests.fakes.gatekeeper import gate


@pytest.mark.parametrize(
    ("serial", "expected"),
    [
        ("local", "host"),
        ("192.168.1.20:5555", "direct"),
        ("phone.lan:37123", "direct"),
        ("[fe80::1]:5555", "direct"),
        ("R58M12ABCDE", "server"),
        ("emulator-5554", "server"),
        ("adb-R58M12ABCDE-x7Yz._adb-tls-connect._tcp", "server"),
    ],
)
def test_the_form_of_a_serial_chooses_the_way(serial: str, expected: str) -> None:
    assert way(serial) == expected


@pytest.mark.parametrize("serial", ["", "a b", "$(id)", "a;b", "-P", "a\nb", "x" * 300, "phone:0", "phone:99999"])
def test_what_is_no_serial_is_refused(serial: str) -> None:
    with pytest.raises(RunnerError, match=r"is no (serial|address) of a device"):
        connect(serial, tell=print, server=Server(free_port()))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return tmp_path


@pytest.fixture
def no_adb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server that is not running, and no program to start it."""
    for name in ("ADB", "ANDROID_HOME", "ANDROID_SDK_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    return Server(free_port())


def test_a_port_for_paired_machines_is_left_to_the_server_and_that_is_told(home: Path, no_adb: Server) -> None:
    told: list[str] = []
    with gate(0, stls=True) as port:
        with pytest.raises(DeviceUnreachable, match="no program adb"):
            connect(port.serial, tell=told.append, server=no_adb)
        assert told[-1] == (
            f"{port.serial} speaks to paired machines only (wireless debugging): "
            "going through the adb server instead of direct"
        )
        with pytest.raises(DeviceWantsTls):
            connect(port.serial, tell=told.append, how="direct", server=no_adb)


def test_an_emulator_without_any_adb_is_reached_directly_and_that_is_told(home: Path, no_adb: Server) -> None:
    told: list[str] = []
    with pytest.raises(DeviceUnreachable, match=r"127\.0\.0\.1:1 cannot be connected to"):
        connect("emulator-0", tell=told.append, server=no_adb)
    assert told[0].endswith("going direct to 127.0.0.1:1 for emulator-0")
    with pytest.raises(DeviceUnreachable, match="no program adb") as raised:
        connect("R58M12ABCDE", tell=told.append, server=no_adb)
    assert "platform-tools" in raised.value.remedy
