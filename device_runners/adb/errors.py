"""What can go wrong between this machine and a device.

::

    RunnerError
    |-- RunnerLost
    |   |-- DeviceUnreachable       there is no way to it: absent, offline, refused, silent
    |   |   `-- DeviceWantsTls      ... by the direct link: it speaks to paired machines only
    |   `-- DeviceUnauthorized      it is there, and does not know this machine's key
    |-- LinkLost                    the connection broke or stalled half-way; it may come back
    |-- ServiceRefused              the device's daemon does not offer what was asked for
    |-- CommandTimeout              a command took longer than it was given
    |-- PushFailed                  a file did not arrive, with the device's own words
    |   `-- DeviceFull              ... because there is no space left
    `-- PullFailed                  a file did not come back
"""

from __future__ import annotations

from harness.errors import RunnerError, RunnerLost


class DeviceUnreachable(RunnerLost):
    """There is no way to the device."""


class DeviceWantsTls(DeviceUnreachable):
    """The device speaks to paired machines only, which the direct link cannot do."""


class DeviceUnauthorized(RunnerLost):
    """The device does not know this machine's key."""


class LinkLost(RunnerError):
    """The connection broke or stalled half-way; another try may succeed."""


class ServiceRefused(RunnerError):
    """The device's daemon does not offer what was asked for."""


class CommandTimeout(RunnerError):
    """A command took longer than it was given."""


class PushFailed(RunnerError):
    """A file did not arrive on the device."""


class DeviceFull(PushFailed):
    """The device has no space left for a file."""


class PullFailed(RunnerError):
    """A file did not come back from the device."""
