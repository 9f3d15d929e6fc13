"""Shared by all tests; a folder's own fixtures are in its own conftest.py."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from device_runners.adb.server import Server
from harness.process import Bounds, execute
from tests.device.sandbox import Sandbox, free_port, made

# One thread per process: several converters at once, each with a thread per core, only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")


# A shell without job control starts what runs in the background with interrupts ignored, and children inherit that:
# the tests of Ctrl-C would wait for ever. So it is with nohup and hang-ups, which end what is left on a device.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def project() -> Path:
    """The top folder of the project."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def phone_files(project: Path) -> Path:
    """What a sandboxed device is made of: put together once, kept beside the environment."""
    missing = [program for program in ("adb", "cc", "unshare", "dpkg-deb") if shutil.which(program) is None]
    if os.geteuid() != 0:
        missing.append("root")
    if missing:
        why = f"a device of our own needs {', '.join(missing)}"
        if os.geteuid() == 0 or os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    return made(project / ".venv" / "device")


@pytest.fixture(scope="session")
def adb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An adb server of our own, with keys of its own; `listed` and `connect` take it."""
    home = tmp_path_factory.mktemp("adb-home")
    server = Server(free_port())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
        yield server
        execute(["adb", "-P", str(server.port), "kill-server"], bounds=Bounds(timeout_secs=20), log=home / "log")


@pytest.fixture(scope="session")
def running_sandbox(phone_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(phone_files, tmp_path_factory.mktemp("device")) as device:
        yield device


@pytest.fixture
def sandbox(running_sandbox: Sandbox) -> Iterator[Sandbox]:
    """A healthy device; one for all tests, so leave it running, and nothing running on it."""
    if not running_sandbox.listening():  # tests of stopping all children stop this one as well
        running_sandbox.reboot()
    running_sandbox.reset()
    yield running_sandbox
    if running_sandbox.listening():
        end = time.monotonic() + 10
        while (left := running_sandbox.processes()) and time.monotonic() < end:
            time.sleep(0.02)
        assert left == [], "the test left them running on the device"
