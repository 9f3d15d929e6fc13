"""What a link does when the connection or the device breaks: an error with the reason, and the next call works."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from device_runners.adb import files, keys
from device_runners.adb.adb_link import AdbLink
from device_runners.adb.adbshell import Wire
from device_runners.adb.errors import (
    CommandTimeout,
    DeviceFull,
    DeviceUnauthorized,
    DeviceUnreachable,
    LinkLost,
    PushFailed,
)
from device_runners.adb.line import Patience
from device_runners.adb.link import Link
from device_runners.adb.persist import persistently
from tests.device.sandbox import Sandbox
from tests.device_runners.adb.conftest import Reach, soon
from tests.fakes.gatekeeper import gate
from tests.fakes.proxy import End, Fault, proxied

pytestmark = pytest.mark.adb

MEGABYTES = 4
THERE = "/data/local/tmp/big"


@pytest.fixture(scope="session")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("big") / "model.tflite"
    path.write_bytes(b"pocketbench-" * (MEGABYTES * 2**20 // 12))
    return path


def works(link: Link) -> bool:
    """Whether the device is still, or again, of use."""
    output = persistently(lambda: link.shell(["echo", "well"], timeout_secs=10), patience_secs=60, tell=print)
    return output.stdout == b"well\n"


def impatient(link: Link) -> Link:
    """The same link; a file may stand still for half a second only."""
    assert isinstance(link, AdbLink)
    return AdbLink(link.serial, link.how, link._dialler, silence_secs=0.5)


@pytest.mark.parametrize("end", ["cut", "reset", "stall"])
def test_a_push_over_a_link_that_breaks_is_told_and_then_done_again(
    reach: Reach, sandbox: Sandbox, big: Path, end: End
) -> None:
    with proxied(sandbox.port) as proxy:
        link = impatient(reach(proxy.serial))
        proxy.fault = Fault(end=end, after_bytes=2_000_000)
        with pytest.raises(LinkLost):
            link.push(big, THERE, timeout_secs=20)
        proxy.drop()
        proxy.fault = Fault(end=end, after_bytes=2_000_000)
        path = persistently(lambda: files.place(link, big, timeout_secs=20), patience_secs=60, tell=print)
        assert works(link)
        assert (sandbox.tmp / path.removeprefix("/data/local/tmp/")).read_bytes() == big.read_bytes()
    files.clean(reach(sandbox.serial))


def test_a_slow_reader_with_a_small_buffer_gets_the_whole_file(reach: Reach, sandbox: Sandbox, big: Path) -> None:
    with proxied(sandbox.port, Fault(small_buffer=True)) as proxy:
        reach(proxy.serial).push(big, THERE, timeout_secs=30)
    assert (sandbox.tmp / "big").read_bytes() == big.read_bytes()


def test_a_file_that_was_damaged_on_its_way_is_not_kept(reach: Reach, sandbox: Sandbox, big: Path) -> None:
    with proxied(sandbox.port) as proxy:
        link = reach(proxy.serial)
        files.listed(link)
        proxy.fault = Fault(after_bytes=3_000_000, damage=True)
        with pytest.raises(PushFailed, match=r"model\.tflite arrived damaged"):
            files.place(link, big, timeout_secs=20)
        assert files.listed(link) == []
        files.clean(link)


def test_a_full_device_says_so_and_keeps_no_part_of_the_file(
    reach: Reach, phone_files: Path, tmp_path: Path, big: Path
) -> None:
    with Sandbox(phone_files, tmp_path / "full", size="6m") as device:
        link = reach(device.serial)
        link.shell(["dd", "if=/dev/zero", "of=/data/local/tmp/other", "bs=1048576", "count=4"], timeout_secs=10)
        with pytest.raises(DeviceFull, match="No space left on device") as raised:
            files.place(link, big, timeout_secs=20)
        assert "pocketbench clean --device" in raised.value.remedy
        assert files.listed(link) == []
        link.shell(["rm", "/data/local/tmp/other"], timeout_secs=10)
        files.place(link, big, timeout_secs=20)


def test_a_full_device_gives_up_what_earlier_runs_left(
    reach: Reach, phone_files: Path, tmp_path: Path, big: Path
) -> None:
    with Sandbox(phone_files, tmp_path / "full", size="6m") as device:
        link = reach(device.serial)
        older = tmp_path / "older.pte"
        older.write_bytes(b"x" * 3_000_000)
        files.place(link, older, timeout_secs=20)
        files.place(link, big, timeout_secs=20)
        assert [one.size_bytes for one in files.listed(link)] == [big.stat().st_size]


def test_a_device_that_dies_during_a_push_is_used_again_when_it_is_back(reach: Reach, own: Sandbox, big: Path) -> None:
    with proxied(own.port) as proxy:
        link = reach(proxy.serial)
        proxy.fault = Fault(after_bytes=1_000_000, act=own.kill)
        with pytest.raises(LinkLost):
            link.push(big, THERE, timeout_secs=20)
        with pytest.raises((LinkLost, DeviceUnreachable, CommandTimeout)):
            link.push(big, THERE, timeout_secs=1)
        own.start()
        path = persistently(lambda: files.place(link, big, timeout_secs=20), patience_secs=60, tell=print)
        assert (own.tmp / path.removeprefix("/data/local/tmp/")).read_bytes() == big.read_bytes()


def test_an_answer_that_never_comes_ends_with_the_time_given(reach: Reach, sandbox: Sandbox) -> None:
    with proxied(sandbox.port) as proxy:
        link = reach(proxy.serial)
        proxy.fault = Fault(end="stall", after_bytes=0, back=True)
        with pytest.raises(CommandTimeout):
            link.shell(["true"], timeout_secs=0.5)
        proxy.drop()
        assert works(link)


def test_a_device_that_does_not_know_our_key_is_refused_until_somebody_taps(
    reach: Reach, sandbox: Sandbox, way: str, told: list[str]
) -> None:
    with gate(sandbox.port, locked=True) as keeper:
        if way == "direct":
            threading.Timer(0.2, keeper.tapped.set).start()
        else:
            with pytest.raises(DeviceUnauthorized) as raised:
                reach(keeper.serial)
            assert "Allow" in raised.value.remedy
            keeper.tapped.set()
            assert soon(lambda: bool(keeper.allowed))
        assert soon(lambda: known(reach, keeper.serial))
        asked = len(keeper.offered)
        assert works(reach(keeper.serial))
        assert asked == len(keeper.offered) > 0
        assert ("tap Allow" in "".join(told)) == (way == "direct")


def known(reach: Reach, serial: str) -> bool:
    try:
        return works(reach(serial))
    except DeviceUnauthorized:
        return False


def test_nobody_waits_for_ever_for_a_tap(sandbox: Sandbox) -> None:
    with gate(sandbox.port, locked=True) as keeper:
        wire = Wire("127.0.0.1", keeper.port)
        with pytest.raises(DeviceUnauthorized, match="nobody allowed this machine") as raised:
            wire.greet(keys.signers(print), Patience(0.3, "greeting"), print)
        assert "tap Allow" in raised.value.remedy


def test_a_daemon_from_before_android_7_gives_exit_codes_and_clean_lines(
    reach: Reach, sandbox: Sandbox, big: Path, tmp_path: Path
) -> None:
    with gate(sandbox.port, old=True) as keeper:
        link = reach(keeper.serial)
        assert "shell_v2" not in link.features()
        output = link.script("echo one; echo two >&2; exit 9", timeout_secs=10)
        assert (output.code, output.stdout) == (9, b"one\ntwo\n")
        assert link.shell(["printf", "%s", "$(id); 'x'"], timeout_secs=10).stdout == b"$(id); 'x'"
        assert list(link.stream(["echo", "flow"], timeout_secs=10)) == [b"flow\n"]
        link.push(big, THERE, timeout_secs=20)
        link.pull(THERE, tmp_path / "back", most_bytes=2**23, timeout_secs=20)
        assert (tmp_path / "back").read_bytes() == big.read_bytes()
