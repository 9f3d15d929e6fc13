"""One timed sample: what passed on the wall, and how much of it the thread only waited for a processor.

Linux counts for every thread the time it stood in the run queue (/proc/<pid>/schedstat, second field), exact at every
switch-in. It is read inside of an outer clock pair and outside of an inner one:

    clock  read  clock  CALL  clock  read  clock

The inner pair is the wall time; reading costs microseconds right after a call that has emptied the caches, and is not
in it. A preemption beside the call, between a reading and the inner pair, is in the difference of the wait but not in
the wall time, and subtracting it would make calls too fast, even negative. It shows in the outer pair, and is taken
off the wait.
"""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Callable, Iterator
from itertools import repeat
from time import perf_counter_ns

_SCHEDSTAT = "/proc/thread-self/schedstat"
_CALIBRATION = 401
_CANARY_STEPS = 400
_CANARY_REPEATS = 5


class Stopwatch:
    """Times calls of the thread that made it; close it. probe_ns: cost of the clock, subtracted from every sample."""

    def __init__(self) -> None:
        self._file = _opened_schedstat()
        self.tells_wait = self._file is not None
        self.probe_ns = self._reading_ns = 0
        self._calibrate()

    def time(self, invoke: Callable[[], object], calls: int) -> tuple[int, int]:
        """`calls` calls: (wall nanoseconds, nanoseconds of them in the run queue), 0 where the system tells none."""
        if self._file is None:
            return self._inner(invoke, calls), 0
        file, read, clock = self._file, os.pread, perf_counter_ns
        if calls == 1:
            start = clock()
            before = read(file, 96, 0)
            inner_start = clock()
            invoke()
            inner_end = clock()
            after = read(file, 96, 0)
            beside_ns = clock() - start - inner_end + inner_start
            wall_ns = max(0, inner_end - inner_start - self.probe_ns)
        else:
            start = clock()
            before = read(file, 96, 0)
            wall_ns = self._inner(invoke, calls)
            after = read(file, 96, 0)
            beside_ns = clock() - start - wall_ns
        waited_ns = int(after.split()[1]) - int(before.split()[1])
        return wall_ns, within(wall_ns, waited_ns, beside_ns=beside_ns - self._reading_ns)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _inner(self, invoke: Callable[[], object], calls: int) -> int:
        turns = repeat(None, calls)
        start = perf_counter_ns()
        for _ in turns:
            invoke()
        return max(0, perf_counter_ns() - start - self.probe_ns)

    def _calibrate(self) -> None:
        """Typical cost of the inner clock pair alone, and of all that stands around it."""
        clocks, readings = [], []
        for _ in range(_CALIBRATION):
            start = perf_counter_ns()
            if self._file is not None:
                os.pread(self._file, 96, 0)
            inner_start = perf_counter_ns()
            inner_end = perf_counter_ns()
            if self._file is not None:
                os.pread(self._file, 96, 0)
            clocks.append(inner_end - inner_start)
            readings.append(perf_counter_ns() - start - clocks[-1])
        self.probe_ns, self._reading_ns = sorted(clocks)[_CALIBRATION // 2], sorted(readings)[_CALIBRATION // 2]


def within(wall_ns: int, waited_ns: int, *, beside_ns: int) -> int:
    """How much of a wait was within the wall time, when the time around it was longer than usual by `beside_ns`."""
    if beside_ns > waited_ns // 2:  # less is reading from cold caches
        waited_ns -= beside_ns
    return min(max(0, waited_ns), wall_ns)


def _opened_schedstat() -> int | None:
    try:
        file = os.open(_SCHEDSTAT, os.O_RDONLY)
    except OSError:
        return None
    fields = os.pread(file, 96, 0).split()
    if len(fields) == 3 and fields[2] != b"0":  # kernels that do not count print zeros
        return file
    os.close(file)
    return None


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """No garbage collection in the middle of a sample."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def canary_ns() -> int:
    """A fixed chain of integer steps, best of a few: when it takes longer, the clock of the processor fell."""
    return min(_chain_ns() for _ in range(_CANARY_REPEATS))


def _chain_ns() -> int:
    value = 1
    start = perf_counter_ns()
    for _ in range(_CANARY_STEPS):
        value = (value * 1103515245 + 12345) & 0x7FFFFFFF
    return perf_counter_ns() - start
