"""This machine served as a device."""

from __future__ import annotations

from pathlib import Path

import pytest

from device_runners.adb.errors import CommandTimeout, PullFailed, PushFailed
from device_runners.adb.host_link import HostLink
from device_runners.adb.link import Link
from harness.errors import RunnerError

LINK: Link = HostLink()


def test_exit_code_output_and_errors_come_back_each_by_itself() -> None:
    output = LINK.script('printf "$1"; printf err >&2; exit 7', ["out"], timeout_secs=10)
    assert (output.code, output.stdout, output.stderr) == (7, b"out", b"err")
    assert LINK.script("kill -9 $$", timeout_secs=10).code == 137
    assert LINK.shell(["no-such-program"], timeout_secs=10).code == 127
    assert LINK.shell(["cat"], timeout_secs=10, stdin=b"\0\xff").stdout == b"\0\xff"


def test_words_are_no_shell_text_here_either() -> None:
    assert LINK.shell(["printf", "%s", "$(id); 'x' \n"], timeout_secs=10).text == "$(id); 'x' \n"


def test_time_is_up_here_too() -> None:
    with pytest.raises(CommandTimeout, match=r"sleep on this machine was not done after 0\.2 s"):
        LINK.shell(["sleep", "9"], timeout_secs=0.2)
    with pytest.raises(CommandTimeout):
        list(LINK.stream(["sh", "-c", "echo one; sleep 9"], timeout_secs=0.3))


def test_a_failure_comes_after_the_output() -> None:
    got = []
    with pytest.raises(RunnerError, match="exit code 3: bad"):
        got += LINK.stream(["sh", "-c", "printf no-newline; echo bad >&2; exit 3"], timeout_secs=10)
    assert list(LINK.stream(["sh", "-c", "printf no-newline"], timeout_secs=10)) == [b"no-newline"]


def test_files_are_copied_whole_or_not_at_all(tmp_path: Path) -> None:
    source, there, back = tmp_path / "a", tmp_path / "there", tmp_path / "back"
    source.write_bytes(b"x" * 1000)
    LINK.push(source, str(there), mode=0o755, timeout_secs=10)
    assert there.stat().st_mode & 0o777 == 0o755
    with pytest.raises(PullFailed, match="larger than the 999 bytes"):
        LINK.pull(str(there), back, most_bytes=999, timeout_secs=10)
    LINK.pull(str(there), back, most_bytes=1000, timeout_secs=10)
    assert back.read_bytes() == source.read_bytes()
    with pytest.raises(PushFailed, match="could not be written on this machine"):
        LINK.push(source, "/proc/nothing", timeout_secs=10)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "back", "there"]
