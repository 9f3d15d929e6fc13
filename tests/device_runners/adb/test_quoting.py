import subprocess

import pytest

from device_runners.adb.quoting import command, script_words
from harness.errors import RunnerError

WORDS = ["a b", "", "'", "''", "\\", "\n", "$(id)", "`id`", "*", "~", "-n", "#", "A=b", "\r", "!x", "größe", "a'b\"c"]


def test_a_shell_reads_back_exactly_the_words() -> None:
    line = command(["printf", "%s\\0", *WORDS])
    said = subprocess.run(["sh", "-c", line], capture_output=True, check=True, timeout=10).stdout
    assert said.decode().split("\0")[:-1] == WORDS


@pytest.mark.parametrize("first", ["A=b", "if", "for", "{", "!", "time"])
def test_a_first_word_with_a_meaning_to_the_shell_is_a_program_name(first: str) -> None:
    ended = subprocess.run(["sh", "-c", command([first, "x"])], capture_output=True, check=False, timeout=10)
    assert ended.returncode == 127


def test_a_scripts_arguments_stay_apart_from_its_text() -> None:
    words = script_words('printf %s "$1"', ["'; exit 9; '"])
    said = subprocess.run(["sh", "-c", command(words)], capture_output=True, check=True, timeout=10).stdout
    assert said == b"'; exit 9; '"


@pytest.mark.parametrize("argv", [[], [""], ["", "x"]])
def test_an_empty_command_is_refused(argv: list[str]) -> None:
    with pytest.raises(RunnerError, match="empty command"):
        command(argv)


def test_names_that_are_no_text_survive() -> None:
    name = b"caf\xe9".decode(errors="surrogateescape")
    assert command(["ls", name]) == b"'ls' 'caf\xe9'"
