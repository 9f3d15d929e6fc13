"""What both ways through a device's daemon have in common: a Link on top of a Dialler."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from device_runners.adb import shell_service, standing, sync_service
from device_runners.adb.channel import Channel, Dialler
from device_runners.adb.errors import CommandTimeout
from device_runners.adb.line import Patience
from device_runners.adb.link import How, Output
from device_runners.adb.quoting import command, script_words
from device_runners.adb.shell_service import Piece
from device_runners.adb.standing import HANG_UP, MOST_LINE_BYTES, Pool, StandingShell
from harness.errors import RunnerError

_AGAIN_SECS = 5.0


class AdbLink:
    """Satisfies `Link`. silence_secs: how long a file that is on its way may stand still; longer through the server,
    which does not show how much of it has left."""

    def __init__(self, serial: str, how: How, dialler: Dialler, *, silence_secs: float = 0.0) -> None:
        self._serial, self._how, self._dialler = serial, how, dialler
        self._silence_secs = silence_secs or (60.0 if how == "server" else 15.0)
        self._shells = Pool(self._standing, StandingShell.end)
        self._transfers = Pool(partial(dialler.open, sync_service.SERVICE), Channel.close)

    @property
    def serial(self) -> str:
        return self._serial

    @property
    def how(self) -> How:
        return self._how

    def shell(self, argv: Sequence[str], *, timeout_secs: float, stdin: bytes = b"") -> Output:
        patience = Patience(timeout_secs, f"{argv[0] if argv else 'a command'} on {self._serial}")
        line = command(argv)
        if not stdin and len(line) <= MOST_LINE_BYTES and "shell_v2" in self._dialler.features():
            return self._in_standing(line, patience)
        with self._running(argv, stdin, patience) as pieces:
            return shell_service.collect(pieces)

    def script(self, text: str, arguments: Sequence[str] = (), *, timeout_secs: float) -> Output:
        return self.shell(script_words(text, arguments), timeout_secs=timeout_secs)

    def stream(self, argv: Sequence[str], *, timeout_secs: float) -> Iterator[bytes]:
        patience = Patience(timeout_secs, f"{argv[0] if argv else 'a command'} on {self._serial}")
        with self._running(argv, b"", patience) as pieces:
            yield from shell_service.standard_output(pieces)

    def push(self, source: Path, target: str, *, mode: int = 0o644, timeout_secs: float) -> None:
        patience = Patience(timeout_secs, f"pushing {source.name} to {self._serial}", silence_secs=self._silence_secs)
        with self._transfers.taken(patience) as channel:
            sync_service.push(channel, source, target, mode=mode)

    def pull(self, source: str, target: Path, *, most_bytes: int, timeout_secs: float) -> None:
        patience = Patience(timeout_secs, f"pulling {source} from {self._serial}", silence_secs=self._silence_secs)
        with self._transfers.taken(patience) as channel:
            sync_service.pull(channel, source, target, most_bytes=most_bytes)

    def features(self) -> frozenset[str]:
        return self._dialler.features()

    def close(self) -> None:
        self._shells.close()
        self._transfers.close()
        self._dialler.close()

    def _standing(self, patience: Patience) -> StandingShell:
        return standing.started(partial(self._dialler.open, patience=patience))

    def _in_standing(self, line: bytes, patience: Patience) -> Output:
        name = ""
        try:
            with self._shells.taken(patience) as shell:
                name = shell.name
                return shell.run(line)
        except CommandTimeout:
            if name:
                self._hang_up_again(name)
            raise

    def _hang_up_again(self, name: str) -> None:
        """See HANG_UP; a device that does not take it at once is not worth more waiting."""
        patience = Patience(_AGAIN_SECS, f"ending a command on {self._serial}")
        with contextlib.suppress(RunnerError), self._running(script_words(HANG_UP, [name]), b"", patience) as pieces:
            shell_service.collect(pieces)

    @contextlib.contextmanager
    def _running(self, argv: Sequence[str], stdin: bytes, patience: Patience) -> Iterator[Iterator[Piece]]:
        line = command(argv) + (b"" if stdin else shell_service.NO_INPUT)
        if "shell_v2" in self._dialler.features():
            if len(stdin) > shell_service.MOST_STDIN_BYTES:
                raise RunnerError(f"{len(stdin)} bytes of input for a command: push them as a file instead")
            with self._opened(shell_service.V2 + line, patience) as channel:
                yield shell_service.pieces_v2(channel, stdin)
            return
        if stdin:
            raise RunnerError(f"{self._serial} is too old to give a command input: push it as a file instead")
        line, marker = shell_service.marked(line)
        with self._opened(shell_service.V1 + line, patience) as channel:
            yield shell_service.pieces_v1(channel, marker)

    @contextlib.contextmanager
    def _opened(self, service: bytes, patience: Patience) -> Iterator[Channel]:
        with contextlib.closing(self._dialler.open(service, patience)) as channel:
            yield channel
