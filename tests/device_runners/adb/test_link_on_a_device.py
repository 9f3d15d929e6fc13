"""Every way to a device, on a real daemon: what a link does when all is well, and what nobody may make it do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from device_runners.adb.errors import CommandTimeout, DeviceUnreachable, PullFailed, PushFailed
from device_runners.adb.link import Link
from harness.errors import RunnerError
from tests.device.sandbox import Sandbox, free_port
from tests.device_runners.adb.conftest import Reach, soon

pytestmark = pytest.mark.adb

HOSTILE = (
    "; touch /data/local/tmp/owned",
    "$(touch /data/local/tmp/owned)",
    "`touch /data/local/tmp/owned`",
    "a b  c",
    "first\nsecond; touch /data/local/tmp/owned\n",
    "it's \"quoted\" \\' \\",
    "*",
    "~",
    "-n",
    "$HOME ${PATH} #",
    "&& touch /data/local/tmp/owned",
    "\r\x1b[31m\t",
    "größe 模型",
)


def said(link: Link, *argv: str) -> str:
    return link.shell(argv, timeout_secs=10).text


@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_exit_code_output_and_errors_come_back_each_by_itself(link: Link, code: int) -> None:
    output = link.script('printf out; printf err >&2; exit "$1"', [str(code)], timeout_secs=10)
    assert (output.code, output.stdout, output.stderr) == (code, b"out", b"err")


def test_a_command_that_is_killed_says_by_which_signal(link: Link) -> None:
    assert link.script("kill -9 $$", timeout_secs=10).code == 137


def test_a_command_that_is_not_there_fails(link: Link) -> None:
    assert link.shell(["no-such-program"], timeout_secs=10).code == 127


def test_what_a_command_is_given_to_read_ends(link: Link) -> None:
    assert link.shell(["wc", "-c"], timeout_secs=10, stdin=b"x" * 50_000).text.split() == ["50000"]
    assert link.shell(["cat"], timeout_secs=10).stdout == b""


def test_binary_output_is_not_touched(link: Link) -> None:
    every = bytes(range(256)) * 300
    assert link.shell(["cat"], timeout_secs=10, stdin=every[:60_000]).stdout == every[:60_000]


def test_hostile_words_reach_a_command_as_they_are(link: Link, sandbox: Sandbox) -> None:
    for word in HOSTILE:
        assert link.shell(["printf", "%s", word], timeout_secs=10).text == word
        assert link.script('printf "%s" "$1"', [word], timeout_secs=10).text == word
        assert b"".join(link.stream(["printf", "%s", word], timeout_secs=10)).decode() == word
    assert link.shell([HOSTILE[0]], timeout_secs=10).code == 127
    assert not (sandbox.tmp / "owned").exists()


def test_hostile_file_names_stay_names(link: Link, sandbox: Sandbox, tmp_path: Path) -> None:
    folder = "/data/local/tmp/names"
    link.shell(["mkdir", "-p", folder], timeout_secs=10)
    for number, word in enumerate(HOSTILE):
        source, back = tmp_path / f"s{number}", tmp_path / f"b{number}"
        source.write_bytes(word.encode())
        link.push(source, f"{folder}/{word.replace('/', '%')}", timeout_secs=10)
        link.pull(f"{folder}/{word.replace('/', '%')}", back, most_bytes=1000, timeout_secs=10)
        assert back.read_bytes() == word.encode()
    assert len(list((sandbox.tmp / "names").iterdir())) == len(HOSTILE)
    assert not (sandbox.tmp / "owned").exists()
    link.shell(["rm", "-r", folder], timeout_secs=10)


@pytest.mark.parametrize("target", ["relative", "", "/a\0b", "/" + "x" * 2000])
def test_paths_that_are_none_are_refused_here(link: Link, tmp_path: Path, target: str) -> None:
    (tmp_path / "source").write_text("x")
    with pytest.raises(PushFailed, match="absolute path"):
        link.push(tmp_path / "source", target, timeout_secs=10)


def test_no_command_can_be_smuggled_in_by_a_nul_character(link: Link) -> None:
    with pytest.raises(RunnerError, match="NUL"):
        link.shell(["echo", "a\0id"], timeout_secs=10)


def test_a_file_goes_there_and_back_unchanged(link: Link, tmp_path: Path) -> None:
    source, back = tmp_path / "source", tmp_path / "back"
    for size in (0, 1, 65_528, 65_536, 3_000_001):
        source.write_bytes((b"0123456789abcdef" * (size // 16 + 1))[:size])
        link.push(source, "/data/local/tmp/file", mode=0o755, timeout_secs=20)
        link.pull("/data/local/tmp/file", back, most_bytes=size, timeout_secs=20)
        assert back.read_bytes() == source.read_bytes()
    assert link.shell(["test", "-x", "/data/local/tmp/file"], timeout_secs=10).code == 0


def test_a_forbidden_place_is_told_in_the_devices_own_words(link: Link, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x" * 4_000_000)
    with pytest.raises(PushFailed, match=r"/system/x could not be written .*Read-only file system"):
        link.push(tmp_path / "source", "/system/x", timeout_secs=5)
    with pytest.raises(PushFailed, match=r"couldn't create file: Permission denied"):
        link.push(tmp_path / "source", "/dev/x", timeout_secs=5)


def test_a_file_that_is_missing_or_too_large_leaves_nothing_here(link: Link, tmp_path: Path) -> None:
    with pytest.raises(PullFailed, match="No such file"):
        link.pull("/data/local/tmp/none", tmp_path / "back", most_bytes=10, timeout_secs=5)
    with pytest.raises(PullFailed, match="larger than the 1000 bytes allowed"):
        link.pull("/dev/zero", tmp_path / "back", most_bytes=1000, timeout_secs=5)
    assert list(tmp_path.glob("back*")) == []


def test_a_command_past_its_time_ends_on_the_device_too(link: Link, sandbox: Sandbox) -> None:
    with pytest.raises(CommandTimeout, match=r"sleep on .* was not done after 0\.3 s"):
        link.shell(["sleep", "47"], timeout_secs=0.3)
    assert soon(lambda: not any("sleep 47" in line for line in sandbox.processes()))


def test_output_arrives_while_a_command_runs_and_its_failure_at_the_end(link: Link) -> None:
    script = "echo one; sleep 0.2; echo two; echo bad >&2; exit 3"
    flow = link.stream(["sh", "-c", script], timeout_secs=10)
    pieces = [next(flow)]
    with pytest.raises(RunnerError, match="exit code 3: bad"):
        pieces += list(flow)
    assert pieces[0] == b"one\n"


def test_four_threads_share_a_link(link: Link) -> None:
    def ask(number: int) -> bool:
        return all(said(link, "echo", f"{number} {turn}") == f"{number} {turn}\n" for turn in range(10))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(ask, range(4)))


def test_a_device_that_is_not_there_is_told_as_that(reach: Reach) -> None:
    with pytest.raises(DeviceUnreachable, match="refused"):
        reach(f"127.0.0.1:{free_port()}")
