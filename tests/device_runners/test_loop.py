"""The timed loop: with a stopwatch that is told what to say, and with the real one."""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator

import msgspec
import numpy as np
import pytest

from device_runners.loop import Loop, Steadiness, thinned
from device_runners.stopwatch import Stopwatch, canary_ns, undisturbed, within
from tests.device_runners.conftest import TIMING


class FakeStopwatch(Stopwatch):
    """Each sample lasts calls x the next of `call_ns`, `wait_ns` of it in the run queue; nothing really happens
    but the call itself, once."""

    def __init__(self, call_ns: Iterable[int], wait_ns: int = 0, tells_wait: bool = True) -> None:
        self._call_ns: Iterator[int] = itertools.chain(call_ns)
        self._wait_ns = wait_ns
        self.tells_wait = tells_wait
        self.probe_ns = 0

    def time(self, invoke: Callable[[], object], calls: int) -> tuple[int, int]:
        invoke()
        return calls * next(self._call_ns) + self._wait_ns, self._wait_ns


def loop_of(stopwatch: Stopwatch, invoke: Callable[[], object] = lambda: None, **timing: object) -> Loop:
    return Loop(stopwatch, invoke, feeds=[lambda: None], timing=msgspec.structs.replace(TIMING, **timing))


def steady_after(durations: Iterable[float], allowed_secs: float = 8.0) -> int | None:
    rule = Steadiness(allowed_secs=allowed_secs)
    return next((number for number, duration in enumerate(durations, 1) if rule.add(duration)), None)


def test_constant_calls_are_steady_after_forty_that_agree() -> None:
    assert steady_after([1e6] * 100) == 4 + 41


def test_a_slow_start_is_waited_for() -> None:
    falling = [1e6 * (1 + 2 * 0.9**number) for number in range(500)]
    settled = steady_after(falling)
    assert settled is not None and 41 < settled < 400
    assert falling[settled] < 1.02e6


def test_calls_that_keep_growing_are_never_steady() -> None:
    assert steady_after([1e6 * 1.02**number for number in range(300)]) is None


def test_noise_and_single_preemptions_do_not_start_the_rule_over() -> None:
    noisy = np.random.default_rng(1).normal(1e6, 0.05e6, 1000)
    noisy[::20] *= 5
    settled = steady_after(noisy)
    assert settled is not None and settled < 120


def test_calls_too_slow_for_forty_need_as_many_as_fit() -> None:
    assert steady_after([0.3e9] * 100) == 4 + 14  # 13.3 of them fit in half of 8 s
    assert steady_after([3e9] * 100) == 4 + 6


def test_a_short_call_is_timed_many_at_a_time() -> None:
    loop = loop_of(FakeStopwatch(itertools.repeat(7_000)))
    loop.size(30_000, lambda: True)
    assert loop.calls_per_sample == 179
    block = loop.block(400)
    assert block.wall_ns == (179 * 7_000,) * 3


def test_single_calls_timed_too_long_do_not_make_the_sample_short() -> None:
    loop = loop_of(FakeStopwatch(itertools.chain([40_000] * 5, itertools.repeat(10_000))))
    loop.size(90_000, lambda: True)
    assert loop.calls_per_sample == 125


@pytest.mark.parametrize(("call_ns", "repeatable"), [(7_000, False), (150_000, True), (2_500_000, True)])
def test_a_long_call_and_one_that_spoils_its_inputs_are_timed_alone(call_ns: int, repeatable: bool) -> None:
    loop = loop_of(FakeStopwatch(itertools.repeat(call_ns)))
    loop.size(2 * call_ns, lambda: repeatable)
    assert loop.calls_per_sample == 1


def test_a_slow_build_is_not_called_again_to_learn_that_it_is_slow() -> None:
    calls: list[int] = []
    loop_of(FakeStopwatch([]), lambda: calls.append(1)).size(2_500_000_000, lambda: True)
    assert calls == []


def test_waiting_for_a_processor_does_not_make_a_call_long() -> None:
    loop = loop_of(FakeStopwatch(itertools.repeat(10_000), wait_ns=4_000_000))
    loop.size(10_000, lambda: True)
    assert loop.calls_per_sample == 125


