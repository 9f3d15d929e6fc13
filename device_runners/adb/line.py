"""A TCP connection on which nothing waits for ever, and on which all that is given to it is written.

`Patience` says how long: until a point in time (CommandTimeout), and for the next byte (LinkLost).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import math
import os
import select
import socket
import termios
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from device_runners.adb.errors import CommandTimeout, DeviceUnreachable, LinkLost

Buffer = bytes | bytearray | memoryview
DIAL_SECS = 10.0
PROMPT_SECS = 10.0
_Got = TypeVar("_Got")
_MOST_PARTS = 512  # IOV_MAX is 1024
_MORE_FOLLOWS = getattr(socket, "MSG_MORE", 0)  # Linux: no packet of its own for a few bytes


class Patience:
    """How long one operation may take in all, and how long it may stand still. what: for the message."""

    def __init__(self, secs: float, what: str, *, silence_secs: float = math.inf) -> None:
        self.secs, self.what, self.silence_secs = secs, what, silence_secs
        self._end = time.monotonic() + secs

    def prompt(self, secs: float = PROMPT_SECS) -> Patience:
        """For a step of the operation that is answered at once: silence for `secs` is a lost link.

        The time is still that of the whole operation, and so is what is said when it is over.
        """
        step = Patience(self.secs, self.what, silence_secs=min(self.silence_secs, secs))
        step._end = self._end
        return step

    def next_wait(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise self.over()
        return min(left, self.silence_secs)

    def over(self) -> CommandTimeout | LinkLost:
        """The error for a wait that ended without anything."""
        if self._end - time.monotonic() <= 0.001:
            return CommandTimeout(f"{self.what} was not done after {self.secs:g} s")
        return LinkLost(
            f"{self.what} stood still for {self.silence_secs:g} s", remedy="look at the cable or the network"
        )


class Line:
    """One connection. Every method takes the Patience of the operation that it is part of."""

    def __init__(self, host: str, port: int, patience: Patience) -> None:
        self.name = f"{host}:{port}"
        self.broken = False
        try:
            self._socket = socket.create_connection((host, port), timeout=min(DIAL_SECS, patience.next_wait()))
        except (OSError, UnicodeError) as error:
            raise DeviceUnreachable(f"{self.name} cannot be connected to: {_reason(error)}") from error
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def send(self, parts: Sequence[Buffer], patience: Patience) -> None:
        """Write every byte of every part."""
        left = [memoryview(part).cast("B") for part in parts if len(part)]
        while left:
            self._wait(select.POLLOUT, patience)
            sent = self._tried(self._socket.sendmsg, left[:_MOST_PARTS]) or 0
            while left and sent >= len(left[0]):
                sent -= len(left.pop(0))
            if sent:
                left[0] = left[0][sent:]

    def send_file(self, head: Buffer, file: int, start: int, size: int, patience: Patience) -> None:
        """Write `head` and so many bytes of an open file, which need not pass through this process.

        Raises OSError when the file cannot be read, or has become shorter.
        """
        patience.next_wait()
        left = memoryview(head).cast("B")
        while left:
            left = left[self._written(patience, self._socket.send, left, _MORE_FOLLOWS) :]
        while size:
            sent = self._written(patience, self._sent_from, file, start, size)
            if not sent:
                raise OSError(errno.ENODATA, "it became shorter meanwhile")
            start, size = start + sent, size - sent

    def receive(self, most: int, patience: Patience) -> bytes:
        """What is there, at most so many bytes; waits for the first, b"" when the other side has closed."""
        while True:
            self._wait(select.POLLIN, patience)
            if (data := self._tried(self._socket.recv, most)) is not None:
                return data

    def fill(self, size: int, patience: Patience) -> bytearray:
        """Exactly so many bytes; LinkLost when the other side closes before."""
        buffer = bytearray(size)
        view, got = memoryview(buffer), 0
        while got < size:
            self._wait(select.POLLIN, patience)
            count = self._tried(self._socket.recv_into, view[got:])
            if count == 0:
                raise self._lost("the other side closed it")
            got += count or 0
        return buffer

    def waiting(self) -> bool:
        """Whether there is something to receive now, the other side's close included."""
        return bool(_poll(self._socket, select.POLLIN, 0))

    def close(self) -> None:
        """May be called more than once."""
        self.broken = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _written(self, patience: Patience, call: Callable[..., int], *arguments: object) -> int:
        """How much; waits only where nothing could be written at once, since finding out takes longer than the call."""
        while (sent := self._tried(call, *arguments)) is None:
            self._wait(select.POLLOUT, patience)
        return sent

    def _sent_from(self, file: int, start: int, size: int) -> int:
        try:
            return os.sendfile(self._socket.fileno(), file, start, size)
        except OSError as error:
            if error.errno != errno.EINVAL:  # which a file system says that cannot do it
                raise
            return self._socket.send(os.pread(file, size, start))

    def _wait(self, event: int, patience: Patience) -> None:
        if event == select.POLLIN:  # acknowledged at once, for a sender with more to say may wait for that
            self._tried(self._socket.setsockopt, socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        unsent = self._unsent()
        while not _poll(self._socket, event, self._left(patience)):
            before, unsent = unsent, self._unsent()
            if not unsent < before:  # else a slow network still takes what was written before
                self.broken = True
                raise patience.over()

    def _left(self, patience: Patience) -> float:
        """A connection that is left in the middle of something is of no further use."""
        try:
            return patience.next_wait()
        except CommandTimeout:
            self.broken = True
            raise

    def _unsent(self) -> int:
        """Bytes that were written and that the other side has not got yet."""
        return int.from_bytes(fcntl.ioctl(self._socket, termios.TIOCOUTQ, bytes(4)), "little")

    def _tried(self, call: Callable[..., _Got], *arguments: object) -> _Got | None:
        """None when there was nothing to be done after all."""
        try:
            return call(*arguments)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError as error:
            if error.errno == errno.EIO:  # of a file: connections have other errors
                raise
            raise self._lost(_reason(error)) from error

    def _lost(self, why: str) -> LinkLost:
        self.broken = True
        return LinkLost(f"the connection to {self.name} broke: {why}", remedy="look at the cable or the network")


def _poll(connection: socket.socket, event: int, secs: float) -> bool:
    waiting = select.poll()
    try:
        waiting.register(connection, event)
    except ValueError as error:  # closed by another thread
        raise LinkLost("the link was closed") from error
    return bool(waiting.poll(secs * 1000))


def _reason(error: OSError | UnicodeError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
