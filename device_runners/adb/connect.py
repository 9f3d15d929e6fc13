"""The form of a serial chooses the way to a device; a switch from one way to another is told, never silent.

| serial                                                 | way                              |
|--------------------------------------------------------|----------------------------------|
| `local`                                                | this machine's own processes     |
| `192.168.1.20:5555`, `phone.lan:5555`, `[fe80::1]:5555` | direct to the daemon (`adb tcpip`) |
| anything else: `R58M12ABCDE`, `emulator-5554`, `adb-...` | through the local adb server      |
"""

from __future__ import annotations

import re
from collections.abc import Callable

from device_runners.adb import keys
from device_runners.adb.adb_link import AdbLink
from device_runners.adb.errors import DeviceUnreachable, DeviceWantsTls
from device_runners.adb.host_link import HostLink
from device_runners.adb.link import How, Link
from device_runners.adb.server import Server, ServerDialler, is_address
from harness.errors import RunnerError

LOCAL = "local"
_EMULATOR = re.compile(r"emulator-(\d{1,5})")

Tell = Callable[[str], None]


def way(serial: str) -> How:
    """Which of the three ways a serial chooses."""
    if serial == LOCAL:
        return "host"
    return "direct" if is_address(serial) else "server"


def connect(serial: str, *, tell: Tell, how: How | None = None, server: Server | None = None) -> Link:
    """A link to the device, tried once; how: only this way, without a switch.

    tell is given one line when another way is taken than the serial's own, and when a person must tap on the phone.
    Raises DeviceUnreachable or DeviceUnauthorized.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:()-]{0,254}|\[[0-9A-Fa-f:.]+\]:\d{1,5}", serial):
        raise RunnerError(f"{serial[:80]!r} is no serial of a device", remedy="see `pocketbench devices`")
    chosen = how or way(serial)
    if chosen == "host":
        return HostLink()
    server = server or Server()
    try:
        return _direct(serial, serial, tell) if chosen == "direct" else _through(serial, server)
    except DeviceWantsTls as error:
        if how:
            raise
        tell(f"{error}: going through the adb server instead of direct")
        return _through(serial, server)
    except DeviceUnreachable as error:
        emulator = _EMULATOR.fullmatch(serial)
        if how or not emulator or "no program adb" not in error.message:
            raise
        address = f"127.0.0.1:{int(emulator[1]) + 1}"
        tell(f"{error}: going direct to {address} for {serial}")
        return _direct(serial, address, tell)


def _direct(serial: str, address: str, tell: Tell) -> AdbLink:
    try:
        from device_runners.adb.direct import DirectDialler
    except ModuleNotFoundError as error:
        raise RunnerError(
            f"{serial} is reached directly, which needs the package {error.name}",
            remedy="pip install 'pocketbench[phone]', or use the phone's USB serial",
        ) from error
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise RunnerError(f"{serial!r} is no address of a device", remedy="write it as host:port")
    return _tried(AdbLink(serial, "direct", DirectDialler(host.strip("[]"), int(port), keys.signers(tell), tell)))


def _through(serial: str, server: Server) -> AdbLink:
    return _tried(AdbLink(serial, "server", ServerDialler(serial, server)))


def _tried(link: AdbLink) -> AdbLink:
    link.features()
    return link
