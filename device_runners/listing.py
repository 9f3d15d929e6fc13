"""What can be measured on now: this computer, and every phone that adb or an address leads to, with what speaks against
measuring each at the moment."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from device_runners import choice, hold, identity, state
from device_runners.adb.connect import connect
from device_runners.adb.link import Link
from device_runners.host import HostRunner
from device_runners.state import Obstacle
from harness.errors import RunnerError
from harness.records import Device, Record

# States of adb's list other than `device`, and what a person does about them.
REMEDIES = {
    "unauthorized": 'unlock the phone and tap Allow in "Allow USB debugging?"; if it does not ask: developer options, '
    "Revoke USB debugging authorizations, and plug it in again",
    "authorizing": 'unlock the phone and tap Allow in "Allow USB debugging?"',
    "offline": "unplug it and plug it in again; over Wi-Fi switch wireless debugging off and on; then adb kill-server",
    "no permissions": "give your user access to USB devices (Debian, Ubuntu: install "
    "android-sdk-platform-tools-common, join the group plugdev), then unplug it and plug it in again",
    "recovery": "start it into Android: adb reboot",
    "sideload": "start it into Android: adb reboot",
    "bootloader": "start it into Android: fastboot reboot",
}
_OTHERWISE = "see docs/phones.md"


class Seen(Record, frozen=True, kw_only=True):
    """One device. obstacles: what speaks against measuring it now."""

    device: Device
    obstacles: tuple[Obstacle, ...] = ()


def everything(addresses: Sequence[str] = ()) -> Iterator[Seen]:
    """This computer first, then what adb lists, then what was named besides and POCKETBENCH_SANDBOX."""
    host = HostRunner()
    yield Seen(device=host.device())
    host.close()
    named = [*addresses, *filter(None, [os.environ.get("POCKETBENCH_SANDBOX")])]
    known = choice.listed()
    for one in known:
        if one.state == "device":
            yield look(one.serial)
        else:
            yield shut(one.serial, one.facts.get("model", ""), one.state)
    for serial in dict.fromkeys(named):
        if serial not in {one.serial for one in known}:
            yield look(serial)


def look(serial: str) -> Seen:
    """One phone, now; one that cannot be reached is told with the reason."""
    try:
        link = connect(serial, tell=lambda _: None)
    except RunnerError as error:
        return _lost(serial, error)
    try:
        now = state.read(link)
        device = identity.with_state(identity.look(link), now)
        return Seen(device=device, obstacles=(*in_use(link), *state.obstacles(now)))
    except RunnerError as error:
        return _lost(serial, error)
    finally:
        link.close()


def in_use(link: Link) -> list[Obstacle]:
    """That another session measures on it, if one does."""
    there = hold.other(link)
    return [Obstacle(what=f"it is in use by {there.who}", remedy=hold.FREE, stops=True)] if there else []


def shut(serial: str, model: str, condition: str) -> Seen:
    """A phone that adb lists in another state than `device`, with what a person does about it."""
    remedy = next((text for word, text in REMEDIES.items() if condition.startswith(word)), _OTHERWISE)
    device = Device(kind="phone", name=model.replace("_", " ") or "unknown phone", serial=serial)
    return Seen(device=device, obstacles=(Obstacle(what=f"it is {condition}", remedy=remedy, stops=True),))


def _lost(serial: str, error: RunnerError) -> Seen:
    device = Device(kind="phone", name="unknown phone", serial=serial)
    obstacle = Obstacle(what=error.message, remedy=error.remedy or _OTHERWISE, stops=True)
    return Seen(device=device, obstacles=(obstacle,))
