"""The one place that knows the library adb-shell: its handshake and its messages, hardened.

Private methods of exactly version 0.4.4 are overridden here, because that version, as it stands,

- sends each packet with one `send` whose count is ignored: a file above some 64 KiB breaks on a real network;
- takes a closed connection for "no data yet" and spins until its time is over;
- forgets what the device says about itself (its features), and sums up every byte it sends and receives, which
  daemons since Android 9 do not ask for;
- waits for a device that answers a service with "closed", or with a failed transfer, until its time is over;
- mixes up packets when two threads share a connection (here a connection serves one thread at a time: see `direct`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

from adb_shell import constants
from adb_shell.adb_device import _AdbIOManager
from adb_shell.adb_message import AdbMessage, checksum
from adb_shell.exceptions import AdbTimeoutError, DeviceAuthError, InvalidResponseError
from adb_shell.hidden_helpers import _AdbTransactionInfo
from adb_shell.transport.base_transport import BaseTransport

from device_runners.adb.errors import (
    CommandTimeout,
    DeviceUnauthorized,
    DeviceUnreachable,
    DeviceWantsTls,
    LinkLost,
    ServiceRefused,
)
from device_runners.adb.line import Buffer, Line, Patience

TAP_SECS = 60.0  # for the person who must tap "Allow" on the phone
TAP = "the phone asks whether to allow USB debugging from this machine: unlock it and tap Allow"
# With this version a daemon of Android 9 or newer leaves out the sums; an older one answers with its own.
_WITHOUT_SUMS = 0x01000001
_FEATURES = b"features=shell_v2,cmd,stat_v2,ls_v2,fixed_push_mkdir"
_STLS = struct.unpack("<I", b"STLS")[0]
_MOST_PACKET_BYTES = 2**20
_NOBODY = (None, None)

Packet = tuple[bytes, int, int, bytes | bytearray]  # command, its two numbers, data


class _Transport(BaseTransport):  # type: ignore[misc]
    """What adb-shell's handshake is given for a socket."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self.patience = Patience(0, "nothing")
        self.line: Line | None = None

    def connect(self, transport_timeout_s: float | None) -> None:
        self.line = Line(self._host, self._port, self.patience)

    def close(self) -> None:
        if self.line:
            self.line.close()

    def bulk_read(self, numbytes: int, transport_timeout_s: float | None) -> bytearray:
        return self.live.fill(numbytes, self.patience)

    def bulk_write(self, data: Buffer, transport_timeout_s: float | None) -> int:
        self.live.send([data], self.patience)
        return len(data)

    @property
    def live(self) -> Line:
        if self.line is None or self.line.broken:
            raise LinkLost("the connection was closed")
        return self.line


