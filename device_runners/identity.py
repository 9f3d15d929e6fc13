"""Which phone this is: its properties -> a Device."""

from __future__ import annotations

from typing import Literal

import msgspec

from device_runners import dumps, state
from device_runners.adb.link import Link, checked
from device_runners.state import State
from harness.records import Device

Kind = Literal["phone", "emulator", "sandbox", "host"]
_SANDBOX = "pocketbench/sandbox/"  # fingerprint of the device of our own tests, which is no phone
_SCRIPT = 'getprop; echo; echo "@@memory"; grep MemTotal /proc/meminfo'
_MOST = 120


def look(link: Link) -> Device:
    """The phone at the other end, without its state; RunnerError when it answers nothing."""
    text = dumps.text_of(checked(link.script(_SCRIPT, timeout_secs=30), "getprop").encode())
    listed, _, memory = text.partition("\n@@memory")
    found = {name: value[:_MOST] for name, value in dumps.properties(listed).items()}
    version, level = found.get("ro.build.version.release", ""), found.get("ro.build.version.sdk", "")
    return Device(
        kind=_kind(found, link.serial),
        name=_name(found),
        soc=_soc(found),
        abi=found.get("ro.product.cpu.abi", ""),
        os_build=f"Android {version or 'of unknown version'} (API {level or '?'})",
        serial=link.serial,
        memory_mb=_memory_mb(memory),
        facts={
            name: value
            for name, value in {
                "fingerprint": found.get("ro.build.fingerprint", ""),
                "link": link.how,
                "build_type": found.get("ro.build.type", ""),
                "security_patch": found.get("ro.build.version.security_patch", ""),
            }.items()
            if value
        },
    )


def with_state(device: Device, now: State) -> Device:
    """The same device with what it tells about its state, among its facts."""
    facts = {name.removesuffix("_now"): value for name, value in state.facts(now, "now").items()}
    return msgspec.structs.replace(device, cores=len(now.clocks), facts=device.facts | facts)


def api_level(device: Device) -> int:
    """0 where it is not known."""
    level = device.os_build.partition("(API ")[2].rstrip(")")
    return int(level) if level.isdigit() else 0


def _kind(found: dict[str, str], serial: str) -> Kind:
    if found.get("ro.build.fingerprint", "").startswith(_SANDBOX):
        return "sandbox"
    virtual = "1" in (found.get("ro.kernel.qemu"), found.get("ro.boot.qemu"))
    hardware = found.get("ro.hardware", "") in ("goldfish", "ranchu", "cutf_cvm")
    return "emulator" if virtual or hardware or serial.startswith("emulator-") else "phone"


def _name(found: dict[str, str]) -> str:
    maker, model = found.get("ro.product.manufacturer", ""), found.get("ro.product.model", "")
    named = model if model.casefold().startswith(maker.casefold()) else f"{maker} {model}"
    return named.strip() or "unnamed phone"


def _soc(found: dict[str, str]) -> str:
    """The chip's own name since Android 12, before that its platform's."""
    maker, model = found.get("ro.soc.manufacturer", ""), found.get("ro.soc.model", "")
    if model and model.casefold() != "unknown":
        return model if model.casefold().startswith(maker.casefold()) else f"{maker} {model}".strip()
    return found.get("ro.board.platform", "") or found.get("ro.hardware", "")


def _memory_mb(text: str) -> int:
    words = text.split()
    return int(words[1]) // 1024 if len(words) > 1 and words[1].isdigit() else 0
