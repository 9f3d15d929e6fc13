"""What can be done with a device, whichever way it is reached: run a command, push a file, pull one.

Three links serve it: `direct` speaks with the device's own daemon over TCP, `server` goes through the local adb server
(USB, pairing, emulators), `host` is this machine. Nothing that is handed to a link is ever read by a shell as anything
but the words it was given: `shell` takes a list of words and the link quotes them, `script` takes a fixed text of ours
and passes every changing part as `$1`, `$2` ...
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol

from harness.errors import RunnerError
from harness.records import Record

How = Literal["direct", "server", "host"]


class Output(Record, frozen=True, kw_only=True):
    """What a command did. code: its exit code, 128 + n after signal n. Where a device is too old to keep the two
    apart, stderr stands in stdout."""

    code: int
    stdout: bytes = b""
    stderr: bytes = b""

    @property
    def text(self) -> str:
        """Standard output for people and parsers; bytes that are no UTF-8 are replaced."""
        return self.stdout.decode(errors="replace")


class Link(Protocol):
    """One device. Any thread may call any method at any time; each call has a connection to itself.

    A call that finds a connection broken before anything was asked for makes a new one by itself. Raises LinkLost when
    it broke later (what was asked for may or may not have happened), DeviceUnreachable or DeviceUnauthorized when
    there is no way to the device, CommandTimeout when the time is over.
    """

    @property
    def serial(self) -> str:
        """The name that chose this device."""

    @property
    def how(self) -> How:
        """Which of the three ways it is."""

    def shell(self, argv: Sequence[str], *, timeout_secs: float, stdin: bytes = b"") -> Output:
        """Run one command to its end. A command that was given up may still run there: see `runs` for long ones.
        What it leaves running must write to files: what that says while another command runs may be taken for its."""

    def script(self, text: str, arguments: Sequence[str] = (), *, timeout_secs: float) -> Output:
        """Run a fixed shell script of ours; `arguments` are its "$1", "$2" ... and never part of its text."""

    def stream(self, argv: Sequence[str], *, timeout_secs: float) -> Iterator[bytes]:
        """The command's standard output piece by piece while it runs; RunnerError at its end when it failed."""

    def push(self, source: Path, target: str, *, mode: int = 0o644, timeout_secs: float) -> None:
        """Copy a file there; see `files` for one that must arrive whole. Raises PushFailed with the device's words.

        mode: a phone's daemon gives everybody what its owner may do (755 becomes 777)."""

    def pull(self, source: str, target: Path, *, most_bytes: int, timeout_secs: float) -> None:
        """Copy a file from there, whole or not at all; PullFailed when it is larger than `most_bytes`."""

    def features(self) -> frozenset[str]:
        """What the device's daemon says it can do, such as `shell_v2`."""

    def close(self) -> None:
        """Let go of every connection; may be called more than once."""


def checked(output: Output, what: str, *, remedy: str = "") -> str:
    """The text of a command that must succeed; RunnerError with what it said otherwise."""
    if output.code == 0:
        return output.text
    said = " ".join((output.stderr or output.stdout).decode(errors="replace").split())[:500]
    raise RunnerError(f"{what} failed with exit code {output.code}: {said or 'it said nothing'}", remedy=remedy)