class Wire(_AdbIOManager):  # type: ignore[misc]
    """One connection to one daemon, for one thread at a time: packets in, packets out.

    Every call takes the Patience of the operation that it is part of; what goes wrong leaves the wire `broken`.
    """

    def __init__(self, host: str, port: int) -> None:
        self._hardened = _Transport(host, port)
        super().__init__(self._hardened)
        self.name = f"{host}:{port}"
        self.banner = b""
        self.most_bytes: int = constants.MAX_LEGACY_ADB_DATA
        self._sums = True
        self._asked = False
        self._last_id = 0

    @property
    def broken(self) -> bool:
        line = self._hardened.line
        return line is None or line.broken

    def fresh(self) -> bool:
        """Whether an idle connection can still be used; what streams closed before left over is taken in."""
        try:
            while self.waiting():
                self.take(Patience(1, "looking after an idle connection"))
        except (LinkLost, CommandTimeout):
            self.close()
        return not self.broken

    def greet(self, signers: Sequence[Any], patience: Patience, tell: Callable[[str], None]) -> None:
        """Connect and introduce this machine; tell is called when a person must tap on the phone."""
        self._hardened.patience = patience.prompt()

        def asked(_: object) -> None:
            tell(TAP)
            self._asked = True
            self._hardened.patience = patience.prompt(TAP_SECS)

        try:
            _, most = self.connect(_FEATURES, list(signers), 1.0, asked, _AdbTransactionInfo(*_NOBODY))
        except (DeviceAuthError, InvalidResponseError, AdbTimeoutError) as error:
            self.close()
            raise DeviceUnauthorized(f"{self.name} does not know this machine's key: {error}", remedy=TAP) from error
        except (CommandTimeout, LinkLost) as error:
            self.close()
            raise self._silent(error) from error
        self.most_bytes = min(most, _MOST_PACKET_BYTES) or constants.MAX_LEGACY_ADB_DATA

    def open(self, service: bytes, patience: Patience) -> tuple[int, int]:
        """Start a service; gives our number and the device's for the stream."""
        if len(service) >= self.most_bytes:
            raise ServiceRefused(f"a command of {len(service)} bytes: {self.name} takes at most {self.most_bytes}")
        self._last_id += 1
        self.put(constants.OPEN, (self._last_id, 0), [service, b"\0"], patience)
        while True:
            word, theirs, ours, _ = self.take(patience.prompt())
            if ours == self._last_id and word == constants.OKAY:
                return ours, theirs
            if ours == self._last_id and word == constants.CLSE:
                raise ServiceRefused(f"{self.name} refuses the service {service[:40].decode(errors='replace')!r}")

    def put(self, word: bytes, ids: tuple[int, int], parts: Sequence[Buffer], patience: Patience) -> None:
        """One packet, header and data in one go."""
        command, size = constants.ID_TO_WIRE[word], sum(len(part) for part in parts)
        total = sum(map(sum, parts)) & 0xFFFFFFFF if self._sums else 0
        header = struct.pack(constants.MESSAGE_FORMAT, command, *ids, size, total, command ^ 0xFFFFFFFF)
        self._hardened.live.send([header, *parts], patience)

    def take(self, patience: Patience) -> Packet:
        """The next packet, whichever stream it belongs to."""
        line = self._hardened.live
        wire, first, second, size, total, magic = struct.unpack(constants.MESSAGE_FORMAT, line.fill(24, patience))
        if wire == _STLS:
            raise DeviceWantsTls(f"{self.name} speaks to paired machines only (wireless debugging)")
        word = constants.WIRE_TO_ID.get(wire)
        if word is None or magic != wire ^ 0xFFFFFFFF or size > _MOST_PACKET_BYTES:
            self.close()
            raise LinkLost(f"{self.name} does not speak adb: it sent {wire:#010x}", remedy="check the port")
        data = line.fill(size, patience) if size else b""
        if word == constants.CNXN:
            self.banner, self._sums = bytes(data), first < _WITHOUT_SUMS
        elif self._sums and word != constants.AUTH and checksum(data) != total:
            self.close()
            raise LinkLost(f"{self.name} sent a damaged packet")
        return word, first, second, data

    def waiting(self) -> bool:
        return self._hardened.live.waiting()

    def _read_packet_from_device(self, adb_info: object) -> Packet:
        """For the handshake, which is the library's own."""
        return self.take(self._hardened.patience)

    def _send(self, msg: AdbMessage, adb_info: object) -> None:
        """For the handshake: the version of the greeting is ours."""
        word = constants.WIRE_TO_ID[msg.command]
        first = _WITHOUT_SUMS if word == constants.CNXN else msg.arg0
        self.put(word, (first, msg.arg1), [msg.data], self._hardened.patience)

    def _silent(self, error: CommandTimeout | LinkLost) -> DeviceUnreachable | DeviceUnauthorized:
        if self._asked:
            return DeviceUnauthorized(f"{self.name}: nobody allowed this machine in {TAP_SECS:g} s", remedy=TAP)
        return DeviceUnreachable(f"{self.name} does not answer as a device would: {error}")
