"""This machine as a device: the same calls, served by plain local processes."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from device_runners.adb.errors import CommandTimeout, DeviceFull, PullFailed, PushFailed
from device_runners.adb.link import How, Output, checked
from device_runners.adb.quoting import command, script_words
from device_runners.adb.shell_service import MOST_OUTPUT_BYTES
from harness.errors import ProcessCrashed, ProcessTimeout, RunnerError
from harness.process import Bounds, execute

_NO_SPACE = 28
# The words of the command are "$2" and on; what it says goes to files, standard output and error apart.
_KEPT = 'cd / && f=$1 && shift && exec "$@" <"$f/in" >"$f/out" 2>"$f/err"'


class HostLink:
    """Satisfies `Link`; serial `local`."""

    serial = "local"
    how: How = "host"

    def shell(self, argv: Sequence[str], *, timeout_secs: float, stdin: bytes = b"") -> Output:
        command(argv)  # refuses what no device would take either
        with _folder() as folder:
            (folder / "in").write_bytes(stdin)
            code = _executed(["sh", "-c", _KEPT, "pocketbench", str(folder), *argv], folder, timeout_secs)
            return Output(code=code, stdout=_kept(folder / "out"), stderr=_kept(folder / "err"))

    def script(self, text: str, arguments: Sequence[str] = (), *, timeout_secs: float) -> Output:
        return self.shell(script_words(text, arguments), timeout_secs=timeout_secs)

    def stream(self, argv: Sequence[str], *, timeout_secs: float) -> Iterator[bytes]:
        """All of it in one piece, at the command's end."""
        output = self.shell(argv, timeout_secs=timeout_secs)
        if output.stdout:
            yield output.stdout
        checked(output, "a command")

    def push(self, source: Path, target: str, *, mode: int = 0o644, timeout_secs: float) -> None:
        try:
            shutil.copyfile(source, target)
            Path(target).chmod(mode)
        except OSError as error:
            kind = DeviceFull if error.errno == _NO_SPACE else PushFailed
            raise kind(f"{target} could not be written on this machine: {error.strerror}") from error

    def pull(self, source: str, target: Path, *, most_bytes: int, timeout_secs: float) -> None:
        part = target.with_name(target.name + ".part")
        try:
            if Path(source).stat().st_size > most_bytes:
                raise PullFailed(f"{source} is larger than the {most_bytes} bytes allowed")
            shutil.copyfile(source, part)
            part.replace(target)
        except OSError as error:
            raise PullFailed(f"{source} could not be copied to {target}: {error.strerror}") from error
        finally:
            part.unlink(missing_ok=True)

    def features(self) -> frozenset[str]:
        return frozenset({"shell_v2"})

    def close(self) -> None:
        """Nothing is held."""


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pocketbench-") as folder:
        yield Path(folder)


def _executed(words: Sequence[str], folder: Path, timeout_secs: float) -> int:
    try:
        execute(words, bounds=Bounds(timeout_secs=timeout_secs), log=folder / "log")
    except ProcessTimeout as error:
        raise CommandTimeout(f"{words[5]} on this machine was not done after {timeout_secs:g} s") from error
    except ProcessCrashed as error:
        return _code(error)
    return 0


def _code(error: ProcessCrashed) -> int:
    return error.returncode if error.returncode >= 0 else 128 - error.returncode


def _kept(path: Path) -> bytes:
    """Empty when the command could not even be begun."""
    if not path.exists():
        return b""
    if path.stat().st_size > MOST_OUTPUT_BYTES:
        raise RunnerError(f"a command printed more than {MOST_OUTPUT_BYTES} bytes")
    return path.read_bytes()