def test_every_sample_is_fed_in_turn_before_it_is_timed() -> None:
    heard: list[str] = []
    loop = Loop(
        FakeStopwatch(itertools.repeat(1_000_000)),
        lambda: heard.append("call"),
        feeds=[lambda: heard.append("a"), lambda: heard.append("b")],
        timing=TIMING,
    )
    loop.block(3)
    assert heard == ["a", "call", "b", "call", "a", "call"]


def test_the_cost_of_the_way_into_the_runtime_is_taken_off_every_call() -> None:
    idle_then_calls = itertools.chain(itertools.repeat(2_000, 25), itertools.repeat(50_000))
    loop = Loop(
        FakeStopwatch(idle_then_calls, wait_ns=500),
        lambda: None,
        feeds=[lambda: None],
        timing=TIMING,
        idle=lambda: None,
    )
    assert loop.idle_ns == 2_000
    assert loop.block(1).wall_ns == (50_500 - 2_000,)
    loop.calls_per_sample = 10
    assert loop.block(10).wall_ns == (500_500 - 20_000,)


def test_a_block_has_the_calls_asked_for_and_its_wait_and_canary() -> None:
    block = loop_of(FakeStopwatch(itertools.repeat(2_000_000), wait_ns=500)).block(7)
    assert block.wall_ns == (2_000_500,) * 7
    assert block.wait_ns == (500,) * 7
    assert block.canary_ns is not None


@pytest.mark.parametrize(("threads", "tells"), [(2, True), (1, False)])
def test_wait_is_left_out_where_it_is_not_known(threads: int, tells: bool) -> None:
    stopwatch = FakeStopwatch(itertools.repeat(2_000_000), wait_ns=500, tells_wait=tells)
    assert loop_of(stopwatch, num_threads=threads).block(3).wait_ns == ()


def test_a_block_lasts_as_long_as_asked() -> None:
    stopwatch = FakeStopwatch(itertools.repeat(1_000_000))
    started = time.perf_counter()
    block = loop_of(stopwatch, lambda: time.sleep(0.001)).block(1, min_secs=0.1)
    assert 0.1 <= time.perf_counter() - started < 2
    assert 1 < len(block.wall_ns) <= 100


def test_blocks_share_max_secs_and_the_first_has_one_sample_in_any_case() -> None:
    loop = loop_of(FakeStopwatch(itertools.repeat(1)), lambda: time.sleep(0.05), max_secs=0.01)
    assert len(loop.block(100).wall_ns) == 1
    assert loop.cut_short and loop.left_ns <= 0
    assert loop.block(100).wall_ns == ()


def test_a_block_may_be_given_its_share_of_the_time() -> None:
    loop = loop_of(FakeStopwatch(itertools.repeat(1)), lambda: time.sleep(0.01), max_secs=1.0)
    assert 1 <= len(loop.block(1000, share=0.1).wall_ns) <= 11
    assert loop.left_ns > 0.5e9


def test_warm_up_lasts_for_its_runs_and_its_time() -> None:
    steady = FakeStopwatch(itertools.repeat(1_000_000))
    block, met = loop_of(steady, warmup_runs=200, warmup_min_secs=0.0, warmup_max_secs=30.0).warm_up()
    assert met and len(block.wall_ns) == 200 and block.canary_ns is None
    started = time.perf_counter()
    block, met = loop_of(steady, warmup_runs=1, warmup_min_secs=0.2, warmup_max_secs=30.0).warm_up()
    assert met and time.perf_counter() - started >= 0.2


def test_a_warm_up_that_does_not_settle_ends_at_its_limit() -> None:
    growing = FakeStopwatch(int(1_000 * 1.01**number) for number in itertools.count())
    block, met = loop_of(growing, lambda: time.sleep(0.001), warmup_max_secs=0.2).warm_up()
    assert not met and 1 < len(block.wall_ns) <= 200


def test_no_warm_up_is_neither_run_nor_called_steady() -> None:
    loop = loop_of(FakeStopwatch([]), warmup_runs=0, warmup_min_secs=0.0)
    block, met = loop.warm_up()
    assert block.wall_ns == () and not met


@pytest.fixture
def stopwatch() -> Iterator[Stopwatch]:
    with contextlib.closing(Stopwatch()) as made:
        yield made


def busy(nanoseconds: int) -> None:
    end = time.thread_time_ns() + nanoseconds
    while time.thread_time_ns() < end:
        pass


