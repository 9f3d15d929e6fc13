"""The local adb server: its list, and its refusals as errors of ours; played by a server of a few lines."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from device_runners.adb.errors import DeviceUnauthorized, DeviceUnreachable, LinkLost, ServiceRefused
from device_runners.adb.line import Patience
from device_runners.adb.server import Listed, Server, ServerDialler, is_address

LIST = """R58M12ABCDE            device usb:1-4 product:beyond1 model:SM_G973F device:beyond1 transport_id:4
emulator-5554          offline transport_id:2
0123456789             no permissions (user in plugdev group; udev rules wrong?); see [address] usb:1-2 transport_id:3
192.168.1.20:5555      unauthorized transport_id:9
adb-X-y._adb-tls-connect._tcp device product:a model:Pixel_8 device:b transport_id:7
"""

Play = Callable[[bytes], Server]


@pytest.fixture
def play() -> Iterator[Play]:
    """play(answer): a server that gives every request this answer."""
    open_sockets: list[socket.socket] = []

    def play(answer: bytes) -> Server:
        listener = socket.create_server(("127.0.0.1", 0))
        open_sockets.append(listener)

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                client.recv(65536)
                client.sendall(answer)
                client.close()

        threading.Thread(target=serve, daemon=True).start()
        return Server(listener.getsockname()[1])

    yield play
    for one in open_sockets:
        one.shutdown(socket.SHUT_RDWR)
        one.close()


def fail(reason: str) -> bytes:
    return b"FAIL%04x" % len(reason) + reason.encode()


def test_the_list_is_read_with_every_state(play: Play) -> None:
    text = LIST.encode()
    found = play(b"OKAY%04x" % len(text) + text).devices()
    assert [(one.serial, one.state.split(" (")[0]) for one in found] == [
        ("R58M12ABCDE", "device"),
        ("emulator-5554", "offline"),
        ("0123456789", "no permissions"),
        ("192.168.1.20:5555", "unauthorized"),
        ("adb-X-y._adb-tls-connect._tcp", "device"),
    ]
    assert found[0].facts["model"] == "SM_G973F"
    assert found[2].facts == {"usb": "1-2", "transport_id": "3"}


def test_an_empty_list_is_no_device(play: Play) -> None:
    assert play(b"OKAY0000").devices() == ()
    assert Listed(serial="a", state="device").facts == {}


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set", DeviceUnauthorized),
        ("device still authorizing", DeviceUnauthorized),
        ("device 'R58M12ABCDE' not found", DeviceUnreachable),
        ("device offline", DeviceUnreachable),
        ("insufficient permissions for device: no permissions", DeviceUnreachable),
        ("unknown host service", ServiceRefused),
    ],
)
def test_a_refusal_is_told_with_its_own_words(play: Play, reason: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=" ".join(reason.split())[:20].replace("'", ".")):
        ServerDialler("R58M12ABCDE", play(fail(reason))).open(b"shell:x", Patience(5, "x"))


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"OKAYzzzz", b"OK", b""])
def test_another_program_on_that_port_is_told(play: Play, answer: bytes) -> None:
    with pytest.raises(LinkLost):
        play(answer).devices()


@pytest.mark.parametrize(("serial", "expected"), [("a.b:5555", True), ("[::1]:5", True), ("R5", False), ("a:b", False)])
def test_an_address_is_told_from_a_serial(serial: str, expected: bool) -> None:
    assert is_address(serial) == expected


def test_a_command_that_is_too_long_for_the_server_is_refused_here(play: Play) -> None:
    with pytest.raises(ServiceRefused, match="takes at most 65535"):
        ServerDialler("R58M12ABCDE", play(b"OKAY")).open(b"shell:" + b"x" * 70_000, Patience(5, "x"))
