"""How one build is timed: sizing, warm-up until steady, blocks. Knows neither files nor runtimes.

The warm-up rule is AndroidX Benchmark's (WarmupManager): a fast and a slow moving average of the call's duration
agree within 4 % for more than 40 samples. Here it looks at time outside the run queue where the system tells it, at
the running median of five, so that one preemption does not start it over, and the averages are bias-corrected, so
that the first sample does not weigh on hundreds. Calls so slow that forty do not fit in half of the time allowed
need as many as do, at least five.
"""

from __future__ import annotations

import itertools
import math
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter_ns

from device_runners.stopwatch import Stopwatch, canary_ns, undisturbed
from device_runners.wire import Timing
from harness.records import Block

_SHORTEST_NS = 100  # no runtime answers sooner
SHORT_CALL_NS = 100_000  # below it the probe's own cost shows: several calls are one sample
SAMPLE_NS = 1_250_000  # aimed at for those, so that a sample stays above a millisecond
_SIZING_CALLS = 5
_IDLE_CALLS, _IDLE_SAMPLES = 100, 25
_FAST, _SLOW, _AGREE, _NEEDED, _NEEDED_AT_LEAST, _MEDIAN_OF = 0.1, 0.005, 0.04, 40, 5, 5


class Steadiness:
    """The warm-up rule, fed with one duration after the other."""

    def __init__(self, *, allowed_secs: float) -> None:
        self._allowed_ns = allowed_secs * 1e9
        self._recent: deque[float] = deque(maxlen=_MEDIAN_OF)
        self._fast = self._slow = 0.0
        self._seen = self._agreed = 0

    def add(self, duration_ns: float) -> bool:
        """Whether the rule is met now."""
        self._recent.append(duration_ns)
        if len(self._recent) < _MEDIAN_OF:
            return False
        value = sorted(self._recent)[_MEDIAN_OF // 2]
        self._seen += 1
        self._fast += _FAST * (value - self._fast)
        self._slow += _SLOW * (value - self._slow)
        fast = self._fast / (1 - (1 - _FAST) ** self._seen)
        slow = self._slow / (1 - (1 - _SLOW) ** self._seen)
        self._agreed = self._agreed + 1 if abs(fast - slow) <= _AGREE * slow else 0
        return self._agreed > min(_NEEDED, max(_NEEDED_AT_LEAST, self._allowed_ns / 2 / max(value, 1.0)))


class Loop:
    """The timed calls of one build in one process.

    invoke: the call that is timed. feed: gives the build its next input, outside the timed region. repeatable: says
    whether the build may be called again without being fed, which several calls in one sample need. idle: a call by
    the same way into the runtime that does nothing there; what it costs, `idle_ns`, is taken off every call, as the
    clock's own cost is.
    """

    def __init__(
        self,
        stopwatch: Stopwatch,
        invoke: Callable[[], object],
        *,
        feeds: Sequence[Callable[[], object]],
        timing: Timing,
        idle: Callable[[], object] | None = None,
    ) -> None:
        self._stopwatch = stopwatch
        self._invoke = invoke
        self.idle_ns = _idle_ns(stopwatch, idle) if idle else 0
        self._timing = timing
        # The wait of this thread says nothing about the threads that it waits for.
        self._tells_wait = timing.num_threads == 1 and stopwatch.tells_wait
        self.rotate(feeds)
        self.calls_per_sample = 1
        self._timed_ns = 0
        self.cut_short = False

    def rotate(self, feeds: Sequence[Callable[[], object]]) -> None:
        """The inputs that take turns from here on."""
        self._feeds: Iterator[Callable[[], object]] = itertools.cycle(feeds)

    def first(self) -> tuple[int, int]:
        """The first call: nanoseconds on the wall, and of them in the run queue."""
        return self._sample(1)

    @property
    def left_ns(self) -> int:
        """What max_secs leaves for further blocks."""
        return int(self._timing.max_secs * 1e9) - self._timed_ns

    def size(self, first_ns: int, repeatable: Callable[[], bool]) -> None:
        """Settle how many calls are one sample; a slow first call needs no more than itself to know."""
        shortest = first_ns
        for _ in range(_SIZING_CALLS):
            if shortest > 20 * SHORT_CALL_NS:
                return
            wall_ns, wait_ns = self._sample(1)
            shortest = min(shortest, wall_ns - wait_ns)
        if shortest < SHORT_CALL_NS and repeatable():
            for _ in range(2):  # single short calls are timed too long: look again with many
                # What is taken off each call takes its time all the same, and of the smallest networks leaves nothing.
                self.calls_per_sample = math.ceil(SAMPLE_NS / max(shortest + self.idle_ns, _SHORTEST_NS))
                wall_ns, wait_ns = self._sample(self.calls_per_sample)
                shortest = (wall_ns - wait_ns) // self.calls_per_sample

    def warm_up(self) -> tuple[Block, bool]:
        """(every call of the warm-up, whether it became steady in its time); nothing where none is asked for."""
        timing, block = self._timing, _Samples(self)
        if not timing.warmup_runs and not timing.warmup_min_secs:
            return block.ended(None), False
        rule = Steadiness(allowed_secs=timing.warmup_max_secs)
        steady = False
        with undisturbed():
            start = perf_counter_ns()
            while (spent := (perf_counter_ns() - start) / 1e9) < timing.warmup_max_secs:
                calls = len(block.wall_ns) * self.calls_per_sample
                if steady and calls >= timing.warmup_runs and spent >= timing.warmup_min_secs:
                    return block.ended(None), True
                steady = rule.add(block.add())
        return block.ended(None), False

    def block(self, calls: int, *, min_secs: float = 0.0, share: float = 1.0) -> Block:
        """At least `calls` calls and `min_secs`, but no longer than `share` of max_secs and what is left of it.

        Only the first block has a sample in any case; one that finds no time left is empty.
        """
        samples, block = math.ceil(calls / self.calls_per_sample), _Samples(self)
        with undisturbed():
            canary = canary_ns()
            start = now = perf_counter_ns()
            end = start + min(self.left_ns, int(share * self._timing.max_secs * 1e9))
            while len(block.wall_ns) < samples or now - start < min_secs * 1e9:
                if now >= end and (block.wall_ns or self._timed_ns):
                    self.cut_short = True
                    break
                block.add()
                now = perf_counter_ns()
            self._timed_ns += now - start
        return block.ended(canary, start)

    def _sample(self, calls: int) -> tuple[int, int]:
        next(self._feeds)()
        wall_ns, wait_ns = self._stopwatch.time(self._invoke, calls)
        return max(wait_ns, wall_ns - calls * self.idle_ns), wait_ns if self._tells_wait else 0


def _idle_ns(stopwatch: Stopwatch, idle: Callable[[], object]) -> int:
    """What one idle call costs at least, outside the run queue: taken off in a moment when the processor is faster than
    it was here, a typical cost would be more than the whole call of a small network."""
    samples = (stopwatch.time(idle, _IDLE_CALLS) for _ in range(_IDLE_SAMPLES))
    return min(wall_ns - wait_ns for wall_ns, wait_ns in samples) // _IDLE_CALLS


def thinned(block: Block, most: int) -> Block:
    """At most so many samples of a block, evenly spaced over it; all of them for 0."""
    count = len(block.wall_ns)
    if not most or count <= most:
        return block
    kept = [number * count // most for number in range(most)]
    return Block(
        wall_ns=tuple(block.wall_ns[number] for number in kept),
        wait_ns=tuple(block.wait_ns[number] for number in kept) if block.wait_ns else (),
        calls_per_sample=block.calls_per_sample,
        canary_ns=block.canary_ns,
        start_ns=block.start_ns,
    )


class _Samples:
    """A block that grows; plain integers side by side, so that the samples do not grow the memory that is measured."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.wall_ns = array("q")
        self._wait_ns = array("q")

    def add(self) -> int:
        """One more sample; its duration outside the run queue."""
        wall_ns, wait_ns = self._loop._sample(self._loop.calls_per_sample)
        self.wall_ns.append(wall_ns)
        self._wait_ns.append(wait_ns)
        return wall_ns - wait_ns

    def ended(self, canary: int | None, start_ns: int | None = None) -> Block:
        return Block(
            wall_ns=tuple(self.wall_ns),
            wait_ns=tuple(self._wait_ns) if self._loop._tells_wait else (),
            calls_per_sample=self._loop.calls_per_sample,
            canary_ns=canary,
            start_ns=start_ns,
        )
