"""Shared by all tests; a folder's own fixtures are in its own conftest.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# One thread per process: several converters at once, each with a thread per core, only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def project() -> Path:
    """The top folder of the project."""
    return Path(__file__).resolve().parent.parent
