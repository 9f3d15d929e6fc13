"""Services of a device that stay open for the next call, so that no process has to be started there for each.

A standing shell is given one command after the other. Each runs in a subshell of its own, without an input, so that it
can change nothing for the next and not read it; what it says ends at a mark that nobody can foresee. Whatever goes
wrong, the shell is thrown away and the next call gets a fresh one. When the connection ends, the device's daemon tells
the shell so (SIGHUP), and that ends the command with it.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

from device_runners.adb import shell_service
from device_runners.adb.channel import Channel, Reader
from device_runners.adb.errors import CommandTimeout, LinkLost
from device_runners.adb.line import Patience
from device_runners.adb.link import Output
from device_runners.adb.shell_service import EXIT, MOST_OUTPUT_BYTES, STDERR, STDIN, STDOUT
from harness.errors import RunnerError

# The name stays to be seen in the environment that the shell was started with, and is not handed on to commands.
_SERVICE = shell_service.V2 + b"POCKETBENCH_SHELL=%b exec sh -s pocketbench"
# More hang-ups for the shell of this name. Android's shell (mksh) misses one that comes just as it begins to wait for a
# command that it has started.
HANG_UP = """for turn in 1 2 3; do
  sleep 0.1
  for one in $(grep -Fls "POCKETBENCH_SHELL=$1" /proc/[0-9]*/environ); do
    one=${one#/proc/}
    kill -HUP "${one%/environ}"
  done
done
"""
# The shell reads its input byte by byte: a longer command is sooner given to a shell of its own.
MOST_LINE_BYTES = 4096
_MOST_IDLE = 4
_END_SECS = 1.0
# What the shell itself has to say ("Killed") is not a command's: 9 is where commands write their errors.
_BEGIN = b"""unset POCKETBENCH_SHELL
exec 9>&2 2>/dev/null
(set +o bgnice) && set +o bgnice
trap '[ "$!" = "$q" ] || kill -9 $!; exit' HUP
"""
# In the background, because a shell minds no signal while it waits for anything else; not with a lower priority, which
# some shells give to that. The shell itself sets $! as it starts a command: there is no moment in which a hang-up would
# miss it. $q is the one that has ended.
_COMMAND = b"""echo %(mark)b
(%(line)b) </dev/null 2>&9 9>&- & wait $!; c=$?; q=$!; echo %(mark)b:$c; echo %(mark)b: >&9
"""


class Service(Protocol):
    """What can be kept open. patience: of the call that it serves."""

    patience: Patience

    def waiting(self) -> bool: ...

    def close(self) -> None: ...


_Kept = TypeVar("_Kept", bound=Service)


class Pool(Generic[_Kept]):
    """Open services of one kind that nobody uses now; each is used by one thread at a time."""

    def __init__(self, opened: Callable[[Patience], _Kept], ended: Callable[[_Kept], None]) -> None:
        self._opened, self._ended = opened, ended
        self._lock = threading.Lock()
        self._idle: list[_Kept] = []
        self._closed = False

    @contextlib.contextmanager
    def taken(self, patience: Patience) -> Iterator[_Kept]:
        """One of them, else a new one; kept for the next call unless something went wrong."""
        service = self._free(patience) or self._opened(patience)
        try:
            service.patience = patience
            yield service
        except BaseException:
            service.close()
            raise
        with self._lock:
            if not self._closed and len(self._idle) < _MOST_IDLE:
                self._idle.append(service)
                return
        service.close()

    def close(self) -> None:
        """May be called more than once."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for service in idle:
            self._ended(service)

    def _free(self, patience: Patience) -> _Kept | None:
        """One that is there and has nothing to say: it would be an earlier call's, or that it has ended."""
        while True:
            with self._lock:
                service = self._idle.pop() if self._idle else None
            if service is None:
                return None
            with contextlib.suppress(LinkLost, CommandTimeout):
                service.patience = patience.prompt()
                if not service.waiting():
                    return service
            service.close()


def started(open_service: Callable[[bytes], Channel]) -> StandingShell:
    """A shell of its own name, on the channel that open_service gives for it."""
    name = secrets.token_hex(8)
    channel = open_service(_SERVICE % name.encode())
    try:
        return StandingShell(channel, name)
    except BaseException:
        channel.close()
        raise


class StandingShell:
    """A shell on the device; see the module."""

    def __init__(self, channel: Channel, name: str = "") -> None:
        self.name = name
        self._channel = channel
        self._reader = Reader(channel)
        self._strays = False
        channel.send([shell_service.packet(STDIN, _BEGIN)])

    @property
    def patience(self) -> Patience:
        return self._channel.patience

    @patience.setter
    def patience(self, patience: Patience) -> None:
        self._channel.patience = patience

    def run(self, line: bytes) -> Output:
        """One command; LinkLost when the shell ends before it does, or does not take it at once."""
        mark, patience = secrets.token_hex(16).encode(), self.patience
        self.patience = patience.prompt()
        command = _COMMAND % {b"mark": mark, b"line": line}
        self._channel.send([shell_service.packet(STDIN, command)])
        said = {STDOUT: _Said(mark + b"\n"), STDERR: _Said(mark + b":")}
        while not said[STDOUT].ended:
            self._hear(said)
        before, after = said[STDOUT].parts()
        self.patience = patience
        said[STDOUT] = _Said(mark + b":", after)
        while not (said[STDOUT].ended and said[STDERR].ended):
            self._hear(said)
        stdout, code = said[STDOUT].parts()
        stderr, rest = said[STDERR].parts()
        code, _, more = code.partition(b"\n")
        self._strays = bool(before or more or rest.strip())
        if not code.isdigit():
            raise LinkLost("the device's shell did not say how a command ended")
        return Output(code=int(code) & 0xFF, stdout=stdout, stderr=stderr)

    def waiting(self) -> bool:
        """Whether something is to be heard that belongs to no command, or the shell has ended."""
        return self._strays or self._reader.left > 0 or self._channel.waiting()

    def end(self) -> None:
        """Have it go, and see it gone, while nothing runs in it."""
        with contextlib.suppress(LinkLost, CommandTimeout):
            self.patience = Patience(_END_SECS, "ending a shell")
            self._channel.send([shell_service.packet(STDIN, b"exit\n")])
            while self._channel.receive():
                continue
        self.close()

    def close(self) -> None:
        self._channel.close()

    def _hear(self, said: dict[int, _Said]) -> None:
        kind, data = shell_service.piece(self._reader)
        if kind == EXIT:
            raise LinkLost("the device's shell was ended in the middle of a command")
        said[kind].add(data)
        if sum(len(one) for one in said.values()) > MOST_OUTPUT_BYTES:
            raise RunnerError(f"a command printed more than {MOST_OUTPUT_BYTES} bytes")


class _Said:
    """One of a command's streams, up to the line that begins with `mark`, which need not be at the start of one."""

    def __init__(self, mark: bytes, data: bytes = b"") -> None:
        self._mark, self._data, self._at = mark, bytearray(), -1
        self.add(data)

    def __len__(self) -> int:
        return len(self._data)

    def add(self, data: bytes) -> None:
        start = max(0, len(self._data) - len(self._mark))
        self._data += data
        if self._at < 0:
            self._at = self._data.find(self._mark, start)

    @property
    def ended(self) -> bool:
        return self._at >= 0 and self._data.find(b"\n", self._at) >= 0

    def parts(self) -> tuple[bytes, bytes]:
        """What comes before the mark, and what after it."""
        return bytes(self._data[: self._at]), bytes(self._data[self._at + len(self._mark) :])
