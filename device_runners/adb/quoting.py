"""The one place where a command line for a device's shell is put together.

Every word is put in single quotes, the plain ones too: an unquoted `A=b`, `if` or alias in the first place would mean
something else. What is inside single quotes no shell reads.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import RunnerError

NAME = "pocketbench"  # what our scripts call themselves: their "$0"


def command(argv: Sequence[str]) -> bytes:
    """The line that makes a POSIX shell run exactly these words; RunnerError for what no process can be given."""
    if not argv or not argv[0]:
        raise RunnerError("an empty command was asked for")
    for word in argv:
        if "\0" in word:
            raise RunnerError(f"{word[:80]!r} holds a NUL character, which no command can be given")
    return " ".join(_quoted(word) for word in argv).encode(errors="surrogateescape")


def script_words(text: str, arguments: Sequence[str]) -> list[str]:
    """A fixed script of ours as a command; the arguments stay apart from its text, as "$1", "$2" ..."""
    return ["sh", "-c", text, NAME, *arguments]


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"
