"""Noise on purpose: child processes that do nothing but use a processor, gone when the block ends."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from harness.process import Child

# It ends by itself when its parent is gone, however that ended.
PROGRAM = """
import os, sys
while os.getppid() == int(sys.argv[1]):
    for _ in range(1_000_000):
        pass
"""
SETTLE_SECS = 0.2


@contextlib.contextmanager
def hogs(count: int, folder: Path) -> Iterator[list[int]]:
    """`count` of them; their process ids. Each leads a process group of its own, which is killed at the end."""
    with contextlib.ExitStack() as stack:
        children = []
        for number in range(count):
            argv = [sys.executable, "-S", "-c", PROGRAM, str(os.getpid())]
            child = Child(argv, log=folder / f"hog-{number}.log")
            stack.callback(child.close)
            children.append(child)
        time.sleep(SETTLE_SECS)
        yield [child.pid for child in children]
