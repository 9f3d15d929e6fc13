"""The way through the local adb server: USB, paired phones (wireless debugging), emulators.

An own client of its small protocol, because the transfer and the shell are ours already (see `sync_service`), with the
device's reasons and exit codes. The server is started with the user's own adb when none is there.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from device_runners.adb.errors import DeviceUnauthorized, DeviceUnreachable, LinkLost, ServiceRefused
from device_runners.adb.line import Buffer, Line, Patience
from harness.errors import ProcessError
from harness.process import Bounds, execute
from harness.records import Record

DEFAULT_PORT = 5037
_PIECE_BYTES = 2**20
_MOST_REQUEST_BYTES = 0xFFFF
_STATES = "device|unauthorized|authorizing|offline|bootloader|recovery|rescue|sideload|host|connecting|detached"
_LISTED = re.compile(rf"(?P<serial>\S+)\s+(?P<state>{_STATES}|no permissions.*?|\S+)(?P<facts>(?:\s+[\w.]+:\S+)*)\s*$")
_ALLOW = "unlock the phone and tap Allow"
_INSTALL = "install Android's platform-tools (Debian, Ubuntu: sudo apt-get install adb), or name the program in ADB"


class Listed(Record, frozen=True, kw_only=True):
    """One line of the server's list. state: `device` when it can be used; facts: `model`, `product`, `usb` ..."""

    serial: str
    state: str
    facts: dict[str, str] = {}


class Server:
    """The local adb server. port: 0 for what adb's own variable ANDROID_ADB_SERVER_PORT says, else 5037."""

    def __init__(self, port: int = 0) -> None:
        self.port = port or int(os.environ.get("ANDROID_ADB_SERVER_PORT") or DEFAULT_PORT)

    def devices(self, *, timeout_secs: float = 20.0) -> tuple[Listed, ...]:
        """Every device that the server knows, whatever its state."""
        text = self.ask(b"host:devices-l", Patience(timeout_secs, "listing devices"))
        found = (_LISTED.match(line) for line in text.splitlines())
        return tuple(
            Listed(
                serial=line["serial"],
                state=line["state"].strip(),
                facts=dict(fact.split(":", 1) for fact in line["facts"].split()),
            )
            for line in found
            if line
        )

    def ask(self, request: bytes, patience: Patience) -> str:
        """A question to the server itself; gives its answer."""
        with contextlib.closing(self.requested([request], patience)) as line:
            return _sized(line, patience)

    def requested(self, requests: Sequence[bytes], patience: Patience) -> Line:
        """A connection on which the server has said OKAY to each request; starts the server when there is none."""
        line = self._dialled(patience)
        try:
            for request in requests:
                _request(line, request, patience)
        except BaseException:
            line.close()
            raise
        return line

    def _dialled(self, patience: Patience) -> Line:
        try:
            return Line("127.0.0.1", self.port, patience)
        except DeviceUnreachable:
            start(self.port, patience)
        return Line("127.0.0.1", self.port, patience)


class ServerDialler:
    """Opens services on the device that the server calls `serial`."""

    def __init__(self, serial: str, server: Server) -> None:
        self._serial, self._server = serial, server
        self._name = serial.encode()
        self._features: frozenset[str] | None = None
        self._stuck = False

    def open(self, service: bytes, patience: Patience) -> ServerChannel:
        return ServerChannel(self._reached([service], patience), patience, self._lost)

    def features(self) -> frozenset[str]:
        """What both the daemon and the server can do, as they said when they were asked first."""
        if self._features is None:
            patience = Patience(30, f"asking {self._serial} what it can do")
            self._reached([], patience).close()
            text = self._server.ask(b"host-serial:" + self._name + b":features", patience)
            self._features = frozenset(filter(None, text.strip().split(",")))
        return self._features

    def close(self) -> None:
        """Nothing is held between services."""

    def _lost(self) -> None:
        """The server would keep a connection that is stuck for minutes: the next call makes it dial anew."""
        self._stuck = True

    def _reached(self, services: Sequence[bytes], patience: Patience) -> Line:
        """A connection to the device. An address that the server has lost is dialled again at once; by itself the
        server would do it after seconds."""
        requests = [b"host:transport:" + self._name, *services]
        if not self._stuck:
            try:
                return self._server.requested(requests, patience)
            except LinkLost:
                self._lost()
                raise
            except DeviceUnreachable:
                if not is_address(self._serial):
                    raise
        self._reconnect(patience)
        self._stuck = False
        return self._server.requested(requests, patience)

    def _reconnect(self, patience: Patience) -> None:
        if not is_address(self._serial):
            with contextlib.suppress(ServiceRefused):
                self._server.ask(b"host-serial:" + self._name + b":reconnect", patience)
            return
        with contextlib.suppress(ServiceRefused, DeviceUnreachable):
            self._server.ask(b"host:disconnect:" + self._name, patience)
        said = self._server.ask(b"host:connect:" + self._name, patience.prompt(30))
        if "authenticate" in said:
            raise DeviceUnauthorized(said, remedy=_ALLOW)
        if said.startswith(("failed", "cannot", "unable")):
            raise DeviceUnreachable(said, remedy="is the phone on, in the same network, with adb over the network on?")


