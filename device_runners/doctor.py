"""Everything that a phone needs to be measured, checked one by one, each with its remedy."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from typing import Literal

from device_runners import app_package, choice, dumps, emulator, identity, listing, state
from device_runners.adb import keys, server
from device_runners.adb.connect import connect
from device_runners.adb.files import ROOT
from device_runners.adb.link import Link
from harness.errors import RunnerError
from harness.records import Record

Grade = Literal["ok", "warning", "failed"]
FEWEST_FREE_MB = 1024
FIRST_TO_PAIR = (30,)  # of adb
OLDEST_API = 24  # Android 7: sha256sum, and exit codes over adb
_SCRIPT = """
echo "@@free"; df -k /data/local/tmp 2>/dev/null
echo "@@ours"; du -sk "$1" 2>/dev/null
echo "@@locked"; dumpsys window 2>/dev/null | grep -m 3 -E 'mDreamingLockscreen=|isKeyguardShowing=|mIsShowing='
for name in always_finish_activities development_settings_enabled; do
  echo "@@$name"; settings get global "$name" 2>/dev/null
done
for name in debug.hwui.overdraw debug.hwui.profile debug.layout persist.sys.strictmode.visual; do
  echo "@@$name"; getprop "$name" 2>/dev/null
done
"""
_DISTORTING = {
    "always_finish_activities": ("1", "Don't keep activities"),
    "debug.hwui.overdraw": ("show", "Debug GPU overdraw"),
    "debug.hwui.profile": ("true|visual_bars", "Profile HWUI rendering"),
    "debug.layout": ("true", "Show layout bounds"),
    "persist.sys.strictmode.visual": ("1|true", "Strict mode enabled"),
}


class Check(Record, frozen=True, kw_only=True):
    """One thing that was looked at. where: `this computer` or a serial; remedy: empty for what is in order."""

    where: str
    what: str
    grade: Grade
    remedy: str = ""


HERE = "this computer"


def examine(serials: tuple[str, ...] = ()) -> Iterator[Check]:
    """This computer, then the named phones, or else all that are connected."""
    yield from _computer()
    listed = choice.listed()
    wanted = serials or tuple(one.serial for one in listed)
    if not wanted:
        yield Check(
            where=HERE,
            what="no phone is connected",
            grade="warning",
            remedy="plug one in with USB debugging on, or pair it over Wi-Fi: docs/phones.md",
        )
    conditions = {one.serial: one.state for one in listed}
    for serial in wanted:
        condition = conditions.get(serial, "device")
        if condition == "device":
            yield from _phone(serial)
        else:
            (obstacle,) = listing.shut(serial, "", condition).obstacles
            yield Check(where=serial, what=obstacle.what, grade="failed", remedy=obstacle.remedy)


def _computer() -> Iterator[Check]:
    try:
        yield from _adb(server.program())
    except RunnerError as error:
        yield Check(where=HERE, what=error.message, grade="failed", remedy=error.remedy)
    for path in keys.known():
        if path.is_file():
            open_ = bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
            words = "can be read by others" if open_ else "is private"
            remedy = f"chmod 600 {path}" if open_ else ""
            yield Check(where=HERE, what=f"key {path} {words}", grade="failed" if open_ else "ok", remedy=remedy)
    try:
        yield Check(where=HERE, what=f"emulator is {emulator.program()}", grade="ok")
    except RunnerError:
        yield Check(where=HERE, what="no Android emulator (only needed for device: emulator:NAME)", grade="ok")


def _adb(program: str) -> Iterator[Check]:
    version = server.version(program)
    words = f", version {'.'.join(map(str, version))}" if version else ""
    yield Check(where=HERE, what=f"adb is {program}{words}", grade="ok")
    if version and version < FIRST_TO_PAIR:
        yield Check(
            where=HERE,
            what=f"this adb cannot pair with phones over Wi-Fi; version {FIRST_TO_PAIR[0]} was the first that could",
            grade="warning",
            remedy="only where you want to pair: unpack newer platform-tools, and name their program in ADB",
        )


def _phone(serial: str) -> Iterator[Check]:
    try:
        link = connect(serial, tell=lambda _: None)
    except RunnerError as error:
        yield Check(where=serial, what=error.message, grade="failed", remedy=error.remedy)
        return
    try:
        for checks in (_identity, _state, _room, _app):
            yield from checks(link)
    except RunnerError as error:
        yield Check(where=serial, what=error.message, grade="failed", remedy=error.remedy)
    finally:
        link.close()


def _identity(link: Link) -> Iterator[Check]:
    device = identity.look(link)
    words = ", ".join(part for part in (device.name, device.soc, device.abi, device.os_build) if part)
    yield Check(where=link.serial, what=f"answers ({link.how}): {words}", grade="ok")
    level = identity.api_level(device)
    if 0 < level < OLDEST_API:
        yield Check(
            where=link.serial,
            what=f"its Android (API {level}) is older than 7.0 (API {OLDEST_API})",
            grade="failed",
            remedy="use a newer phone",
        )
    if device.facts.get("build_type", "user") != "user":
        yield Check(
            where=link.serial,
            what=f"its system is a {device.facts['build_type']} build, which is slower than what users have",
            grade="warning",
            remedy="use a phone with a user build",
        )


def _state(link: Link) -> Iterator[Check]:
    found = [*listing.in_use(link), *state.obstacles(state.read(link))]
    for one in found:
        yield Check(where=link.serial, what=one.what, grade="failed" if one.stops else "warning", remedy=one.remedy)
    if not found:
        yield Check(where=link.serial, what="nothing in its state speaks against measuring", grade="ok")


def _room(link: Link) -> Iterator[Check]:
    """Space, lock, and developer options that distort."""
    text = dumps.text_of(link.script(_SCRIPT, [ROOT], timeout_secs=30).stdout)
    parts = {part.partition("\n")[0].strip(): part.partition("\n")[2].strip() for part in f"\n{text}".split("\n@@")[1:]}
    free_mb = _free_mb(parts.get("free", ""))
    if free_mb is not None:
        short = free_mb < FEWEST_FREE_MB
        yield Check(
            where=link.serial,
            what=f"{free_mb} MB are free in /data/local/tmp",
            grade="warning" if short else "ok",
            remedy="pocketbench clean --device, or remove something" if short else "",
        )
    if "=true" in parts.get("locked", ""):
        yield Check(where=link.serial, what="the screen is locked", grade="warning", remedy="unlock it")
    for name, (bad, words) in _DISTORTING.items():
        if re.fullmatch(bad, parts.get(name, "")):
            yield Check(
                where=link.serial,
                what=f"developer option '{words}' is on, which distorts times",
                grade="warning",
                remedy="Settings > System > Developer options: switch it off",
            )


def _app(link: Link) -> Iterator[Check]:
    for runtime, package in app_package.PACKAGES.items():
        there = app_package.installed(link, package) != ""
        yield Check(
            where=link.serial,
            what=f"the benchmark app for {runtime} ({package}) is {'' if there else 'not '}installed",
            grade="ok" if there else "warning",
            remedy="" if there else f"name it (phone.{runtime}_app: see docs/android_app.md), or phone.route: binary",
        )


def _free_mb(text: str) -> int | None:
    """The fourth column of the last line of df, in kilobytes; a long name may have a line to itself."""
    words = " ".join(text.splitlines()[1:]).split()
    numbers = [int(word) for word in words if word.isdigit()]
    return numbers[2] // 1024 if len(numbers) >= 3 else None
