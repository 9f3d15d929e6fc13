"""device_runners/emulator.py, with a stand-in for the SDK's program that starts a real adb daemon on its ports."""

from __future__ import annotations

from pathlib import Path

import pytest

from device_runners import emulator, identity
from device_runners.adb.connect import connect
from device_runners.adb.server import Server
from harness.errors import RunnerError
from tests.device.sandbox import HERE, Sandbox

STAND_IN = """#!/bin/sh
# As the SDK's emulator: -list-avds, or -avd NAME -port CONSOLE and options.
[ "$1" = -list-avds ] && {{ echo "INFO | Storing crashdata in: x"; echo Pixel_9; exit 0; }}
while [ $# -gt 0 ]; do [ "$1" = -port ] && port=$2; shift; done
echo "it boots on $port"
{boot}
"""


@pytest.fixture
def sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "an sdk" / "emulator"
    folder.mkdir(parents=True)
    monkeypatch.setenv("ANDROID_HOME", str(folder.parent))
    monkeypatch.delenv("ANDROID_SDK_ROOT", raising=False)
    return folder / "emulator"


def program(path: Path, boot: str) -> None:
    path.write_text(STAND_IN.format(boot=boot))
    path.chmod(0o755)


def start(avd: str = "Pixel_9", boot_secs: float = 30.0) -> emulator.Emulator:
    return emulator.start(avd, tell=lambda _: None, boot_secs=boot_secs)


def test_a_virtual_device_boots_is_found_by_the_adb_server_and_is_stopped(
    sdk: Path, phone_files: Path, adb_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(adb_server.port))
    adb_server.devices()  # it is running, as it is for whoever works with an emulator
    avd = Sandbox(phone_files, tmp_path / "avd", size="16m")
    avd.prop("ro.build.fingerprint", "google/sdk_gphone64_x86_64/emu64xa:16/X/1:userdebug/dev-keys")
    avd.prop("ro.boot.qemu", "1")
    program(sdk, f'exec "{HERE}/start.sh" "{phone_files}/root" "{avd.folder}" $((port + 1)) 16m')
    started = start()
    try:
        assert started.serial in {one.serial for one in adb_server.devices() if one.state == "device"}
        link = connect(started.serial, tell=lambda _: None)
        assert link.how == "server" and identity.look(link).kind == "emulator"
        link.close()
    finally:
        started.stop()
        started.stop()
    assert not started.alive()


def test_a_computer_without_an_emulator_is_told_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("ANDROID_HOME", "ANDROID_SDK_ROOT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RunnerError, match="no Android emulator") as caught:
        start()
    assert "ANDROID_HOME" in caught.value.remedy


def test_an_unknown_virtual_device_is_refused_with_the_known_ones(sdk: Path) -> None:
    program(sdk, "exit 0")
    with pytest.raises(RunnerError, match="no virtual device 'Pixel_1'") as caught:
        start("Pixel_1")
    assert caught.value.remedy == "use one of: Pixel_9"


def test_an_emulator_that_ends_while_it_boots_is_told_with_its_last_words(sdk: Path) -> None:
    program(sdk, 'echo "PANIC: no acceleration"; exit 1')
    with pytest.raises(RunnerError, match="ended while Pixel_9 booted: PANIC: no acceleration"):
        start()


def test_an_emulator_that_does_not_boot_in_time_is_stopped(sdk: Path, tmp_path: Path) -> None:
    program(sdk, f'echo $$ >"{tmp_path}/pid"; exec sleep 60')
    with pytest.raises(RunnerError, match="did not boot within 1 s: its adb port did not open"):
        start(boot_secs=1.0)
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


def test_a_list_that_cannot_be_had_is_an_error(sdk: Path) -> None:
    sdk.write_text("#!/bin/sh\nexit 3\n")
    sdk.chmod(0o755)
    with pytest.raises(RunnerError, match="does not list its devices"):
        start()
