"""The one door for child processes: argv lists, always a time limit, output always kept.

Every other module that needs a child process calls `execute` (run to the end) or `Child` (talk line by line).
A child leads a process group of its own, and the whole group is killed when a limit is passed, when the child
ends and when it is closed, so that nothing is left running.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from harness.errors import ProcessCrashed, ProcessError, ProcessMemory, ProcessTimeout, StoreError
from harness.records import Record

TAIL_BYTES = 4000
MAX_LINE_BYTES = 65536
_POLL_SECS = 0.1
_Env = Mapping[str, str] | None
_live: set[_Group] = set()
_live_lock = threading.Lock()


class Bounds(Record, frozen=True, kw_only=True):
    """Limits of one child process; memory is the resident memory of the child and all its descendants."""

    timeout_secs: float
    memory_limit_mb: int = 0


class Completed(Record, frozen=True, kw_only=True):
    """A child that ended with exit code 0. peak_rss_mb: as polled ten times a second, 0 without a limit on it;
    cpu_secs: user and system time of it and of the descendants it waited for, -1 where it could not be had."""

    seconds: float
    peak_rss_mb: float = 0.0
    cpu_secs: float = -1.0


def execute(argv: Sequence[str], *, bounds: Bounds, log: Path, env: _Env = None, cwd: Path | None = None) -> Completed:
    """Run `argv` to its end, standard output and error appended to `log`.

    Raises ProcessTimeout, ProcessMemory or ProcessCrashed, each with the tail of the output; ProcessError when it
    cannot be started, StoreError when the log cannot be written. An interrupt (Ctrl-C) kills the child before it is
    passed on.
    """
    started = time.monotonic()
    with contextlib.closing(_Group(argv, log=log, env=env, cwd=cwd)) as group:
        while not group.ended_within(_POLL_SECS):
            group.enforce(bounds, elapsed=time.monotonic() - started)
        cpu_secs = group.stop()
        group.verify()
    return Completed(seconds=time.monotonic() - started, peak_rss_mb=group.peak_rss_mb, cpu_secs=cpu_secs)


class Child:
    """A live child process that is talked to line by line; close it.

    memory_limit_mb is held while the child is waited for; 0 for none.
    """

    def __init__(self, argv: Sequence[str], *, log: Path, env: _Env = None, memory_limit_mb: int = 0) -> None:
        self._memory_limit_mb = memory_limit_mb
        self._unread = b""
        self._group = _Group(argv, log=log, env=env, talk=True)

    @property
    def pid(self) -> int:
        return self._group.pid

    def send(self, line: str) -> None:
        """Write one line; ProcessCrashed when the child is gone."""
        try:
            os.write(self._group.stdin.fileno(), line.encode() + b"\n")
        except OSError as error:
            raise self._group.gone() from error

    def receive(self, *, timeout_secs: float) -> str:
        """The child's next line; raises ProcessTimeout, ProcessMemory or ProcessCrashed.

        A last line that the child did not finish is no answer. A child that is silent too long is killed.
        """
        started = time.monotonic()
        while b"\n" not in self._unread:
            chunk = self._group.read_within(_POLL_SECS)
            if chunk == b"":
                raise self._group.gone()
            self._unread += chunk or b""
            if len(self._unread) > MAX_LINE_BYTES and b"\n" not in self._unread:
                raise self._group.failed(ProcessError, f"sent a line of more than {MAX_LINE_BYTES} bytes")
            self._enforce(timeout_secs, started)
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode(errors="replace")

    def finish(self, *, timeout_secs: float) -> None:
        """Close its input and wait for it to end by itself with exit code 0."""
        started = time.monotonic()
        with contextlib.suppress(OSError):
            self._group.stdin.close()
        while not self._group.ended_within(_POLL_SECS):
            self._enforce(timeout_secs, started)
        self._group.stop()
        self._group.verify()

    def close(self) -> None:
        self._group.close()

    def _enforce(self, timeout_secs: float, started: float) -> None:
        bounds = Bounds(timeout_secs=timeout_secs, memory_limit_mb=self._memory_limit_mb)
        self._group.enforce(bounds, elapsed=time.monotonic() - started)


class _Group:
    """A child and the process group that it leads, from its start to its last wait."""

    def __init__(
        self, argv: Sequence[str], *, log: Path, env: _Env, cwd: Path | None = None, talk: bool = False
    ) -> None:
        self.peak_rss_mb = 0.0
        self._argv, self._log = argv, log
        with _opened(log) as output:
            self._start = output.tell()
            try:
                self._child = subprocess.Popen(
                    list(argv),
                    stdin=subprocess.PIPE if talk else subprocess.DEVNULL,
                    stdout=subprocess.PIPE if talk else output,
                    stderr=output,
                    env={**os.environ, **(env or {})},
                    cwd=cwd,
                    start_new_session=True,
                )
            except OSError as error:
                raise ProcessError(
                    f"{argv[0]} cannot be started: {error.strerror} ({error.filename})",
                    remedy="check that it is installed and executable",
                ) from error
        self._pidfd: int | None = None
        with contextlib.suppress(AttributeError, OSError):  # not on every system
            self._pidfd = os.pidfd_open(self.pid)
        with _live_lock:
            _live.add(self)

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def stdin(self) -> IO[bytes]:
        assert self._child.stdin is not None
        return self._child.stdin

    def ended_within(self, secs: float) -> bool:
        """Waits without waking up in between: a child that is being timed shares the processors with us."""
        if self._pidfd is not None:
            return bool(_readable([self._pidfd], secs))
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(secs)
        return self._child.returncode is not None

    def read_within(self, secs: float) -> bytes | None:
        """What the child has written; b"" when it is gone, None when it stayed silent."""
        assert self._child.stdout is not None
        output = self._child.stdout.fileno()
        watched = [output]
        if self._pidfd is not None:
            watched.append(self._pidfd)  # a descendant may hold standard output open after the child's end
        if output in (readable := _readable(watched, secs)):
            return os.read(output, MAX_LINE_BYTES)
        return b"" if readable else None

    def enforce(self, bounds: Bounds, *, elapsed: float) -> None:
        """Raises ProcessTimeout or ProcessMemory, the group killed before."""
        if bounds.memory_limit_mb:
            self.peak_rss_mb = max(self.peak_rss_mb, tree_rss_mb(self.pid))
        if elapsed > bounds.timeout_secs:
            raise self.failed(ProcessTimeout, f"passed its limit of {bounds.timeout_secs:g} s")
        if 0 < bounds.memory_limit_mb < self.peak_rss_mb:
            used = f"used {self.peak_rss_mb:.0f} MB, above its limit of {bounds.memory_limit_mb} MB,"
            raise self.failed(ProcessMemory, used)

    def verify(self) -> None:
        """Raises ProcessCrashed unless the stopped child had ended with exit code 0."""
        if self._child.returncode:
            raise self._crashed()

    def gone(self) -> ProcessCrashed:
        """The error for a child that ended where it should have answered."""
        self.ended_within(5)
        self.stop()
        return self._crashed()

    def failed(self, kind: type[ProcessError], what: str) -> ProcessError:
        """The error for a child that has to be stopped."""
        self.stop()
        tail = tail_of(self._log, self._start)
        return kind(f"{_name(self._argv)} {what} and was stopped", remedy=_REMEDIES[kind], output_tail=tail)

    def stop(self) -> float:
        """Kill what is left of the group and wait for the child; CPU seconds, -1 where they cannot be had."""
        with _live_lock:
            _live.discard(self)
            if self._child.returncode is not None:
                return -1.0
            self.kill()
            _, status, usage = os.wait4(self.pid, 0)
            self._child.returncode = os.waitstatus_to_exitcode(status)
        return usage.ru_utime + usage.ru_stime

    def kill(self) -> None:
        """Only while the child is not waited for, so that its number is still its own."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> None:
        self.stop()
        for stream in filter(None, (self._child.stdin, self._child.stdout)):
            with contextlib.suppress(OSError):
                stream.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None

    def _crashed(self) -> ProcessCrashed:
        code = self._child.returncode
        how = f"was ended by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
        tail = tail_of(self._log, self._start)
        return ProcessCrashed(f"{_name(self._argv)} {how}", returncode=code, output_tail=tail)


