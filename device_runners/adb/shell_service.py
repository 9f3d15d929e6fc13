"""Commands on a device with their exit codes: protocol `shell,v2`, and for daemons before Android 7 a marker."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from device_runners.adb.channel import Channel, Reader
from device_runners.adb.errors import LinkLost
from device_runners.adb.link import Output
from harness.errors import RunnerError

V2 = b"shell,v2,raw:"
V1 = b"shell:"
NO_INPUT = b" </dev/null"  # cheaper than to open an input and to end it
MOST_STDIN_BYTES = 65536  # all of it is written before the first answer is read
MOST_OUTPUT_BYTES = 64 * 2**20
STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN = range(5)

Piece = tuple[int, bytes]  # (STDOUT, STDERR or EXIT; bytes, or the exit code as one byte)


def collect(pieces: Iterator[Piece]) -> Output:
    """All that a command said; RunnerError when it does not stop talking."""
    kept: dict[int, list[bytes]] = {STDOUT: [], STDERR: [], EXIT: []}
    total = 0
    for kind, data in pieces:
        kept[kind].append(data)
        total += len(data)
        if total > MOST_OUTPUT_BYTES:
            raise RunnerError(f"a command printed more than {MOST_OUTPUT_BYTES} bytes")
    return Output(code=kept[EXIT][-1][0], stdout=b"".join(kept[STDOUT]), stderr=b"".join(kept[STDERR]))


def standard_output(pieces: Iterator[Piece]) -> Iterator[bytes]:
    """A command's standard output while it runs; RunnerError at its end when it failed."""
    said = b""
    for kind, data in pieces:
        if kind == STDOUT:
            yield data
        elif kind == STDERR:
            said = (said + data)[-2000:]
        elif data[0]:
            words = " ".join(said.decode(errors="replace").split())
            raise RunnerError(f"a command failed with exit code {data[0]}: {words or 'it said nothing'}")


def pieces_v2(channel: Channel, stdin: bytes) -> Iterator[Piece]:
    """Standard output and error apart; the last piece is the exit code."""
    if stdin:
        channel.send([packet(STDIN, stdin), packet(CLOSE_STDIN, b"")])
    reader = Reader(channel)
    kind = -1
    while kind != EXIT:
        kind, data = piece(reader)
        yield kind, data


def piece(reader: Reader) -> Piece:
    """The next packet of a shell."""
    header = reader.exactly(5)
    kind, size = header[0], int.from_bytes(header[1:5], "little")
    if size > MOST_OUTPUT_BYTES or kind not in (STDOUT, STDERR, EXIT) or (kind == EXIT and size < 1):
        raise LinkLost(f"the device's shell sent a packet of kind {kind} and {size} bytes, which is none of its")
    return kind, bytes(reader.exactly(size))


def marked(command: bytes) -> tuple[bytes, bytes]:
    """A command that tells its exit code after a marker nobody can foresee, and that marker."""
    marker = f"pocketbench-{secrets.token_hex(8)}:".encode()
    return b"(" + command + b") 2>&1; echo " + marker + b"$?", marker


def pieces_v1(channel: Channel, marker: bytes) -> Iterator[Piece]:
    """Everything as standard output, line ends as the command wrote them, then the exit code.

    The oldest daemons run commands on a terminal, which turns each line end into CR LF. Whether this one does is seen
    at the marker's own line; so what a terminal made of binary output cannot always be undone: pull a file instead.
    """
    held = b""
    while data := channel.receive():
        held += data
        if len(held) > MOST_OUTPUT_BYTES:
            raise RunnerError(f"a command printed more than {MOST_OUTPUT_BYTES} bytes")
    body, found, tail = held.rpartition(marker)
    code = tail.strip()
    if not found or not code.isdigit():
        raise LinkLost("the connection ended before the command's exit code")
    if tail.endswith(b"\r\n"):
        body = body.replace(b"\r\n", b"\n")
    yield STDOUT, body
    yield EXIT, bytes([int(code) & 0xFF])


def packet(kind: int, data: bytes) -> bytes:
    """As the shell takes and sends them."""
    return bytes([kind]) + len(data).to_bytes(4, "little") + data
