"""Shared by all tests; a folder's own fixtures are in its own conftest.py."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

# One thread per process: several converters at once, each with a thread per core, only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")


# A shell without job control starts what runs in the background with interrupts ignored, and children inherit that:
# the tests of Ctrl-C would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def project() -> Path:
    """The top folder of the project."""
    return Path(__file__).resolve().parent.parent
