"""What is going on, for whoever wants to show it."""

from __future__ import annotations

from collections.abc import Callable

from harness.records import Record


class Event(Record, frozen=True, kw_only=True):
    """What is going on: `done` of `total` steps of a stage are over, `now` is being worked on."""

    stage: str
    done: int
    total: int
    now: str = ""


Observer = Callable[[Event], None]
