"""The host worker, with builds that are slower by a known amount of work: what `verdict.py` injects.

A file named `<anything>+<steps>.tflite` runs as it is and then goes on for so many steps of native/spin.c, within the
timed call. `python spinning_worker.py LIBRARY REQUEST RESPONSE`; for HostRunner(worker=...) all but the last two.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from device_runners import engines, host_worker
from device_runners.engine_litert import LiteRtEngine, LiteRtRuntime


class SpinningRuntime(LiteRtRuntime):
    """LiteRT, with what the file's name asks for added to every call."""

    library: ctypes.CDLL

    def load(self, path: Path, shapes: Sequence[tuple[int, ...]]) -> LiteRtEngine:
        engine = super().load(path, shapes)
        steps = int(path.stem.rpartition("+")[2])
        invoke, spin = engine.invoke, self.library.spin

        def slower() -> None:  # with no steps too: two more calls on cold caches are a per cent of a short build
            invoke()
            spin(steps)

        engine.invoke = slower
        return engine


def main(arguments: Sequence[str]) -> int:
    SpinningRuntime.library = ctypes.CDLL(arguments[0])
    SpinningRuntime.library.spin.argtypes = [ctypes.c_uint64]
    engines.ENGINES["tflite"] = "__main__:SpinningRuntime"
    return host_worker.main(arguments[1:])


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)  # as the worker itself ends
