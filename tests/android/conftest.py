"""The app built once per session, and a short way to ask its Java."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from android_app.ci import apk, jvm, tools
from device_runners.host import HostRunner
from tests.device_runners.conftest import ask, pte_files, tflite_files

__all__ = ["ask", "pte_files", "tflite_files"]


@pytest.fixture(scope="session", autouse=True)
def _toolchain() -> None:
    """Where the tools can be installed they have to be there: a check that is left out must not look like one that
    passed."""
    if wanted := tools.missing():
        told = f"to build the app: apt-get install {' '.join(wanted)}"
        if os.environ.get("CI") or os.geteuid() == 0:
            pytest.fail(told)
        pytest.skip(told)


@pytest.fixture(scope="session")
def built(_toolchain: None) -> jvm.Jvm:
    """The app's core and its shims over the real runtimes, compiled."""
    return jvm.build()


@pytest.fixture(scope="session")
def java(built: jvm.Jvm) -> HostRunner:
    """Asks the app's Java worker on this machine as it would ask the one in Python."""
    return HostRunner(built.command())


@pytest.fixture(scope="session")
def litert_apk(_toolchain: None) -> Path:
    return apk.build("litert")


@pytest.fixture(scope="session")
def executorch_apk(_toolchain: None) -> Path:
    return apk.build("executorch")


@pytest.fixture(scope="session")
def builds(tflite_files: Path, pte_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All the small builds of both runtimes in one folder."""
    folder = tmp_path_factory.mktemp("builds")
    for path in (*tflite_files.glob("d*.tflite"), tflite_files / "custom.tflite", *pte_files.glob("*.pte")):
        shutil.copy(path, folder)
    return folder
