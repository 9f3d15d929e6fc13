"""Detached runs: what is refused, and the same life on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from device_runners.adb import runs
from device_runners.adb.errors import DeviceUnreachable
from device_runners.adb.host_link import HostLink
from device_runners.adb.link import Output
from harness.errors import RunnerError
from tests.fakes.links import FakeLink


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a b", "$(id)", "-x", "a\nb", "a" * 101])
def test_a_run_needs_a_plain_name(name: str) -> None:
    with pytest.raises(RunnerError, match="no name for a run"):
        runs.start(FakeLink(), runs.Job(run_id=name, argv=("true",), limit_secs=1))


@pytest.mark.parametrize("argv", [(), ("A=b", "true"), ("-i", "true")])
def test_what_env_would_take_for_something_else_is_refused(argv: tuple[str, ...]) -> None:
    with pytest.raises(RunnerError, match="first word must be a program"):
        runs.start(FakeLink(), runs.Job(run_id="a", argv=argv, limit_secs=1))


def test_a_strange_variable_is_refused() -> None:
    with pytest.raises(RunnerError, match="no name of an environment variable"):
        runs.start(FakeLink(), runs.Job(run_id="a", argv=("x",), limit_secs=1, environment={"A B": "c"}))


@pytest.mark.parametrize("name", ["../x", "a/b", "..", "."])
def test_only_files_of_the_run_are_pulled(name: str, tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match="no name of a file"):
        runs.pull(FakeLink(), runs.Job(run_id="a", argv=("x",), limit_secs=1), name, tmp_path / "x", most_bytes=1)


def test_what_a_device_prints_in_place_of_a_report_is_no_end() -> None:
    link = FakeLink().on_script("alive", Output(code=0, stdout=b"nonsense\nstatus ended x\nalive no\n\nout"))
    progress = runs.look(link, runs.Job(run_id="a", argv=("x",), limit_secs=1))
    assert (progress.state, progress.output) == ("lost", b"out")


def test_processes_that_do_not_die_are_told() -> None:
    link = FakeLink().on_script("stopped", "2\n")
    with pytest.raises(RunnerError, match=r"2 processes of a did not end on FAKE0001"):
        runs.stop(link, runs.Job(run_id="a", argv=("x",), limit_secs=1))


def test_a_device_that_is_gone_at_the_end_hides_no_error_and_is_told() -> None:
    link = FakeLink().on_script("setsid", "").on_script("stopped", DeviceUnreachable("gone"))
    told: list[str] = []
    one = runs.Job(run_id="a", argv=("x",), limit_secs=1, lease_secs=60)
    with pytest.raises(ZeroDivisionError), runs.running(link, one, tell=told.append):
        raise ZeroDivisionError
    assert told == ["gone; a ends there by itself within 60 s"]


def test_a_run_on_this_machine_lives_the_same_life(tmp_path: Path) -> None:
    root = str(tmp_path / "pocketbench")
    link = HostLink()
    words = ("sh", "-c", "echo one; setsid sleep 50 & exit 3")
    one = runs.Job(run_id="a", argv=words, limit_secs=20, poll_secs=0.05, root=root)
    printed: list[bytes] = []
    with runs.running(link, one, tell=print):
        progress = runs.wait(link, one, tell=print, hear=printed.append)
    assert (progress.code, b"".join(printed)) == (3, b"one\n")
    marked = link.script('grep -ls "$1" /proc/[0-9]*/environ', [one.mark], timeout_secs=10)
    assert marked.stdout == b""
    runs.remove(link, one)
    assert not Path(root, "runs", "a").exists()
