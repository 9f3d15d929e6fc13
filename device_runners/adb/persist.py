"""Going on after a dropped link: for what may be asked for twice."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from device_runners.adb.errors import DeviceUnreachable, DeviceWantsTls, LinkLost

PATIENCE_SECS = 120.0  # a phone that restarts, a network that is away for a moment
_FIRST_PAUSE_SECS, _LONGEST_PAUSE_SECS = 0.1, 3.0

_Got = TypeVar("_Got")


def persistently(action: Callable[[], _Got], *, patience_secs: float, tell: Callable[[str], None]) -> _Got:
    """Do it again while the device cannot be reached, for so long in all; then the last error is raised.

    Only for an action that does no harm when it happens twice: after a lost link nobody knows whether it did. tell is
    given one line when the link is lost, and one when it is there again.
    """
    end, pause, lost = time.monotonic() + patience_secs, _FIRST_PAUSE_SECS, ""
    while True:
        try:
            result = action()
        except DeviceWantsTls:
            raise
        except (LinkLost, DeviceUnreachable) as error:
            if time.monotonic() + pause > end:
                raise
            if not lost:
                lost = error.message
                tell(f"{lost}; trying again for {patience_secs:.0f} s")
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECS)
            continue
        if lost:
            tell("the device is there again")
        return result