def test_time_outside_the_queue_is_the_processor_time_of_the_call(stopwatch: Stopwatch) -> None:
    samples = [stopwatch.time(lambda: busy(2_000_000), 1) for _ in range(30)]
    assert all(0 <= wait <= wall for wall, wait in samples)
    outside = np.median([wall - wait for wall, wait in samples])
    assert 2.0e6 <= outside < 2.3e6


def test_several_calls_are_one_sample(stopwatch: Stopwatch) -> None:
    calls: list[int] = []
    wall_ns, wait_ns = stopwatch.time(lambda: (calls.append(1), busy(200_000)), 5)
    assert len(calls) == 5 and wall_ns - wait_ns >= 1_000_000


def test_the_cost_of_looking_is_not_counted(stopwatch: Stopwatch) -> None:
    assert 0 < stopwatch.probe_ns < 5_000
    for calls in (1, 10):
        nothing = [stopwatch.time(time.perf_counter_ns, calls)[0] for _ in range(300)]
        assert np.median(nothing) < 300 * calls


@pytest.mark.parametrize(
    ("wall_ns", "waited_ns", "beside_ns", "expected"),
    [
        (1_000_000, 0, 200, 0),
        (1_000_000, 400_000, 200, 400_000),  # within the call
        (1_000_000, 400_000, 9_000, 400_000),  # ... and reading took a little longer
        (1_000_000, 4_000_000, 4_001_000, 0),  # beside the call
        (9_000_000, 7_000_000, 4_000_000, 3_000_000),  # both
        (1_000_000, 5_000_000, 0, 1_000_000),  # never more than there was
    ],
)
def test_only_what_was_waited_within_the_call_counts(
    wall_ns: int, waited_ns: int, beside_ns: int, expected: int
) -> None:
    assert within(wall_ns, waited_ns, beside_ns=beside_ns) == expected


def test_a_call_that_waits_for_a_processor_has_its_wait_told(stopwatch: Stopwatch) -> None:
    """One processor for two that are busy: the call waits about as long as it runs."""
    if not stopwatch.tells_wait:
        pytest.skip("this system does not count the time in the run queue")
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    rival = os.fork()
    if rival == 0:
        while True:
            pass
    try:
        samples = [stopwatch.time(lambda: busy(20_000_000), 1) for _ in range(15)]
    finally:
        os.kill(rival, 9)
        os.waitpid(rival, 0)
        os.sched_setaffinity(0, allowed)
    walls, waits = np.array(samples).sum(axis=0)
    assert waits > 0.2 * walls
    assert np.median([wall - wait for wall, wait in samples]) == pytest.approx(20e6, rel=0.05)


def test_the_collector_rests_while_a_sample_is_timed_and_works_again_after_an_error() -> None:
    with contextlib.suppress(ZeroDivisionError), undisturbed():
        assert not gc.isenabled()
        raise ZeroDivisionError
    assert gc.isenabled()


def test_the_canary_takes_the_same_time_again() -> None:
    first, second = canary_ns(), canary_ns()
    assert 0.5 < second / first < 2


def test_a_block_tells_when_it_began() -> None:
    loop = loop_of(FakeStopwatch(itertools.repeat(1_000_000)))
    before = time.perf_counter_ns()
    first, second = loop.block(2), loop.block(2)
    assert first.start_ns is not None and second.start_ns is not None
    assert before <= first.start_ns < second.start_ns <= time.perf_counter_ns()


@pytest.mark.parametrize("tells_wait", [True, False])
def test_a_thinned_block_keeps_samples_from_all_of_it(tells_wait: bool) -> None:
    loop = loop_of(FakeStopwatch(itertools.count(1_000_000), wait_ns=5, tells_wait=tells_wait))
    block = loop.block(1000)
    few = thinned(block, 250)
    assert len(few.wall_ns) == 250 and len(few.wait_ns) == (250 if tells_wait else 0)
    assert few.wall_ns[0] == block.wall_ns[0] and few.wall_ns[-1] >= block.wall_ns[-5]
    assert np.median(few.wall_ns) == pytest.approx(np.median(block.wall_ns), abs=4)
    assert (few.start_ns, few.canary_ns) == (block.start_ns, block.canary_ns)
    assert thinned(block, 0) is block and thinned(block, 1000) is block
