"""A TCP proxy on the loopback address that breaks connections on purpose, between a client and a real daemon."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

End = Literal["cut", "reset", "stall"]
_PIECE_BYTES = 65536
_SMALL_BYTES = 16384


@dataclass
class Fault:
    """What goes wrong, once `after_bytes` have gone to the device (or `back`, from it).

    cut: both sides see the end. reset: both sides see a reset. stall: nothing moves any more, and nobody is told.
    times: how many connections it hits; those that come later are left alone. act: done first, such as killing the
    device. damage: this one byte is changed, and the connection goes on. small_buffer: the proxy's own receive buffer
    is much smaller than a packet of the client.
    """

    end: End = "cut"
    after_bytes: int = -1
    back: bool = False
    times: int = 1
    small_buffer: bool = False
    damage: bool = False
    act: Callable[[], None] | None = None


@dataclass
class Proxy:
    """Listens on 127.0.0.1:port for a device at another port; `fault` may be changed while it runs."""

    device_port: int
    fault: Fault = field(default_factory=Fault)
    connections: int = 0

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        if self.fault.small_buffer:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BYTES)
        self._open: list[socket.socket] = [self._listener]
        self._stopping = False
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def serial(self) -> str:
        return f"127.0.0.1:{self.port}"

    def close(self) -> None:
        """Cut everything; nothing is accepted any more."""
        self._stopping = True
        self.drop()
        for one in self._open:
            _shut(one)

    def drop(self) -> None:
        """Cut every connection there is; new ones are accepted."""
        for one in self._open[1:]:
            _shut(one)
        del self._open[1:]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while not self._stopping:
                client, _ = self._listener.accept()
                self.connections += 1
                try:
                    device = socket.create_connection(("127.0.0.1", self.device_port), timeout=5)
                except OSError:
                    _shut(client)
                    continue
                device.settimeout(None)
                self._open += [client, device]
                threading.Thread(target=self._pump, args=(client, device), daemon=True).start()

    def _pump(self, client: socket.socket, device: socket.socket) -> None:
        """Both ways in one thread, so that a fault stops both at once."""
        moved = {client: 0, device: 0}
        other = {client: device, device: client}
        with contextlib.suppress(OSError, ValueError):
            while True:
                for source in select.select([client, device], [], [])[0]:
                    piece = source.recv(_PIECE_BYTES)
                    if not piece:
                        return self._end(client, device, "cut")
                    piece, end = self._looked_at(piece, moved[source], watched=(source is device) == self.fault.back)
                    moved[source] += len(piece)
                    other[source].sendall(piece)
                    if end:
                        return self._end(client, device, end)
        self._end(client, device, "cut")

    def _looked_at(self, piece: bytes, before: int, *, watched: bool) -> tuple[bytes, End | None]:
        fault = self.fault
        at = fault.after_bytes - before
        if not watched or fault.after_bytes < 0 or fault.times < 1 or not at < len(piece):
            return piece, None
        fault.times -= 1
        if fault.act:
            fault.act()
        if fault.damage:
            return piece[:at] + bytes([piece[at] ^ 1]) + piece[at + 1 :], None
        return piece[: max(0, at)], fault.end

    def _end(self, client: socket.socket, device: socket.socket, end: End) -> None:
        for one in (client, device):
            if end == "reset":
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                one.close()
            elif end == "cut":
                _shut(one)


@contextlib.contextmanager
def proxied(device_port: int, fault: Fault | None = None) -> Iterator[Proxy]:
    with contextlib.closing(Proxy(device_port, fault or Fault())) as proxy:
        yield proxy


def _shut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
