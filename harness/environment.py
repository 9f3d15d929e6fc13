"""What a run depended on besides the model: versions and the system, without importing any of them."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = (
    "pocketbench",
    "ai-edge-litert",
    "ai-edge-quantizer",
    "litert-torch",
    "executorch",
    "torch",
    "torchao",
    "tensorflow",
    "numpy",
)


def describe() -> dict[str, str]:
    """Versions of what makes and runs builds (only what is installed), Python, the system."""
    found = {"python": platform.python_version(), "system": platform.platform(), "cores": str(os.cpu_count())}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
