"""Bytes on their way: what a Line writes arrives whole, whether it comes from memory or out of a file."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from device_runners.adb import sync_service
from device_runners.adb.errors import CommandTimeout, PushFailed
from device_runners.adb.line import Line, Patience
from device_runners.adb.server import ServerChannel


class Listener:
    """Takes one connection and keeps what comes on it until the other side closes it."""

    def __init__(self, seen: Callable[[], object] = lambda: None) -> None:
        self._seen = seen
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._got = bytearray()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        self.patience = Patience(20, "listening")
        self.line = Line("127.0.0.1", self._socket.getsockname()[1], self.patience)

    def _listen(self) -> None:
        connection, _ = self._socket.accept()
        with connection:
            while piece := connection.recv(2**16):
                self._got += piece
                self._seen()

    def got(self) -> bytes:
        self.line.close()
        self._thread.join(20)
        self._socket.close()
        return bytes(self._got)


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.got()


def test_a_step_that_takes_too_long_names_the_time_of_the_whole_operation() -> None:
    step = Patience(0.05, "asking", silence_secs=20).prompt(30)
    time.sleep(0.06)
    with pytest.raises(CommandTimeout, match=r"asking was not done after 0\.05 s"):
        step.next_wait()
    assert Patience(9, "asking", silence_secs=20).prompt(30).next_wait() <= 9


def test_a_connection_that_was_left_in_the_middle_is_broken(listener: Listener) -> None:
    with pytest.raises(CommandTimeout):
        listener.line.fill(1, Patience(0, "asking"))
    assert listener.line.broken


def test_a_part_of_a_file_arrives_behind_its_head(listener: Listener, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    (tmp_path / "file").write_bytes(data)
    with open(tmp_path / "file", "rb") as file:
        listener.line.send_file(b"head", file.fileno(), 1_000_000, 2_000_000, listener.patience)
    assert listener.got() == b"head" + data[1_000_000:]


def test_a_head_that_does_not_fit_into_the_connection_at_once_is_written_whole(
    listener: Listener, tmp_path: Path
) -> None:
    head = os.urandom(20_000_000)
    (tmp_path / "file").write_bytes(b"part")
    with open(tmp_path / "file", "rb") as file:
        listener.line.send_file(head, file.fileno(), 0, 4, listener.patience)
    assert listener.got() == head + b"part"


def test_a_file_that_the_kernel_cannot_send_is_read_and_sent(listener: Listener) -> None:
    whole = Path("/proc/self/cmdline").read_bytes()
    with open("/proc/self/cmdline", "rb", buffering=0) as file:
        with pytest.raises(OSError, match="Invalid argument"):
            os.sendfile(1, file.fileno(), 0, 10)
        listener.line.send_file(b"head", file.fileno(), 2, len(whole) - 2, listener.patience)
    assert listener.got() == b"head" + whole[2:]


def test_a_file_that_gets_shorter_while_it_is_pushed_is_told(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.touch()
    os.truncate(path, 2**28)
    listener = Listener(seen=lambda: os.truncate(path, 100_000))
    channel = ServerChannel(listener.line, listener.patience, lost=lambda: None)
    with pytest.raises(PushFailed, match=r"model\.tflite cannot be read: it became shorter meanwhile"):
        sync_service.push(channel, path, "/data/local/tmp/model", mode=0o644)
    assert len(listener.got()) < 2**28
