"""This machine's keys: private from the first moment, adb's own taken where they are."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from device_runners.adb import keys
from harness.errors import StoreError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("ADB_VENDOR_KEYS", raising=False)
    return tmp_path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_key_is_made_once_and_only_its_owner_can_read_it(home: Path) -> None:
    told: list[str] = []
    (first,) = keys.signers(told.append)
    (again,) = keys.signers(told.append)
    path = home / ".config" / "pocketbench" / "adbkey"
    assert told == [f"made a key for phones: {path}"]
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700
    assert sorted(one.name for one in path.parent.iterdir()) == ["adbkey", "adbkey.pub"]
    assert first.GetPublicKey() == again.GetPublicKey()
    assert len(first.Sign(b"x" * 20)) == 256


def test_a_key_of_ours_that_others_can_read_is_put_right_and_told(home: Path) -> None:
    keys.signers(print)
    keys.own().chmod(0o644)
    told: list[str] = []
    keys.signers(told.append)
    assert mode(keys.own()) == 0o600
    assert "mode 0644" in told[0]


def test_what_adb_has_made_is_used_and_no_other_key_is_made(home: Path, tmp_path: Path) -> None:
    made = keys.made(home / "elsewhere" / "adbkey", print)
    (home / ".android").mkdir()
    for name in ("adbkey", "adbkey.pub"):
        (made.parent / name).rename(home / ".android" / name)
    assert len(keys.signers(print)) == 1
    assert not keys.own().exists()


def test_keys_named_by_adbs_own_variable_come_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = keys.made(home / "team" / "adbkey", print)
    keys.made(keys.own(), print)
    monkeypatch.setenv("ADB_VENDOR_KEYS", str(named))
    first, second = keys.signers(print)
    assert first.GetPublicKey() == (home / "team" / "adbkey.pub").read_bytes()
    assert second.GetPublicKey() != first.GetPublicKey()


def test_a_place_that_cannot_be_written_is_told(home: Path) -> None:
    (home / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        keys.made(home / "file" / "adbkey", print)