class ServerChannel:
    """One service on a connection of its own: a `StreamChannel`. lost: called when it breaks or stands still."""

    piece_bytes = _PIECE_BYTES

    def __init__(self, line: Line, patience: Patience, lost: Callable[[], None]) -> None:
        self._line, self.patience, self._lost = line, patience, lost

    def send(self, parts: Sequence[Buffer]) -> None:
        with self._heard_out():
            self._line.send(parts, self.patience)

    def send_file(self, head: Buffer, file: int, start: int, size: int) -> None:
        with self._heard_out():
            self._line.send_file(head, file, start, size, self.patience)

    def receive(self) -> bytes:
        try:
            return self._line.receive(_PIECE_BYTES, self.patience)
        except LinkLost:
            self._lost()
            raise

    def waiting(self) -> bool:
        return self._line.waiting()

    def close(self) -> None:
        self._line.close()

    @contextlib.contextmanager
    def _heard_out(self) -> Iterator[None]:
        """A connection that breaks is no error yet when the device's reason is there to be read."""
        try:
            yield
        except LinkLost:
            self._lost()
            if not self.waiting():
                raise


def is_address(serial: str) -> bool:
    """Whether a serial is `host:port`: a device that is reached over the network."""
    return re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):\d{1,5}", serial) is not None


def program() -> str:
    """The user's adb: named in ADB, on the PATH, or in the SDK; DeviceUnreachable when there is none."""
    roots = [os.environ.get(name) for name in ("ANDROID_HOME", "ANDROID_SDK_ROOT")]
    places = [Path(root, "platform-tools", "adb") for root in roots if root]
    named = os.environ.get("ADB") or shutil.which("adb") or next((str(p) for p in places if os.access(p, os.X_OK)), "")
    if not named:
        raise DeviceUnreachable("there is no adb server and no program adb to start one", remedy=_INSTALL)
    return named


def version(adb: str) -> tuple[int, ...]:
    """Of the program, such as (34, 0, 5); empty where it does not tell."""
    with tempfile.TemporaryDirectory(prefix="pocketbench-adb-") as folder:
        log = Path(folder, "log")
        try:
            execute([adb, "version"], bounds=Bounds(timeout_secs=20), log=log)
        except ProcessError:
            return ()
        found = re.search(r"^Version (\d+(?:\.\d+)*)", log.read_text(errors="replace"), re.MULTILINE)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def start(port: int, patience: Patience) -> None:
    """Start the local adb server; it stays, as after any use of adb."""
    adb = program()
    with tempfile.TemporaryDirectory(prefix="pocketbench-adb-") as folder:
        try:
            log = Path(folder, "log")
            execute([adb, "-P", str(port), "start-server"], bounds=Bounds(timeout_secs=patience.next_wait()), log=log)
        except ProcessError as error:
            said = f": {error.output_tail.strip()}" if error.output_tail else ""
            raise DeviceUnreachable(f"the adb server cannot be started: {error}{said}", remedy=_INSTALL) from error


def _request(line: Line, request: bytes, patience: Patience) -> None:
    if len(request) > _MOST_REQUEST_BYTES:
        raise ServiceRefused(f"a command of {len(request)} bytes: the adb server takes at most {_MOST_REQUEST_BYTES}")
    line.send([b"%04x" % len(request), request], patience)
    answer = bytes(line.fill(4, patience.prompt()))
    if answer == b"FAIL":
        raise _refusal(_sized(line, patience), request)
    if answer != b"OKAY":
        raise LinkLost(f"the adb server on {line.name} answered {answer!r}", remedy="is another program on its port?")


def _sized(line: Line, patience: Patience) -> str:
    try:
        size = int(line.fill(4, patience), 16)
    except ValueError as error:
        raise LinkLost(f"the adb server on {line.name} sent no length") from error
    return line.fill(size, patience).decode(errors="replace")


def _refusal(reason: str, request: bytes) -> Exception:
    """The server's words as an error of ours."""
    first = " ".join(reason.split()) or "no reason given"
    if "unauthorized" in reason or "authorizing" in reason:
        return DeviceUnauthorized(first, remedy=_ALLOW)
    if re.search(r"not found|offline|no devices|no permissions|recovery|connecting|closed by peer", reason):
        remedy = "see `pocketbench doctor`" if "permissions" in reason else "check the cable; see `pocketbench devices`"
        return DeviceUnreachable(first, remedy=remedy)
    if first == "closed":  # what the server says when the link broke while the service was opened
        return LinkLost("the link to the device broke, or it refuses what was asked for: closed")
    return ServiceRefused(f"{first} (asked for {request[:40].decode(errors='replace')!r})")
