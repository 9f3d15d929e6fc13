"""A virtual device (AVD) of the Android SDK: started without a window, waited for until it has booted, stopped again.

The program is found through the SDK's usual variables or the PATH. What is measured on it says nothing about a phone's
times (caveat EMULATOR); it shows that builds run and are right.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from device_runners.adb.connect import connect
from device_runners.adb.server import Server
from harness.errors import ProcessError, RunnerError
from harness.process import Bounds, Child, execute, tail_of

FIRST_PORT, LAST_PORT = 5554, 5584  # pairs that adb knows as emulators: an even one for its console, the next for adb
BOOT_SECS = 300.0
_POLL_SECS = 0.5
_OPTIONS = ("-no-window", "-no-audio", "-no-boot-anim", "-no-snapshot-save")
_TO_LOG = 'exec "$@" >&2'
_WHERE = "install the SDK's emulator package, and set ANDROID_HOME to the SDK (docs/phones.md)"


class Emulator:
    """A running virtual device; stop it. log: what the emulator said."""

    def __init__(self, avd: str, port: int, program: str) -> None:
        self.serial = f"emulator-{port}"
        self.avd, self.port = avd, port
        self._folder = tempfile.TemporaryDirectory(prefix="pocketbench-emulator-")
        self.log = Path(self._folder.name, "emulator.log")
        argv = ["sh", "-c", _TO_LOG, "emulator", program, "-avd", avd, "-port", str(port), *_OPTIONS]
        self._child = Child(argv, log=self.log)

    def stop(self) -> None:
        """End it with everything that it started; may be called more than once."""
        self._child.close()
        self._folder.cleanup()

    def alive(self) -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self._child.pid).status() != psutil.STATUS_ZOMBIE
        return False


def start(avd: str, *, tell: Callable[[str], None], boot_secs: float = BOOT_SECS) -> Emulator:
    """Start it and wait until Android has booted. Raises RunnerError: no emulator, no such AVD, it ended, too slow."""
    path = program()
    known = names(path)
    if avd not in known:
        raise RunnerError(
            f"there is no virtual device {avd!r}",
            remedy=f"use one of: {', '.join(known)}" if known else "make one in Android Studio, or with avdmanager",
        )
    tell(f"starting the virtual device {avd}")
    started = Emulator(avd, free_port(), path)
    try:
        _wait(started, boot_secs)
    except BaseException:
        started.stop()
        raise
    return started


def program() -> str:
    """The SDK's emulator; RunnerError where there is none."""
    roots = [os.environ.get(name) for name in ("ANDROID_HOME", "ANDROID_SDK_ROOT")]
    places = [Path(root, "emulator", "emulator") for root in roots if root]
    found = next((str(place) for place in places if os.access(place, os.X_OK)), "") or shutil.which("emulator")
    if not found:
        raise RunnerError("there is no Android emulator on this computer", remedy=_WHERE)
    return found


def names(path: str) -> list[str]:
    """The virtual devices that it knows."""
    with tempfile.TemporaryDirectory(prefix="pocketbench-emulator-") as folder:
        log = Path(folder, "log")
        try:
            execute([path, "-list-avds"], bounds=Bounds(timeout_secs=30), log=log)
        except ProcessError as error:
            raise RunnerError(f"{path} does not list its devices: {error.message}", remedy=_WHERE) from error
        lines = log.read_text(errors="replace").splitlines()
    return [line.strip() for line in lines if line.strip() and " " not in line.strip()]


def free_port() -> int:
    """The first pair of ports that nobody listens on."""
    for port in range(FIRST_PORT, LAST_PORT + 1, 2):
        if not _listening(port) and not _listening(port + 1):
            return port
    raise RunnerError("all ports of emulators are taken", remedy="stop an emulator that is running")


def _wait(started: Emulator, boot_secs: float) -> None:
    end = time.monotonic() + boot_secs
    why = "its adb port did not open"
    while time.monotonic() < end:
        if not started.alive():
            said = tail_of(started.log).strip().splitlines()
            raise RunnerError(
                f"the emulator ended while {started.avd} booted: {said[-1][:300] if said else 'it said nothing'}",
                remedy="start it by hand: emulator -avd NAME",
            )
        if _listening(started.port + 1):
            why = _not_booted(started)
            if not why:
                return
        time.sleep(_POLL_SECS)
    raise RunnerError(
        f"{started.avd} did not boot within {boot_secs:g} s: {why}",
        remedy="start it by hand once; without hardware acceleration it takes many minutes",
    )


def _not_booted(started: Emulator) -> str:
    """Why it cannot be used yet, "" when it can."""
    _introduce(started.port + 1)
    try:
        link = connect(started.serial, tell=lambda _: None)
    except RunnerError as error:
        return error.message
    try:
        booted = link.shell(["getprop", "sys.boot_completed"], timeout_secs=20).text.strip()
    except RunnerError as error:
        return error.message
    finally:
        link.close()
    return "" if booted == "1" else "Android is still starting"


def _introduce(adb_port: int) -> None:
    """Tell the local adb server, as an emulator does itself; a server that is not there is started by who needs it."""
    request = b"host:emulator:%d" % adb_port
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", Server().port), timeout=2) as line:
        line.sendall(b"%04x" % len(request) + request)


def _listening(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
