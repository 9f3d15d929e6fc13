"""Long commands on a device: they run without us, never for ever, and are followed by looking at them.

A run has a folder of its own and lives in a session of its own there, so that a dropped link does not touch it. Beside
it runs a watchdog, on the device, that kills it when its time is over, or when it was not looked at for longer than its
lease: whatever happens to this machine, nothing is left running. `stop` kills everything that belongs to a run, also
what left its session: each of its processes carries the run's name in its environment.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec

from device_runners.adb import run_scripts as scripts
from device_runners.adb.errors import CommandTimeout, DeviceUnauthorized, DeviceUnreachable, LinkLost
from device_runners.adb.files import ROOT
from device_runners.adb.link import Link, checked
from device_runners.adb.persist import PATIENCE_SECS, persistently
from harness.errors import RunnerError
from harness.records import Record

MARK = "POCKETBENCH_RUN"
_SECS = 15.0
_START_SECS = 20.0
_MOST_PIECE_BYTES = 65536
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

State = Literal["running", "ended", "killed", "lost"]
Tell = Callable[[str], None]


class Job(Record, frozen=True, kw_only=True):
    """A command to run on a device. limit_secs: of its whole life; lease_secs: longest time without a look at it.

    poll_secs: between our looks at it; watchdog_secs: between the watchdog's; patience_secs: for a lost device.
    token: tells this start from another of the same name.
    """

    run_id: str
    argv: tuple[str, ...]
    limit_secs: float
    lease_secs: float = 180.0
    poll_secs: float = 1.0
    watchdog_secs: float = 5.0
    patience_secs: float = PATIENCE_SECS
    environment: dict[str, str] = {}
    root: str = ROOT
    token: str = msgspec.field(default_factory=lambda: secrets.token_hex(8))

    @property
    def folder(self) -> str:
        """Where it runs on the device; what it says is in `out` and `err` there."""
        return f"{self.root}/runs/{self.run_id}"

    @property
    def mark(self) -> str:
        """In the environment of all its processes; ends so that it is not the beginning of another run's."""
        return f"{MARK}={self.run_id}:"


class Progress(Record, frozen=True, kw_only=True):
    """A look at a run. ended: with `code`; killed: by the watchdog; lost: gone without an exit code. reason: in words,
    for everything but `running` and a code of 0. output: what it printed since the last look, in pieces."""

    state: State
    code: int | None = None
    reason: str = ""
    output: bytes = b""


def start(link: Link, job: Job) -> None:
    """Start the command, once: asked for again (after a lost link) it finds it running. Raises RunnerError."""
    limits = [str(round(job.limit_secs)), str(round(job.lease_secs)), f"{job.watchdog_secs:g}"]
    settings = [f"{name}={value}" for name, value in _environment(job).items()]
    words = [job.folder, *limits, job.mark, scripts.SUPERVISE, job.token, *settings, *job.argv]
    output = link.script(scripts.START, words, timeout_secs=_START_SECS)
    checked(output, f"starting {job.argv[0]}", remedy="is the device full? see `pocketbench doctor`")


def look(link: Link, job: Job, *, seen_bytes: int = 0) -> Progress:
    """How the run is; its lease begins anew. seen_bytes: how much of its output was seen before."""
    words = [job.folder, str(round(job.lease_secs)), str(seen_bytes), str(_MOST_PIECE_BYTES)]
    output = link.script(scripts.LOOK, words, timeout_secs=_SECS)
    checked(output, "looking at a run")
    header, _, rest = output.stdout.partition(b"\n\n")
    facts = dict(line.partition(" ")[::2] for line in header.decode(errors="replace").splitlines())
    return _progress(facts, job, rest)


def wait(link: Link, job: Job, *, tell: Tell, hear: Callable[[bytes], None] | None = None) -> Progress:
    """Look at the run until it is over, through dropped links; gives the last look. hear: is given its output.

    Raises DeviceUnreachable or LinkLost when the device did not come back in time: the watchdog there ends the run.
    """
    seen = 0
    while True:
        now = partial(look, link, job, seen_bytes=seen)
        progress = persistently(now, patience_secs=job.patience_secs, tell=tell)
        seen += len(progress.output)
        if hear and progress.output:
            hear(progress.output)
        if not progress.output and progress.state != "running":
            return progress
        if not progress.output:
            time.sleep(job.poll_secs)


