"""Detached runs on a real daemon: they outlive the link, and nothing outlives them."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from device_runners.adb import files, runs
from device_runners.adb.link import Link
from device_runners.adb.server import Server
from harness.errors import RunnerError
from harness.process import Bounds, execute
from tests.device.sandbox import Sandbox
from tests.device_runners.adb.conftest import Reach, soon
from tests.fakes.proxy import proxied

pytestmark = pytest.mark.adb

_numbers = itertools.count()
# Everything a badly behaved program leaves behind: a child, one in a session of its own, one that ignores signals.
MESS = "sleep 91 & setsid sleep 92 & (setsid sh -c 'trap : HUP TERM INT; sleep 93; sleep 94' &)"


def job(script: str, **changes: Any) -> runs.Job:
    wanted = {"limit_secs": 30.0, "poll_secs": 0.05, "watchdog_secs": 0.2, "patience_secs": 20.0}
    return runs.Job(run_id=f"run-{next(_numbers)}", argv=("sh", "-c", script), **(wanted | changes))


def finished(link: Link, one: runs.Job) -> tuple[runs.Progress, bytes]:
    """The run, started, waited for and stopped; with all that it printed."""
    printed: list[bytes] = []
    with runs.running(link, one, tell=print):
        progress = runs.wait(link, one, tell=print, hear=printed.append)
    return progress, b"".join(printed)


def test_a_run_ends_with_its_code_its_output_and_its_environment(link: Link, sandbox: Sandbox, tmp_path: Path) -> None:
    one = job('echo "$WORD"; sleep 0.2; echo end; echo bad >&2; exit 7', environment={"WORD": "$(id) '; x"})
    progress, printed = finished(link, one)
    assert (progress.state, progress.code, progress.reason) == ("ended", 7, "it ended with exit code 7")
    assert printed == b"$(id) '; x\nend\n"
    runs.pull(link, one, "err", tmp_path / "err", most_bytes=100)
    assert (tmp_path / "err").read_bytes() == b"bad\n"
    runs.remove(link, one)
    assert not (sandbox.tmp / "pocketbench" / "runs" / one.run_id).exists()


def test_nothing_that_a_run_started_is_left_when_it_ends(link: Link, sandbox: Sandbox) -> None:
    progress, _ = finished(link, job(MESS))
    assert progress.code == 0
    assert sandbox.processes() == []


def test_nothing_is_left_when_we_give_up(link: Link, sandbox: Sandbox) -> None:
    one = job(f"{MESS}; sleep 95")
    with pytest.raises(KeyboardInterrupt), runs.running(link, one, tell=print):
        assert soon(lambda: any("sleep 94" in line for line in sandbox.processes()))
        raise KeyboardInterrupt
    assert sandbox.processes() == []
    assert runs.look(link, one).reason == "it was stopped"


def test_the_device_itself_ends_a_run_that_takes_too_long(link: Link, sandbox: Sandbox) -> None:
    one = job(f"{MESS}; sleep 95", limit_secs=1)
    runs.start(link, one)
    progress = runs.wait(link, one, tell=print)
    assert (progress.state, progress.code) == ("killed", None)
    assert progress.reason == "it passed its limit of 1 s and was killed on the device"
    assert soon(lambda: sandbox.processes() == [])


def test_the_device_itself_ends_a_run_that_nobody_looks_at(sandbox: Sandbox, adb_server: Server) -> None:
    from device_runners.adb.connect import connect

    link = connect(sandbox.serial, tell=print)
    one = job(f"{MESS}; sleep 95", lease_secs=1)
    runs.start(link, one)
    link.close()
    assert soon(lambda: len(sandbox.processes()) > 3)
    assert soon(lambda: sandbox.processes() == [])
    assert runs.look(connect(sandbox.serial, tell=print), one).reason.startswith("nobody looked at it for 1 s")


def test_a_run_that_is_killed_says_by_which_signal(link: Link) -> None:
    progress, _ = finished(link, job("kill -9 $$"))
    assert (progress.state, progress.code) == ("ended", 137)
    assert progress.reason == "it was ended by SIGKILL (often: the system, out of memory)"


def test_a_run_whose_processes_vanish_is_lost_with_a_reason(link: Link) -> None:
    one = job("sleep 96")
    runs.start(link, one)
    group = 'read pid rest < "$1/pid"; kill -9 "-$pid"'
    assert link.script(group, [one.folder], timeout_secs=10).code == 0
    progress = runs.wait(link, one, tell=print)
    assert (progress.state, progress.code) == ("lost", None)
    assert "without an exit code" in progress.reason
    runs.stop(link, one)


def test_a_run_goes_on_while_the_link_drops_and_its_output_comes_once(
    reach: Reach, sandbox: Sandbox, tmp_path: Path
) -> None:
    with proxied(sandbox.port) as proxy:
        link = reach(proxy.serial)
        one = job("for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.1; done", poll_secs=0.02)
        printed: list[bytes] = []

        def hear(piece: bytes) -> None:
            printed.append(piece)
            if len(printed) in (2, 4):
                proxy.drop()

        with runs.running(link, one, tell=print):
            assert runs.wait(link, one, tell=print, hear=hear).code == 0
        assert b"".join(printed).split() == [b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8"]
        assert sandbox.processes() == []


def test_a_restarted_phone_loses_the_run_and_keeps_the_files(reach: Reach, own: Sandbox, tmp_path: Path) -> None:
    link = reach(own.serial)
    model = tmp_path / "model.pte"
    model.write_bytes(b"weights")
    path = files.place(link, model, timeout_secs=10)
    one = job("echo begun; sleep 97")
    told: list[str] = []
    with runs.running(link, one, tell=told.append):
        assert soon(lambda: runs.look(link, one).output == b"begun\n")
        own.kill()
        own.start()
        progress = runs.wait(link, one, tell=told.append)
    assert (progress.state, progress.reason) == ("lost", "the device was restarted")
    assert link.shell(["cat", path], timeout_secs=10).stdout == b"weights"


def test_a_run_goes_on_when_the_adb_server_is_killed(sandbox: Sandbox, adb_server: Server, tmp_path: Path) -> None:
    from device_runners.adb.connect import connect

    link = connect(sandbox.serial, tell=print, how="server", server=adb_server)
    one = job("sleep 0.5; echo end")
    argv = ["adb", "-P", str(adb_server.port), "kill-server"]
    with runs.running(link, one, tell=print):
        execute(argv, bounds=Bounds(timeout_secs=10), log=tmp_path / "log")
        assert runs.wait(link, one, tell=print).code == 0


def test_a_run_that_fills_the_device_still_says_how_it_ended(
    reach: Reach, phone_files: Path, tmp_path: Path, way: str
) -> None:
    with Sandbox(phone_files, tmp_path / "full", size="1m") as device:
        link = reach(device.serial)
        progress, printed = finished(link, job("dd if=/dev/zero of=/data/local/tmp/all; echo said"))
        assert (progress.state, progress.code) == ("ended", 1)
        assert printed == b""
        with pytest.raises(RunnerError, match=r"starting sh failed .*No space left on device"):
            runs.start(link, job("true"))


def test_a_name_is_used_for_one_run_only_but_a_start_may_be_repeated(link: Link) -> None:
    one = job("sleep 98")
    runs.start(link, one)
    runs.start(link, one)
    with pytest.raises(RunnerError, match="a run of that name is there already"):
        runs.start(link, runs.Job(run_id=one.run_id, argv=("true",), limit_secs=1))
    assert runs.look(link, one).state == "running"
    assert runs.stop_all(link) >= 1
    assert runs.look(link, one).state == "killed"


def test_stopping_a_run_leaves_another_of_a_similar_name_alone(link: Link) -> None:
    one = runs.Job(run_id=f"run.{next(_numbers)}", argv=("sleep", "99"), limit_secs=20)
    other = runs.Job(run_id=one.run_id + "0", argv=("sleep", "99"), limit_secs=20)
    alike = runs.Job(run_id=one.run_id.replace(".", "-"), argv=("sleep", "99"), limit_secs=20)
    for each in (one, other, alike):
        runs.start(link, each)
    runs.stop(link, one)
    assert [runs.look(link, each).state for each in (one, other, alike)] == ["killed", "running", "running"]
    runs.stop_all(link)


def test_cleaning_leaves_nothing_of_ours(link: Link, sandbox: Sandbox) -> None:
    runs.start(link, job(f"{MESS}; sleep 95"))
    runs.stop_all(link)
    assert files.clean(link) >= 0
    assert not (sandbox.tmp / "pocketbench").exists()
    assert sandbox.processes() == []
