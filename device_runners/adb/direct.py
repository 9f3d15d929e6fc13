"""The direct way to a device: its own daemon over TCP, no adb program needed.

A connection serves one thread at a time. Those that are free wait in a pool; one that the device has closed meanwhile
is thrown away before anything is asked for on it, so that a device that was restarted is simply dialled again.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Any

from adb_shell import constants

from device_runners.adb.adbshell import Wire
from device_runners.adb.errors import LinkLost
from device_runners.adb.line import Buffer, Patience

_MOST_IDLE = 4


class DirectDialler:
    """Opens services on the daemon at host:port; signers: this machine's keys, see `keys`."""

    def __init__(self, host: str, port: int, signers: Sequence[Any], tell: Callable[[str], None]) -> None:
        self._host, self._port = host, port
        self._signers, self._tell = tuple(signers), tell
        self._lock = threading.Lock()
        self._idle: list[Wire] = []
        self._features: frozenset[str] = frozenset()
        self._closed = False

    def open(self, service: bytes, patience: Patience) -> DirectChannel:
        wire = self._free() or self._greeted(patience)
        try:
            ids = wire.open(service, patience)
        except BaseException:
            wire.close()
            raise
        return DirectChannel(wire, ids, patience, self._give_back)

    def features(self) -> frozenset[str]:
        """As the daemon said when it was dialled last."""
        if not self._features:
            self._give_back(self._greeted(Patience(120, f"connecting to {self._host}:{self._port}")))
        return self._features

    def close(self) -> None:
        with self._lock:
            self._closed = True
            wires, self._idle = self._idle, []
        for wire in wires:
            wire.close()

    def _free(self) -> Wire | None:
        while True:
            with self._lock:
                wire = self._idle.pop() if self._idle else None
            if wire is None or wire.fresh():
                return wire

    def _greeted(self, patience: Patience) -> Wire:
        if self._closed:
            raise LinkLost("the link was closed")
        wire = Wire(self._host, self._port)
        try:
            wire.greet(self._signers, patience, self._tell)
        except BaseException:
            wire.close()
            raise
        self._features = features_of(wire.banner)
        return wire

    def _give_back(self, wire: Wire) -> None:
        with self._lock:
            if not (self._closed or wire.broken) and len(self._idle) < _MOST_IDLE:
                self._idle.append(wire)
                return
        wire.close()


class DirectChannel:
    """One service on a connection of its own; satisfies `Channel`."""

    def __init__(self, wire: Wire, ids: tuple[int, int], patience: Patience, give_back: Callable[[Wire], None]) -> None:
        self._wire, self._ids, self.patience, self._give_back = wire, ids, patience, give_back
        self._heard: list[bytes] = []
        self._ended = self._closed = False

    @property
    def piece_bytes(self) -> int:
        """What the device takes in one packet."""
        return self._wire.most_bytes

    def send(self, parts: Sequence[Buffer]) -> None:
        """Packet by packet, each acknowledged before the next; returns early when the device has something to say
        and has ended the service."""
        whole = memoryview(b"".join(parts)) if len(parts) > 1 else memoryview(parts[0])
        for start in range(0, len(whole), self.piece_bytes):
            if self._ended:
                break
            self._wire.put(constants.WRTE, self._ids, [whole[start : start + self.piece_bytes]], self.patience)
            while not self._ended and self._next() != constants.OKAY:
                continue
        if self._ended and not self._heard:
            raise LinkLost("the device ended the service while it was written to")

    def receive(self) -> bytes:
        while not self._heard and not self._ended:
            self._next()
        return self._heard.pop(0) if self._heard else b""

    def waiting(self) -> bool:
        if not self._heard and not self._ended and self._wire.waiting():
            self._next()
        return bool(self._heard or self._ended)

    def close(self) -> None:
        """The connection is used again only when nothing went wrong on it."""
        if self._closed:
            return
        self._closed = True
        if not (self._wire.broken or self._ended):
            with contextlib.suppress(LinkLost):
                self._wire.put(constants.CLSE, self._ids, [], Patience(1, "closing", silence_secs=1))
        self._give_back(self._wire)

    def _next(self) -> bytes:
        """Take in one packet; those of streams that were closed before are passed over."""
        word, _, ours, data = self._wire.take(self.patience)
        if ours != self._ids[0]:
            return b""
        if word == constants.WRTE:
            self._wire.put(constants.OKAY, self._ids, [], self.patience)
            self._heard.append(bytes(data))
        elif word == constants.CLSE:
            self._wire.put(constants.CLSE, self._ids, [], self.patience)
            self._ended = True
        return word


def features_of(banner: bytes) -> frozenset[str]:
    """Out of `device::ro.product.name=x;...;features=a,b`; empty for daemons before Android 7."""
    for field in banner.decode(errors="replace").rstrip("\0").split(";"):
        name, _, value = field.rpartition("::")[2].partition("=")
        if name == "features":
            return frozenset(filter(None, value.split(",")))
    return frozenset()