def stop(link: Link, job: Job) -> None:
    """Kill everything that belongs to the run; RunnerError when something is left. Harmless when it is over."""
    output = link.script(scripts.STOP, [job.folder, job.mark], timeout_secs=_SECS)
    left = checked(output, "stopping a run").strip()
    if left != "0":
        raise RunnerError(f"{left} processes of {job.run_id} did not end on {link.serial}", remedy="restart the phone")


def stop_all(link: Link, *, root: str = ROOT) -> int:
    """Stop every run whose folder is on the device; gives how many folders there were."""
    names = checked(link.script(scripts.LIST, [f"{root}/runs"], timeout_secs=_SECS), "listing runs").splitlines()
    found = [name for name in names if _ID.fullmatch(name)]
    for name in found:
        stop(link, Job(run_id=name, argv=("true",), limit_secs=1, root=root))
    return len(found)


def remove(link: Link, job: Job) -> None:
    """Stop the run and remove its folder."""
    stop(link, job)
    checked(link.script(scripts.REMOVE, [job.folder], timeout_secs=_SECS), "removing a run")


def pull(link: Link, job: Job, name: str, target: Path, *, most_bytes: int) -> None:
    """Copy `out`, `err` or another file out of the run's folder."""
    if "/" in name or name in (".", ".."):
        raise RunnerError(f"{name!r} is no name of a file in a run's folder")
    link.pull(f"{job.folder}/{name}", target, most_bytes=most_bytes, timeout_secs=60)


@contextlib.contextmanager
def running(link: Link, job: Job, *, tell: Tell) -> Iterator[Job]:
    """Start the run; whatever happens here, it is stopped on the device in the end.

    When the device cannot be reached at the end, that is told: its watchdog stops the run within the lease.
    """
    try:
        persistently(lambda: start(link, job), patience_secs=job.patience_secs, tell=tell)
        yield job
    finally:
        try:
            stop(link, job)
        except (LinkLost, DeviceUnreachable, DeviceUnauthorized, CommandTimeout) as error:
            tell(f"{error}; {job.run_id} ends there by itself within {job.lease_secs:g} s")


def _environment(job: Job) -> dict[str, str]:
    """Checked, because `env` would take a strange name for something else."""
    if not _ID.fullmatch(job.run_id):
        raise RunnerError(f"{job.run_id!r} is no name for a run: letters, digits, dots and dashes")
    if not job.argv or "=" in job.argv[0] or job.argv[0].startswith("-"):
        raise RunnerError(f"{list(job.argv)!r} cannot be run: the first word must be a program")
    for name in job.environment:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise RunnerError(f"{name!r} is no name of an environment variable")
    return job.environment


def _progress(facts: dict[str, str], job: Job, output: bytes) -> Progress:
    """What the script printed, as a look at the run."""
    if "folder" in facts:
        return Progress(state="lost", reason="its folder is gone from the device")
    state, _, detail = facts.get("status", "").partition(" ")
    detail = detail.strip()
    if state == "ended" and detail.isdigit():
        code = int(detail)
        return Progress(state="ended", code=code, reason=_ending(code), output=output)
    if state == "killed":
        return Progress(state="killed", reason=_KILLED.get(detail, detail).format(job=job), output=output)
    if facts.get("booted") == "yes":
        return Progress(state="lost", reason="the device was restarted", output=output)
    if facts.get("alive") == "yes":
        return Progress(state="running", output=output)
    return Progress(state="lost", reason=_GONE, output=output)


_GONE = "its processes are gone from the device without an exit code (often: the system, out of memory)"
_KILLED = {
    "limit": "it passed its limit of {job.limit_secs:g} s and was killed on the device",
    "lease": "nobody looked at it for {job.lease_secs:g} s, so the device killed it",
    "stop": "it was stopped",
}


def _ending(code: int) -> str:
    if code == 0:
        return ""
    if code > 128:
        number = code - 128
        often = " (often: the system, out of memory)" if number == signal.SIGKILL else ""
        known = {member.value: member.name for member in signal.Signals}
        return f"it was ended by {known.get(number, f'signal {number}')}{often}"
    return f"it ended with exit code {code}"
