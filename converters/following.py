"""Hands on what a training child says of its progress, while it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from converters.workshop import Progress

# A line of the child's output that is progress: `[training] 120 of 400: prune(0.8), loss 0.31`.
MARK = "[training] "
_EVERY_SECS = 0.5


def line(progress: Progress) -> str:
    return f"{MARK}{progress.done} of {progress.total}: {progress.now}"


def parse(text: str) -> Progress | None:
    """None for any other line."""
    if not text.startswith(MARK):
        return None
    numbers, _, now = text.removeprefix(MARK).partition(": ")
    done, _, total = numbers.partition(" of ")
    if not (done.isdigit() and total.isdigit()):
        return None
    return Progress(done=int(done), total=int(total), now=now)


@contextmanager
def following(log: Path, tell: Callable[[Progress], None] | None) -> Iterator[None]:
    """Inside, `tell` hears, twice a second, the newest progress line that was added to `log`."""
    if tell is None:
        yield
        return
    ended = threading.Event()
    start = log.stat().st_size if log.exists() else 0
    thread = threading.Thread(target=_follow, args=(log, start, tell, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _follow(log: Path, start: int, tell: Callable[[Progress], None], ended: threading.Event) -> None:
    unread = b""
    last = False
    while not last:
        last = ended.wait(_EVERY_SECS)
        if not log.exists():
            continue
        with open(log, "rb") as file:
            file.seek(start)
            chunk = file.read()
        start += len(chunk)
        *whole, unread = (unread + chunk).split(b"\n")
        told = [found for text in whole if (found := parse(text.decode(errors="replace")))]
        if told:
            tell(told[-1])
