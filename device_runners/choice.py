"""A device's name in bench.yaml -> the runner that serves it.

::

    host              this computer
    auto              the phone that is connected, else this computer (caveat HOST-FALLBACK)
    phone             the phone that is connected; refused without one
    sandbox           the device of our own tests, where POCKETBENCH_SANDBOX says (host:port)
    emulator:<avd>    that virtual device, started for the run and stopped after it
    <serial>          that phone, as `adb devices` spells it; or host:port
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import ExperimentError, RunnerError
from harness.records import Phone, Record

if TYPE_CHECKING:
    from device_runners import Runner
    from device_runners.adb.server import Listed

EMULATOR = "emulator:"
SANDBOX_ADDRESS = "127.0.0.1:15580"
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:()-]{0,254}|\[[0-9A-Fa-f:.]+\]:\d{1,5}")
_AVD = re.compile(r"[A-Za-z0-9._-]{1,100}")


class Wanted(Record, frozen=True, kw_only=True):
    """Which device, and how it is to be used. root: where relative paths start; tell: hears what takes long and what
    is done otherwise than asked."""

    device: str
    phone: Phone = Phone()
    root: Path = Path()
    tell: Callable[[str], None]
    pulse: Callable[[], None] = lambda: None  # called now and then while a phone works; may raise to end it


def check(name: str) -> str:
    """The same name; ExperimentError for one that no device can have."""
    if name.startswith(EMULATOR):
        avd = name.removeprefix(EMULATOR)
        if not _AVD.fullmatch(avd) or avd.startswith("-"):
            raise ExperimentError(f"device: {avd[:80]!r} is no name of a virtual device", remedy=_HOW)
    elif not _WORD.fullmatch(name):
        raise ExperimentError(f"device: {name[:80]!r} is neither a kind of device nor a serial", remedy=_HOW)
    return name


_HOW = "host, auto, phone, a serial of `pocketbench devices`, or emulator:NAME of `emulator -list-avds`"


def host(wanted: Wanted) -> Runner:
    """This computer."""
    from device_runners.host import HostRunner

    return HostRunner()


def auto(wanted: Wanted) -> Runner:
    """The one phone that is there, else this computer; several are a question, not a choice."""
    found = usable()
    if found:
        return attached(wanted, _only(found))
    wanted.tell("no phone is connected: this computer is measured instead")
    return host(wanted)


def phone(wanted: Wanted) -> Runner:
    """The one phone that is there; RunnerError without one, with what was seen instead."""
    found = usable()
    if found:
        return attached(wanted, _only(found))
    seen = ", ".join(f"{one.serial} is {one.state}" for one in listed())
    raise RunnerError(
        f"no phone can be measured on{f': {seen}' if seen else ': none is connected'}",
        remedy="see `pocketbench doctor` and docs/phones.md, or set device: auto to fall back to this computer",
    )


def sandbox(wanted: Wanted) -> Runner:
    """The device of our own tests, and nothing else that may listen there."""
    from device_runners import identity
    from device_runners.adb.connect import connect

    address = sandbox_address()
    link = connect(address, tell=wanted.tell)
    try:
        found = identity.look(link)
        if found.kind != "sandbox":
            raise RunnerError(f"{address} is no sandbox but {found.name}", remedy=f"set device: {address} to use it")
    finally:
        link.close()
    return attached(wanted, address)


def sandbox_address() -> str:
    """Where the device of our own tests listens."""
    return os.environ.get("POCKETBENCH_SANDBOX") or SANDBOX_ADDRESS


def emulator(wanted: Wanted) -> Runner:
    """A virtual device, started now and stopped when the runner is closed."""
    from device_runners import emulator as emulators

    started = emulators.start(wanted.device.removeprefix(EMULATOR), tell=wanted.tell)
    try:
        return attached(wanted, started.serial, after=started.stop)
    except BaseException:
        started.stop()
        raise


def attached(wanted: Wanted, serial: str, after: Callable[[], None] | None = None) -> Runner:
    """The phone with this serial, by the route that is wanted."""
    from device_runners.adb.connect import connect
    from device_runners.android import AndroidRunner, Ears
    from device_runners.app_route import AppRoute
    from device_runners.binary_route import BinaryRoute

    kind = BinaryRoute if wanted.phone.route == "binary" else AppRoute
    route = kind(wanted.phone, wanted.root)
    try:
        link = connect(serial, tell=wanted.tell)
    except RunnerError as error:
        error.remedy = error.remedy or "see `pocketbench doctor` and docs/phones.md"
        raise
    return AndroidRunner(link, route, wanted.phone, Ears(tell=wanted.tell, pulse=wanted.pulse, after=after))


def serial(wanted: Wanted) -> Runner:
    """The phone that `device` names."""
    return attached(wanted, wanted.device)


def listed() -> tuple[Listed, ...]:
    """What the local adb server knows; nothing where there is no adb."""
    from device_runners.adb.errors import DeviceUnreachable
    from device_runners.adb.server import Server

    try:
        return Server().devices()
    except DeviceUnreachable:
        return ()


def usable() -> list[str]:
    """Serials of the phones that can be talked to; the one that ANDROID_SERIAL names alone, as adb does it."""
    chosen = os.environ.get("ANDROID_SERIAL")
    return [one.serial for one in listed() if one.state == "device" and chosen in (None, "", one.serial)]


def _only(found: list[str]) -> str:
    if len(found) > 1:
        raise ExperimentError(
            f"several phones are connected: {', '.join(found)}",
            remedy="name one (device: SERIAL), some (devices: [A, B]) or all (devices: all)",
        )
    return found[0]
