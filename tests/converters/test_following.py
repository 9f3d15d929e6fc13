"""What a training child says of its progress reaches the parent while it runs."""

from __future__ import annotations

import time
from pathlib import Path

from converters import following
from converters.workshop import Progress


def test_a_progress_line_is_read_as_it_was_written() -> None:
    progress = Progress(done=3, total=40, now="prune(0.8), loss 0.31: fine")
    assert following.parse(following.line(progress)) == progress


def test_other_lines_are_no_progress() -> None:
    for text in ("", "training 3 of 4", "[training] three of 4: x", "[training] 3: x"):
        assert following.parse(text) is None


def test_the_newest_line_is_told_before_the_end_and_old_ones_in_the_log_are_not(tmp_path: Path) -> None:
    log = tmp_path / "log"
    told: list[Progress] = []
    log.write_text(following.line(Progress(done=9, total=9, now="yesterday")) + "\n")
    with following.following(log, told.append):
        with open(log, "a") as file:
            file.write("noise\n" + following.line(Progress(done=1, total=2, now="a")) + "\n[training] 2 of")
        deadline = time.monotonic() + 10
        while not told and time.monotonic() < deadline:
            time.sleep(0.05)
        assert told == [Progress(done=1, total=2, now="a")]
        with open(log, "a") as file:
            file.write(" 2: b\n")
    assert told[-1] == Progress(done=2, total=2, now="b")


def test_nobody_listens_and_nothing_happens(tmp_path: Path) -> None:
    with following.following(tmp_path / "no log", None):
        pass