_REMEDIES: dict[type[ProcessError], str] = {
    ProcessError: "see its log",
    ProcessTimeout: "raise the timeout_secs that bounds it in bench.yaml, or make the model smaller",
    ProcessMemory: "raise the memory_limit_mb that bounds it in bench.yaml, or make the model smaller",
}


def stop_all() -> None:
    """Kill every child that is running, from whichever thread it was started (Ctrl-C while builds are made)."""
    with _live_lock:
        for group in _live:
            group.kill()


def tail_of(log: Path, start: int = 0) -> str:
    """The last few thousand characters of a log, from byte `start` on."""
    with open(log, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(start, size - TAIL_BYTES))
        return file.read().decode(errors="replace")


def tree_rss_mb(pid: int) -> float:
    """Resident memory of a process and all its descendants now, 0 when it is gone."""
    # From the children that /proc lists: to walk over all processes ten times a second would disturb what is timed.
    pages, left = 0, [f"/proc/{pid}"]
    while left:
        member = Path(left.pop())
        with contextlib.suppress(OSError, IndexError):
            pages += int((member / "statm").read_text().split()[1])
            for listed in (member / "task").glob("*/children"):
                left += [f"/proc/{child}" for child in listed.read_text().split()]
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _readable(descriptors: Sequence[int], secs: float) -> list[int]:
    waiting = select.poll()
    for descriptor in descriptors:
        waiting.register(descriptor, select.POLLIN)  # its hang-up is reported too
    return [descriptor for descriptor, _ in waiting.poll(secs * 1000)]


def _opened(log: Path) -> IO[bytes]:
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        return open(log, "ab")
    except OSError as error:
        raise StoreError(f"{log} cannot be written: {error.strerror}", remedy="choose a writable folder") from error


def _signal_name(number: int) -> str:
    known = {member.value: member.name for member in signal.Signals}
    often = " (often the system, out of memory)" if number == signal.SIGKILL else ""
    return known.get(number, f"signal {number}") + often


def _name(argv: Sequence[str]) -> str:
    """`python -m converters.worker job.json` is named by its module, `python script.py` by its script."""
    if "-m" in argv[1:-1]:
        return argv[argv.index("-m", 1) + 1]
    return Path(next((word for word in argv[:2] if word.endswith(".py")), argv[0])).name
