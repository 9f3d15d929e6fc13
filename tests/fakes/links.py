"""A made-up device: it answers the commands it was taught, keeps files in memory, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from device_runners.adb.errors import PullFailed
from device_runners.adb.link import How, Output

Answer = str | bytes | int | Output | Exception
Answers = Answer | list[Answer] | Callable[[Sequence[str]], Answer]


class FakeLink:
    """Satisfies `Link`. Teach it with `on` and `on_script`; whatever it was not taught is "not found" (127).

    An answer is standard output, an exit code, an Output, or an error to raise; a list gives one after the other and
    stays at the last; a function is given the words (of a script: its arguments).
    """

    def __init__(self, serial: str = "FAKE0001", *, how: How = "direct", features: Sequence[str] = ("shell_v2",)):
        self._serial, self._how = serial, how
        self._features = frozenset(features)
        self._commands: list[tuple[tuple[str, ...], Answers]] = []
        self._scripts: list[tuple[str, Answers]] = []
        self.files: dict[str, bytes] = {}
        self.modes: dict[str, int] = {}
        self.asked: list[tuple[str, ...]] = []
        self.scripts: list[tuple[str, tuple[str, ...]]] = []
        self.closed = False

    def on(self, *words: str, answer: Answers) -> FakeLink:
        """Answer every command that begins with these words; what was taught last comes first."""
        self._commands.insert(0, (words, answer))
        return self

    def on_script(self, part: str, answer: Answers) -> FakeLink:
        """Answer every script whose text contains `part`."""
        self._scripts.insert(0, (part, answer))
        return self

    @property
    def serial(self) -> str:
        return self._serial

    @property
    def how(self) -> How:
        return self._how

    def shell(self, argv: Sequence[str], *, timeout_secs: float, stdin: bytes = b"") -> Output:
        self.asked.append(tuple(argv))
        for words, answers in self._commands:
            if tuple(argv[: len(words)]) == words:
                return _given(answers, argv)
        return _unknown(argv[0])

    def script(self, text: str, arguments: Sequence[str] = (), *, timeout_secs: float) -> Output:
        self.scripts.append((text, tuple(arguments)))
        for part, answers in self._scripts:
            if part in text:
                return _given(answers, arguments)
        return _unknown("script")

    def stream(self, argv: Sequence[str], *, timeout_secs: float) -> Iterator[bytes]:
        yield from self.shell(argv, timeout_secs=timeout_secs).stdout.splitlines(keepends=True)

    def push(self, source: Path, target: str, *, mode: int = 0o644, timeout_secs: float) -> None:
        self.files[target] = source.read_bytes()
        self.modes[target] = mode

    def pull(self, source: str, target: Path, *, most_bytes: int, timeout_secs: float) -> None:
        if source not in self.files:
            raise PullFailed(f"{source}: No such file or directory")
        if len(self.files[source]) > most_bytes:
            raise PullFailed(f"{source} is larger than the {most_bytes} bytes allowed")
        target.write_bytes(self.files[source])

    def features(self) -> frozenset[str]:
        return self._features

    def close(self) -> None:
        self.closed = True


def _given(answers: Answers, words: Sequence[str]) -> Output:
    answer: Answer
    if isinstance(answers, list):
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
    else:
        answer = answers(words) if callable(answers) else answers
    if isinstance(answer, Exception):
        raise answer
    if isinstance(answer, Output):
        return answer
    if isinstance(answer, int):
        return Output(code=answer)
    return Output(code=0, stdout=answer.encode() if isinstance(answer, str) else answer)


def _unknown(word: str) -> Output:
    return Output(code=127, stderr=f"sh: {word}: inaccessible or not found\n".encode())
