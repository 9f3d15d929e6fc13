"""In front of a real daemon: what Debian's build of it has not. Asks for a key, or speaks as the oldest phones do.

It takes adb's packets apart. locked: nobody gets to the daemon without a signature by an allowed key. old: no features,
packets of 4 KiB with sums, no `shell,v2`, and a terminal's line ends, as before Android 7. stls: answers as a port for
wireless debugging does.
"""

from __future__ import annotations

import base64
import contextlib
import os
import select
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

_HEADER = struct.Struct("<4s5I")
_TOKEN, _SIGNATURE, _KEY = 1, 2, 3
_OLD_VERSION, _OLD_BYTES = 0x01000000, 4096


@dataclass
class Gate:
    """allowed: keys that may pass, as adb writes them; offered: those that asked to be allowed.

    tapped: set when the person at the phone taps Allow; whoever waits then gets in, and stays known.
    """

    device_port: int
    locked: bool = False
    old: bool = False
    stls: bool = False
    allowed: list[str] = field(default_factory=list)
    offered: list[str] = field(default_factory=list)
    tapped: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._terminals: set[int] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def serial(self) -> str:
        return f"127.0.0.1:{self.port}"

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError, struct.error):
            greeting = _take(client)
            if self.stls:
                _put(client, b"STLS", 0x01000000, 0, b"")
                client.recv(1)
                return
            if self.locked:
                self._authenticate(client)
            with socket.create_connection(("127.0.0.1", self.device_port)) as device:
                self._forward(greeting, device, to_device=True)
                back = threading.Thread(target=self._pump, args=(device, client, False), daemon=True)
                back.start()
                self._pump(client, device, True)
                back.join(5)

    def _authenticate(self, client: socket.socket) -> None:
        """Until a signature fits, or the person allows the key that is offered."""
        while True:
            token = os.urandom(20)
            _put(client, b"AUTH", _TOKEN, 0, token)
            while True:
                _, kind, _, data = _take(client)
                if kind == _SIGNATURE:
                    if any(_signed(key, token, data) for key in self.allowed):
                        return
                    break
                key = data.rstrip(b"\0").decode()
                self.offered.append(key)
                while not select.select([client], [], [], 0.02)[0]:
                    if self.tapped.is_set():
                        self.allowed.append(key)
                        return

    def _pump(self, source: socket.socket, target: socket.socket, to_device: bool) -> None:
        with contextlib.suppress(OSError, struct.error):
            while True:
                packet = _take(source)
                if self.old and to_device and packet[0] == b"OPEN" and packet[3].startswith(b"shell,v2"):
                    _put(source, b"CLSE", 0, packet[1], b"")
                    continue
                self._forward(packet, target, to_device=to_device)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _forward(self, packet: tuple[bytes, int, int, bytes], target: socket.socket, *, to_device: bool) -> None:
        word, first, second, data = packet
        if self.old and word == b"CNXN":
            first, second = _OLD_VERSION, _OLD_BYTES
            data = data if to_device else b"device::ro.product.name=old;ro.product.model=Old;\0"
        if word == b"OPEN" and data.startswith(b"shell:"):
            self._terminals.add(first)
        if self.old and word == b"WRTE" and not to_device and second in self._terminals:
            data = data.replace(b"\n", b"\r\n")
            assert len(data) <= _OLD_BYTES
        _put(target, word, first, second, data)


@contextlib.contextmanager
def gate(device_port: int, *, locked: bool = False, old: bool = False, stls: bool = False) -> Iterator[Gate]:
    with contextlib.closing(Gate(device_port, locked=locked, old=old, stls=stls)) as keeper:
        yield keeper


def _take(source: socket.socket) -> tuple[bytes, int, int, bytes]:
    word, first, second, size, _, _ = _HEADER.unpack(_exactly(source, _HEADER.size))
    return word, first, second, _exactly(source, size)


def _put(target: socket.socket, word: bytes, first: int, second: int, data: bytes) -> None:
    magic = int.from_bytes(word, "little") ^ 0xFFFFFFFF
    target.sendall(_HEADER.pack(word, first, second, len(data), sum(data) & 0xFFFFFFFF, magic) + data)


def _exactly(source: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = source.recv(size - len(data))
        if not piece:
            raise ConnectionResetError("the other side is gone")
        data += piece
    return bytes(data)


def _signed(key: str, token: bytes, signature: bytes) -> bool:
    """Whether an adb public key (2048 bits, Android's own binary format in base64) made this signature."""
    packed = base64.b64decode(key.split()[0])
    modulus, exponent = int.from_bytes(packed[8:264], "little"), int.from_bytes(packed[-4:], "little")
    public = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    try:
        public.verify(signature, token, padding.PKCS1v15(), utils.Prehashed(hashes.SHA1()))
    except InvalidSignature:
        return False
    return True
