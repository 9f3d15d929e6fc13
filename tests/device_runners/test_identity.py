"""device_runners/identity.py: which phone it is, by whatever properties it has."""

from __future__ import annotations

import pytest

from device_runners import identity
from harness.errors import RunnerError
from tests.fakes.links import FakeLink
from tests.fakes.phones import PROPERTIES


def look(properties: str, serial: str = "ABC") -> identity.Device:
    return identity.look(FakeLink(serial).on_script("getprop", f"{properties}\n@@memory\n"))


@pytest.mark.parametrize(
    ("properties", "serial", "kind"),
    [
        (PROPERTIES, "ABC", "phone"),
        (PROPERTIES, "emulator-5554", "emulator"),
        (PROPERTIES + "[ro.kernel.qemu]: [1]\n", "127.0.0.1:5555", "emulator"),
        (PROPERTIES + "[ro.hardware]: [ranchu]\n", "ABC", "emulator"),
        ("[ro.build.fingerprint]: [pocketbench/sandbox/sandbox:14/S/1:user/test-keys]\n", "127.0.0.1:1", "sandbox"),
    ],
)
def test_what_stands_in_for_a_phone_is_told_from_one(properties: str, serial: str, kind: str) -> None:
    assert look(properties, serial).kind == kind


def test_a_chip_before_android_12_has_its_platform_s_name() -> None:
    old = "[ro.product.model]: [SM-G950F]\n[ro.board.platform]: [universal8895]\n[ro.build.version.sdk]: [28]\n"
    device = look(old)
    assert (device.name, device.soc, device.os_build) == (
        "SM-G950F",
        "universal8895",
        "Android of unknown version (API 28)",
    )
    assert identity.api_level(device) == 28


def test_a_phone_that_tells_nothing_is_a_phone_without_a_name() -> None:
    device = look("")
    assert (device.kind, device.name, device.soc, device.memory_mb) == ("phone", "unnamed phone", "", 0)
    assert identity.api_level(device) == 0


def test_long_and_strange_values_stay_text_of_a_bounded_length() -> None:
    device = look(f"[ro.product.model]: [{'x' * 5000}]\n[ro.product.manufacturer]: [$(reboot);'\"]\n")
    assert len(device.name) < 300


def test_a_phone_that_does_not_answer_is_an_error() -> None:
    with pytest.raises(RunnerError, match="getprop failed"):
        identity.look(FakeLink())
