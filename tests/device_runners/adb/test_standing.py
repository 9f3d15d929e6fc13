"""What a standing shell makes of what a device sends, and which of the open services are used again."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from device_runners.adb import standing
from device_runners.adb.errors import LinkLost
from device_runners.adb.line import Buffer, Patience
from device_runners.adb.link import Output
from device_runners.adb.shell_service import EXIT, STDERR, STDOUT, packet
from device_runners.adb.standing import Pool, StandingShell
from harness.errors import RunnerError

Pieces = Sequence[tuple[int, str]]
SAID: Pieces = [(STDOUT, "MARK\n"), (STDOUT, "said"), (STDOUT, "MARK:3\n"), (STDERR, "badMARK:\n")]


class Device:
    """A Channel whose other side answers the commands it is given with one `answer` each, MARK being the command's
    own mark."""

    piece_bytes = 65536

    def __init__(self, *answers: Pieces) -> None:
        self.patience = Patience(5, "testing")
        self.answers = list(answers)
        self.heard: list[bytes] = []
        self.closed = False

    def send(self, parts: Sequence[Buffer]) -> None:
        text = b"".join(parts)[5:]
        if text.startswith(b"echo "):
            mark = text[5:37].decode()
            self.heard += [packet(kind, said.replace("MARK", mark).encode()) for kind, said in self.answers.pop(0)]

    def receive(self) -> bytes:
        return self.heard.pop(0) if self.heard else b""

    def waiting(self) -> bool:
        return bool(self.heard)

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("pieces", "output"),
    [
        (SAID, Output(code=3, stdout=b"said", stderr=b"bad")),
        ([(STDOUT, "MARK\nMARK:0\n"), (STDERR, "MARK:\n")], Output(code=0)),
        (
            [(STDOUT, "MARK\na\n\nMA"), (STDERR, "MAR"), (STDOUT, "MARK:25"), (STDERR, "MARK:\n"), (STDOUT, "5\n")],
            Output(code=255, stdout=b"a\n\nMA", stderr=b"MAR"),
        ),
    ],
)
def test_what_a_command_says_is_what_stands_before_its_marks(pieces: Pieces, output: Output) -> None:
    shell = StandingShell(Device(pieces, pieces))
    assert [shell.run(b"'true'"), shell.run(b"'true'")] == [output, output]
    assert not shell.waiting()


@pytest.mark.parametrize(
    "pieces",
    [
        [(STDOUT, "late"), *SAID],
        [*SAID, (STDOUT, "late")],
        [*SAID[:-2], (STDOUT, "MARK:3\nlate"), SAID[-1]],
        [*SAID[:-1], (STDERR, "badMARK:\nlate")],
    ],
)
def test_what_an_earlier_command_left_running_says_is_no_part_of_the_answer_and_ends_the_shell(pieces: Pieces) -> None:
    shell = StandingShell(Device(pieces))
    assert shell.run(b"'true'") == Output(code=3, stdout=b"said", stderr=b"bad")
    assert shell.waiting()


@pytest.mark.parametrize("pieces", [[*SAID[:2], (EXIT, "\0")], SAID[:2], [(STDOUT, "MARK\nMARK:x\n"), SAID[-1]]])
def test_a_shell_that_ends_before_its_command_is_a_lost_link(pieces: Pieces) -> None:
    with pytest.raises(LinkLost):
        StandingShell(Device(pieces)).run(b"'true'")


def test_a_command_that_does_not_stop_talking_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "MOST_OUTPUT_BYTES", 1000)
    with pytest.raises(RunnerError, match="printed more than 1000 bytes"):
        StandingShell(Device([SAID[0], *[(STDOUT, "x" * 100)] * 20])).run(b"'yes'")


def test_an_open_service_serves_one_call_after_the_other_until_it_has_something_to_say() -> None:
    made: list[Device] = []

    def opened(patience: Patience) -> Device:
        made.append(Device())
        return made[-1]

    pool = Pool(opened, Device.close)
    patience = Patience(5, "testing")
    for _ in range(3):
        with pool.taken(patience) as first:
            assert first.patience is patience
    with pool.taken(patience), pool.taken(patience) as second:
        assert second is not first
    assert len(made) == 2 and not (first.closed or second.closed)
    second.heard.append(b"late")
    first.heard.append(b"late")
    with pool.taken(patience) as third:
        assert first.closed and second.closed and third is made[2]
    pool.close()
    assert third.closed


def test_a_service_that_something_went_wrong_with_is_not_used_again() -> None:
    pool = Pool(lambda patience: Device(), Device.close)
    with pytest.raises(KeyboardInterrupt), pool.taken(Patience(5, "testing")) as broken:
        raise KeyboardInterrupt
    assert broken.closed
    with pool.taken(Patience(5, "testing")) as other:
        pool.close()
        assert other is not broken and not other.closed
    assert other.closed
