"""Variant -> measured facts: one request in, one response out, whoever serves it.

A runner is one module and one line in RUNNERS; what it imports is imported when it is loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from device_runners.wire import Request, Response
    from harness.process import Bounds
    from harness.records import Device

RUNNERS: dict[str, str] = {"host": "device_runners.host:HostRunner"}


class Session(Protocol):
    """A live process that times the blocks of a plan when it is told to, so that two of them can alternate.

    Every method raises RunnerError when a build was refused, ProcessCrashed when the process is gone and
    ProcessTimeout when it is silent for longer than its bounds; after any of these only `close` is left.
    """

    def ready(self) -> None:
        """Wait until every build is loaded and warm."""

    def block(self) -> None:
        """Time the next block of the plan; returns when it is done."""

    def finish(self) -> Response:
        """End the plan, here or at its end; the response holds the blocks that were timed."""

    def close(self) -> None:
        """Leave nothing running; may be called at any time and more than once."""


class Runner(Protocol):
    """Serves requests on one device."""

    def device(self) -> Device:
        """What the numbers are taken on, with its state now."""

    def run(self, request: Request, *, folder: Path, bounds: Bounds) -> Response:
        """Serve one request in one fresh process; its files and its log go to `folder`.

        A build that was refused is a result with its `failure`. RunnerError or ProcessError: nothing came back.
        """

    def start(self, request: Request, *, folder: Path, bounds: Bounds) -> Session:
        """The same for a paced request; bounds.timeout_secs is the longest silence allowed."""

    def close(self) -> None:
        """Let go of the device."""
