"""The shell that stays open on a real device: nothing of one command reaches another, and nothing stays behind."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from device_runners.adb.errors import CommandTimeout, LinkLost
from device_runners.adb.link import Link
from device_runners.adb.standing import HANG_UP
from harness.errors import RunnerError
from tests.device.sandbox import IDLE_SHELL, Sandbox
from tests.device_runners.adb.conftest import soon

pytestmark = pytest.mark.adb

SPOILING = (
    ["cd", "/"],
    ["export", "SPOILED=1"],
    ["umask", "777"],
    ["set", "-e"],
    ["trap", "echo spoiled", "EXIT"],
    ["alias", "pwd=echo spoiled"],
    ["exec", "true"],
    ["ulimit", "-n", "3"],
    ["exit", "7"],
)


def said(link: Link, *argv: str) -> str:
    return link.shell(argv, timeout_secs=10).text


def seen(link: Link) -> str:
    return said(link, "sh", "-c", "pwd; echo $SPOILED $1; umask; ulimit -n; read x; echo $?")


def test_commands_share_a_shell_and_nothing_of_one_reaches_the_next(link: Link, sandbox: Sandbox) -> None:
    before = seen(link)
    (shell,) = sandbox.pids(IDLE_SHELL)
    for argv in SPOILING:
        link.shell(argv, timeout_secs=10)
        assert seen(link) == before, argv
    assert sandbox.pids(IDLE_SHELL) == [shell]


def test_a_command_runs_as_it_would_in_a_shell_of_its_own(link: Link) -> None:
    look = [
        "sh",
        "-c",
        "cut -d ')' -f 2 /proc/self/stat | cut -d ' ' -f 18-20; umask; ulimit -a; pwd; env | grep -v ^_=",
    ]
    standing, fresh = (link.shell(look, timeout_secs=10, stdin=given).text for given in (b"", b"x"))
    assert standing == fresh and len(standing.splitlines()) > 5


def test_a_command_that_kills_its_whole_session_takes_the_shell_along_and_the_next_call_gets_another(
    link: Link,
) -> None:
    with pytest.raises(LinkLost):
        link.shell(["kill", "-9", "0"], timeout_secs=10)
    assert said(link, "echo", "well") == "well\n"


def test_what_a_command_says_is_kept_byte_for_byte(link: Link) -> None:
    assert said(link, "printf", "no end") == "no end"
    assert said(link, "echo") == "\n" and said(link, "true") == ""
    output = link.script("head -c 700000 /dev/zero; head -c 300000 /dev/zero >&2; exit 5", timeout_secs=20)
    assert (output.code, output.stdout, output.stderr) == (5, bytes(700_000), bytes(300_000))


def test_a_command_too_long_for_it_gets_a_shell_of_its_own(link: Link) -> None:
    long = "'$(" * 10_000
    assert said(link, "printf", "%s", long) == long


def test_what_a_command_left_running_says_reaches_nobody(link: Link, sandbox: Sandbox) -> None:
    done = sandbox.tmp / "said"
    stray = "(sleep 0.3; echo stray; echo stray >&2; echo >/data/local/tmp/said) & echo now"
    assert said(link, "sh", "-c", stray) == "now\n"
    assert soon(done.exists)
    done.unlink()
    time.sleep(0.1)  # for what was said to arrive
    output = link.shell(["echo", "well"], timeout_secs=10)
    assert (output.stdout, output.stderr) == (b"well\n", b"")


def test_a_command_past_its_time_takes_its_shell_along(link: Link, sandbox: Sandbox) -> None:
    said(link, "true")
    with pytest.raises(CommandTimeout):
        link.shell(["sleep", "53"], timeout_secs=0.3)
    assert soon(lambda: not sandbox.pids("sleep 53") and not sandbox.pids(IDLE_SHELL))
    assert said(link, "echo", "well") == "well\n"


def test_a_command_past_its_time_as_it_begins_is_ended_all_the_same(link: Link, sandbox: Sandbox) -> None:
    def give_up(number: int) -> None:
        for turn in range(4):
            with pytest.raises(RunnerError):
                link.shell(["sleep", "59"], timeout_secs=0.002 + 0.0003 * (4 * number + turn))

    said(link, "true")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(give_up, range(4)))
    assert soon(lambda: not sandbox.pids("sleep 59"))


def test_a_shell_that_missed_a_hang_up_is_hung_up_again_and_no_other(link: Link, sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(link.shell, ["sleep", "61"], timeout_secs=20)
        assert soon(lambda: bool(sandbox.pids("sleep 61")))
        (shell,) = sandbox.pids(IDLE_SHELL)
        environment = Path(f"/proc/{shell}/environ").read_bytes()
        (name,) = re.findall(rb"POCKETBENCH_SHELL=([0-9a-f]{16})\0", environment)
        assert link.script(HANG_UP, [name.decode()], timeout_secs=10).stdout == b""
        with pytest.raises(LinkLost, match="ended in the middle"):
            running.result()
    assert not sandbox.pids("sleep 61") and shell not in sandbox.pids(IDLE_SHELL)
    assert len(sandbox.pids(IDLE_SHELL)) == 1, "the one that did it"


def test_a_shell_that_was_killed_between_two_calls_is_not_noticed(link: Link, sandbox: Sandbox) -> None:
    said(link, "true")
    for pid in sandbox.pids(IDLE_SHELL):
        os.kill(pid, signal.SIGKILL)
    assert soon(lambda: not sandbox.pids(IDLE_SHELL))
    time.sleep(0.1)
    assert said(link, "echo", "well") == "well\n"


def test_a_shell_that_is_killed_during_a_call_is_a_lost_link(link: Link, sandbox: Sandbox) -> None:
    said(link, "true")
    pids = sandbox.pids(IDLE_SHELL)
    threading.Timer(0.3, lambda: [os.kill(pid, signal.SIGKILL) for pid in pids]).start()
    with pytest.raises(LinkLost):
        link.shell(["sleep", "1"], timeout_secs=10)
    assert said(link, "echo", "well") == "well\n"


def test_no_shell_stays_when_the_link_is_closed(link: Link, sandbox: Sandbox) -> None:
    said(link, "true")
    assert sandbox.pids(IDLE_SHELL)
    link.close()
    assert sandbox.pids(IDLE_SHELL) == []
