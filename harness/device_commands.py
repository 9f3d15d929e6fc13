"""What the commands about devices do: devices, doctor, clean. Each returns an Answer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import msgspec

from device_runners import app_package, choice, doctor, listing
from device_runners.adb import files, runs
from device_runners.adb.connect import connect
from device_runners.hold import Hold
from device_runners.listing import Seen
from harness.commands import Answer
from harness.errors import EXIT_NOT_DONE, ExperimentError, RunnerError
from harness.records import Device

_SIGNS = {"ok": "ok     ", "warning": "warning", "failed": "FAILED "}


def devices(addresses: Sequence[str]) -> Answer:
    """What can be measured on now, and what keeps a phone from it."""
    found = list(listing.everything(addresses))
    lines = [line for seen in found for line in _shown(seen)]
    if len(found) == 1:
        lines.append(
            "no phone is connected; `pocketbench doctor` says what is missing, docs/phones.md how to connect one"
        )
    return Answer(text="\n".join(lines), data=[_with_obstacles(seen) for seen in found])


def _shown(seen: Seen) -> list[str]:
    device = seen.device
    name = "host" if device.kind == "host" else device.serial
    parts = [device.name, device.soc if device.soc != device.name else "", device.abi, device.os_build]
    parts += [f"{device.cores} cores" if device.cores else ""]
    lines = [f"{name:24} {device.kind}: {', '.join(part for part in parts if part)}"]
    facts = [f"{key.replace('_', ' ')} {value}" for key, value in device.facts.items() if key != "fingerprint"]
    lines += [f"{'':24}   {'; '.join(facts)}"] if facts else []
    for one in seen.obstacles:
        lines += [f"{'':24} ! {one.what}", f"{'':24}     {one.remedy}"]
    return lines


def _with_obstacles(seen: Seen) -> Device:
    """For scripts: the record, with what speaks against measuring it now among its facts."""
    against = "; ".join(one.what for one in seen.obstacles)
    facts = seen.device.facts | ({"against": against} if against else {})
    usable = not any(one.stops for one in seen.obstacles)
    return msgspec.structs.replace(seen.device, facts=facts | {"usable": "yes" if usable else "no"})


def examine(serials: Sequence[str]) -> Answer:
    """Everything that is needed to measure, checked, each with its remedy; exit code 2 when something failed."""
    checks = list(doctor.examine(tuple(serials)))
    lines = []
    for one in checks:
        lines.append(f"{_SIGNS[one.grade]} {one.where}: {one.what}")
        if one.remedy:
            lines.append(f"{'':8}  try: {one.remedy}")
    failed = any(one.grade == "failed" for one in checks)
    return Answer(text="\n".join(lines), data=checks, exit_code=EXIT_NOT_DONE if failed else 0)


def clean(name: str, tell: Callable[[str], None], *, app: bool = False) -> Answer:
    """Take everything of ours from one phone (`phone`, a serial, `sandbox`): runs that are left, files, settings; and
    the app, when that is asked for."""
    serial = _serial(name)
    link = connect(serial, tell=tell)
    try:
        stopped = runs.stop_all(link)
        hold = Hold(link, fixed_performance=False)
        hold.give_back()
        with contextlib.suppress(RunnerError):
            places = [f"{app_package.media(package)}/runs" for package in app_package.PACKAGES.values()]
            link.shell(["rm", "-rf", *places], timeout_secs=60)
        gone = app_package.uninstall(link) if app else []
        freed = files.clean(link)
    finally:
        link.close()
    apps = f"{len(gone)} apps removed" if app else "apps stay (--app removes them)"
    words = f"{serial}: {freed / 2**20:.0f} MB freed, {stopped} runs stopped, {apps}"
    data = {"serial": serial, "freed_bytes": freed, "stopped_runs": stopped, "removed_apps": gone}
    return Answer(text=words, data=data)


def _serial(name: str) -> str:
    kind = "phone" if name == "auto" else name
    if kind == "sandbox":
        return choice.sandbox_address()
    if kind != "phone":
        return choice.check(kind)
    found = choice.usable()
    if len(found) != 1:
        what = f"several phones are connected: {', '.join(found)}" if found else "no phone is connected"
        raise ExperimentError(what, remedy="name one: pocketbench clean --device SERIAL")
    return found[0]
