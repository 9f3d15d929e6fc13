"""One service of a device's daemon, open: what the shell and the file transfer speak over, whichever link dialled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from device_runners.adb.errors import LinkLost
from device_runners.adb.line import Buffer, Patience


class Channel(Protocol):
    """A stream of bytes each way, used by one thread at a time. patience: of the operation that it serves; a channel
    that is kept open serves one after the other."""

    patience: Patience

    @property
    def piece_bytes(self) -> int:
        """How much is best sent at once."""

    def send(self, parts: Sequence[Buffer]) -> None:
        """Write every byte of every part."""

    def receive(self) -> bytes:
        """The next piece, whatever its size; b"" when the device has ended the service."""

    def waiting(self) -> bool:
        """Whether the device has said something already, or has ended the service."""

    def close(self) -> None:
        """End it on the device too; may be called more than once."""


@runtime_checkable
class StreamChannel(Channel, Protocol):
    """A channel whose bytes need not be wrapped in packets, so that files go without a copy through this process."""

    def send_file(self, head: Buffer, file: int, start: int, size: int) -> None:
        """Write `head` and so many bytes of an open file; OSError when it cannot be read, or has become shorter."""


class Dialler(Protocol):
    """Opens services on one device; any thread may call it."""

    def open(self, service: bytes, patience: Patience) -> Channel:
        """Raises ServiceRefused when the daemon does not offer it."""

    def features(self) -> frozenset[str]:
        """What the daemon says it can do."""

    def close(self) -> None:
        """Let go of every connection."""


class Reader:
    """Takes a channel's pieces apart into records of known sizes."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._piece = memoryview(b"")

    @property
    def left(self) -> int:
        """How many bytes have come that nobody has taken yet."""
        return len(self._piece)

    def exactly(self, size: int) -> bytes | memoryview:
        """So many bytes; LinkLost when the service ends before."""
        if size <= len(self._piece):
            taken, self._piece = self._piece[:size], self._piece[size:]
            return taken
        parts = [self._piece]
        missing = size - len(self._piece)
        while missing:
            piece = memoryview(self._channel.receive())
            if not piece:
                raise LinkLost("the device ended the service in the middle of its answer")
            parts.append(piece[:missing])
            self._piece = piece[missing:]
            missing -= len(parts[-1])
        return b"".join(parts)
