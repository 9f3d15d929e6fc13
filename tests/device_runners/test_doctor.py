"""device_runners/doctor.py on this computer; phones are looked at in test_on_a_device.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from device_runners import doctor
from tests.device.sandbox import free_port


@pytest.mark.parametrize(
    ("says", "words", "pairs"),
    [
        ("Android Debug Bridge version 1.0.41\\nVersion 29.0.6-debian\\n", ", version 29.0.6", False),
        ("Android Debug Bridge version 1.0.41\\nVersion 36.0.0-13206524\\n", ", version 36.0.0", True),
        ("nothing of use", "", True),
    ],
)
def test_an_adb_that_cannot_pair_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, words: str, pairs: bool
) -> None:
    adb = tmp_path / "adb"
    adb.write_text(f'#!/bin/sh\n[ "$1" = version ] && printf "{says}"\n')
    adb.chmod(0o755)
    monkeypatch.setenv("ADB", str(adb))
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(free_port()))
    checks = [check for check in doctor.examine() if "adb" in check.what and "key" not in check.what]
    assert (checks[0].what, checks[0].grade) == (f"adb is {adb}{words}", "ok")
    assert [check.grade for check in checks[1:] if "pair" in check.what] == ([] if pairs else ["warning"])
