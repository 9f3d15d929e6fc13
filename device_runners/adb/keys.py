"""This machine's keys: what a phone remembers after "Allow USB debugging?".

The keys that adb itself has made are used where they are, because a phone that allowed adb need not be asked again. One
of our own is made when there is none; only its owner can read it.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.errors import StoreError

PRIVATE = 0o600


def signers(tell: Callable[[str], None]) -> list[Any]:
    """Everything that can sign for this machine, adb's own keys first."""
    from adb_shell.auth.sign_cryptography import CryptographySigner

    paths = [path for path in known() if path.is_file() and path.with_name(path.name + ".pub").is_file()]
    if not paths:
        paths = [made(own(), tell)]
    for path in paths:
        if path == own():
            guard(path, tell)
    return [CryptographySigner(str(path)) for path in paths]


def known() -> list[Path]:
    """Where keys may lie: ADB_VENDOR_KEYS (files), adb's own, ours."""
    named = filter(None, os.environ.get("ADB_VENDOR_KEYS", "").split(os.pathsep))
    return [*map(Path, named), Path.home() / ".android" / "adbkey", own()]


def own() -> Path:
    """Our key's place, by the XDG convention."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "pocketbench" / "adbkey"


def made(path: Path, tell: Callable[[str], None]) -> Path:
    """Make a pair of keys; the private one is never, not even for a moment, readable by others."""
    from adb_shell.auth.keygen import keygen

    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:  # mode 0700
            fresh = Path(folder, path.name)
            keygen(str(fresh))
            fresh.chmod(PRIVATE)
            fresh.with_name(fresh.name + ".pub").replace(path.with_name(path.name + ".pub"))
            fresh.replace(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}", remedy="set XDG_CONFIG_HOME") from error
    tell(f"made a key for phones: {path}")
    return path


def guard(path: Path, tell: Callable[[str], None]) -> None:
    """Take away what others were allowed to do with a key of ours."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        path.chmod(PRIVATE)
        tell(f"{path} could be read by others (mode {mode:04o}); now it cannot")
