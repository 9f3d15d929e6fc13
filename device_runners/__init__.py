"""Variant -> measured facts: one request in, one response out, whoever serves it.

A kind of device is one function and one line in RUNNERS; what it imports is imported when it is loaded. Whatever else
stands in its place is the serial of a phone.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from device_runners.wire import Request, Response
    from harness.process import Bounds
    from harness.records import Device, EnergyTrace

RUNNERS: dict[str, str] = {
    "host": "device_runners.choice:host",
    "auto": "device_runners.choice:auto",
    "phone": "device_runners.choice:phone",
    "sandbox": "device_runners.choice:sandbox",
    "emulator": "device_runners.choice:emulator",
    "serial": "device_runners.choice:serial",
}


def kind_of(name: str) -> str:
    """Which line of RUNNERS a device's name means."""
    if name.startswith("emulator:"):
        return "emulator"
    return name if name in ("host", "auto", "phone", "sandbox") else "serial"


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


@runtime_checkable
class PlanRunner(Protocol):
    """A runner without live sessions: two builds are compared by a plan in one process of theirs, or in processes that
    take turns. plans: whether it can do that at all."""

    @property
    def plans(self) -> bool: ...


@runtime_checkable
class DrainRunner(Protocol):
    """A runner that can read the energy of a build from a counter outside the process, with time."""

    def drain(self, request: Request, *, idle_secs: float, folder: Path, bounds: Bounds) -> EnergyTrace:
        """One group of blocks: idle, load, load, idle; the request is the load. RunnerError where it cannot be told."""
