"""A phone to try things on, without one: `python -m tests.device.serve [--port 15580] [--ready COMMAND ...]`.

It is Android's own adb daemon on this machine's loopback address (see sandbox.py), with the benchmark app's own Java
on a JVM (see tests/android/java_phone.py): builds really run on the other side of adb, on this machine's processor.
With --ready it runs
a command while the device is there and ends with it, else it stays until it is interrupted. Needs root.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from android_app.ci import jvm
from device_runners import app_package
from tests.android import java_phone
from tests.device.sandbox import HERE, Sandbox, made

PROJECT = HERE.parents[1]


def phone(userland: Path, folder: Path, *, port: int = 0, size: str = "2g") -> Sandbox:
    """A device with the app on it, not yet started."""
    device = Sandbox(userland, folder, size=size, port=port, binds=java_phone.binds(PROJECT))
    return java_phone.put_app(device, jvm.build(), installed=tuple(app_package.PACKAGES.values()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=15580)
    parser.add_argument("--ready", nargs=argparse.REMAINDER, default=[], help="run this while the device is there")
    chosen = parser.parse_args()
    if os.geteuid() != 0:
        sys.stderr.write("the sandbox device needs root, for namespaces of its own: sudo make demo DEVICE=sandbox\n")
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="pocketbench-device-") as folder:
        device = phone(made(PROJECT / ".venv" / "device"), Path(folder, "phone"), port=chosen.port)
        with device:
            sys.stderr.write(f"device ready: {device.serial}\n")
            if chosen.ready:
                environment = {**os.environ, "POCKETBENCH_SANDBOX": device.serial}
                return subprocess.run(chosen.ready, env=environment, check=False).returncode
            with contextlib.suppress(KeyboardInterrupt):
                while True:
                    time.sleep(3600)
    return 0


if __name__ == "__main__":
    sys.exit(main())
