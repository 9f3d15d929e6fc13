"""Ways to a device: direct, through Debian's adb server, and through the one of Android 14's age."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from device_runners.adb.connect import connect
from device_runners.adb.link import Link
from device_runners.adb.server import Server
from harness.process import Child
from tests.device.sandbox import Sandbox, free_port

WAYS = ("direct", "server 29", "server 34")

Reach = Callable[..., Link]


def soon(true: Callable[[], bool], secs: float = 5.0) -> bool:
    """Whether it becomes true before long."""
    end = time.monotonic() + secs
    while not (found := true()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


@pytest.fixture(scope="session")
def server_34(phone_files: Path, adb_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server of trixie's adb, with the keys of `adb_server`."""
    server = Server(free_port())
    argv = [str(phone_files / "adb34"), "-P", str(server.port), "nodaemon", "server"]
    with contextlib.closing(Child(argv, log=tmp_path_factory.mktemp("server34") / "log")):
        yield server


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def told() -> list[str]:
    """What `reach` was told."""
    return []


@pytest.fixture
def reach(way: str, adb_server: Server, server_34: Server, told: list[str]) -> Iterator[Reach]:
    """reach(serial): a link by the way under test, closed and forgotten in the end."""
    server = server_34 if way == "server 34" else adb_server
    links: list[Link] = []

    def reach(serial: str) -> Link:
        how = "direct" if way == "direct" else "server"
        links.append(connect(serial, tell=told.append, how=how, server=server))
        return links[-1]

    yield reach
    for link in links:
        link.close()
    if way != "direct":
        _forget(server)


@pytest.fixture
def link(reach: Reach, sandbox: Sandbox) -> Link:
    return reach(sandbox.serial)


@pytest.fixture
def own(phone_files: Path, tmp_path: Path) -> Iterator[Sandbox]:
    """A device of its own, to be broken."""
    with Sandbox(phone_files, tmp_path / "device") as device:
        yield device


def _forget(server: Server) -> None:
    """Else the server would go on dialling devices that are gone."""
    from device_runners.adb.line import Patience
    from harness.errors import RunnerError

    for device in server.devices():
        with contextlib.suppress(RunnerError):
            server.ask(b"host:disconnect:" + device.serial.encode(), Patience(5, "forgetting"))
