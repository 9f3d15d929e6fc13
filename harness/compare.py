"""Is B faster or slower than A on this device? Pairs of live processes that take turns, and an exact test.

Two builds are started (in random order), both warm up, then they alternate in short blocks, A B B A A B B A ..., one
process running at a time. A pair gives one number, the median over blocks of log(B / A) of on-CPU time; `paired.py`
decides from the pairs, looking as rarely as its plan says.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from device_runners import PlanRunner, Runner, Session
from device_runners.wire import BuildFile, PlannedBlock, Request, Response, TensorFile, Timing
from harness import paired, planned, store
from harness.errors import RunnerError
from harness.measure import timing_of
from harness.process import Bounds
from harness.records import Block, Comparison, Estimate, Record, Settings
from harness.sides import Side

BLOCK_NS = 20_000_000  # aimed at for one block: long against the clock's error, short against what drifts
BLOCKS, BLOCKS_WHEN_SLOW, SLOW_BLOCK_NS = 16, 8, 60_000_000
WARM_UP_SECS = 1.0  # at the most: a pair has to be warm, not steady, since what drifts afterwards hits both sides alike
MOST_WAITING = 0.8  # share of the wall time in the run queue beyond which caches are cold in every call


class Match(Record, frozen=True, kw_only=True):
    """Who meets whom, and how. inputs: samples that both builds are timed with (none: zeros). limit: the effect that
    has to be decided (0.03: is b less than 3 % slower?); None: is there any change, or none beyond the margin?"""

    a: Side
    b: Side
    folder: Path
    settings: Settings = Settings()
    plan: paired.Plan = paired.Plan()
    inputs: tuple[TensorFile, ...] = ()
    limit: float | None = None
    seed: int = 0


class Pair(Record, frozen=True, kw_only=True):
    """What one pair gave. wait_share: of the wall time; None where the system does not tell."""

    log_ratio: float
    wait_share: float | None


Watcher = Callable[[int, int], None]  # pairs done, pairs at the most


def compare(match: Match, runner: Runner, watch: Watcher) -> Comparison:
    """Time pairs until something can be said; the raw responses of every pair stay in match.folder.

    Raises RunnerError or ProcessError when one of the builds cannot be run at all.
    """
    started = time.monotonic()
    order = random.Random(match.seed)
    calls, blocks = _sizes(match, runner)
    pairs: list[Pair] = []

    def measure_pair() -> float:
        watch(len(pairs), match.plan.looks[-1])
        pairs.append(_pair(match, runner, order, _Shape(number=len(pairs), calls=calls, blocks=blocks)))
        return pairs[-1].log_ratio

    decision = _decide(measure_pair, match)
    return _comparison(match, pairs, decision, time.monotonic() - started)


def _decide(measure_pair: Callable[[], float], match: Match) -> paired.Decision:
    """Pairs from one look to the next; with a limit until the interval lies on one side of it, at every look."""
    if match.limit is None:
        return paired.compare(measure_pair, match.plan)
    x: list[float] = []
    for pairs in match.plan.looks:
        x += [measure_pair() for _ in range(pairs - len(x))]
        decision = paired.look(x, match.plan)
        below = decision.high is not None and decision.high <= match.limit
        above = decision.low is not None and decision.low > match.limit
        if below or above:
            break
    return decision


class _Shape(Record, frozen=True, kw_only=True):
    number: int
    calls: int
    blocks: int


def _sizes(match: Match, runner: Runner) -> tuple[int, int]:
    """(calls per block, blocks a side), from one short look at the slower of the two builds."""
    slowest = 0.0
    for name, side in (("a", match.a), ("b", match.b)):
        timing = msgspec.structs.replace(_timing(match), num_runs=5, min_secs=0.0, blocks=1, warmup_min_secs=0.05)
        folder = _folder(match, f"look-{name}")
        request = Request(run_id=f"look/{name}", builds=(_file(side),), timing=timing, inputs=match.inputs)
        response = runner.run(request, folder=folder, bounds=_bounds(match))
        if failure := response.results[0].failure:
            raise RunnerError(f"{side.label}: {failure}")
        slowest = max(slowest, float(np.median(_per_call(response.results[0].blocks[0])[0])))
    calls = max(2, math.ceil(BLOCK_NS / slowest))
    return calls, BLOCKS_WHEN_SLOW if calls * slowest > SLOW_BLOCK_NS else BLOCKS


def _pair(match: Match, runner: Runner, order: random.Random, shape: _Shape) -> Pair:
    """One pair: both sides are alive and warm, then each block of one is answered by a block of the other."""
    if isinstance(runner, PlanRunner):
        return _result(*planned.meet(runner, _encounter(match, order, shape)))
    sides = [("a", match.a), ("b", match.b)]
    with ExitStack() as stack:
        sessions: dict[str, Session] = {}
        for name, side in order.sample(sides, 2):
            folder = _folder(match, f"pair-{shape.number}-{name}")
            request = Request(
                run_id=f"pair-{shape.number}/{name}",
                builds=(_file(side),),
                timing=_timing(match),
                plan=(PlannedBlock(build=0, calls=shape.calls),) * shape.blocks,
                paced=True,
                inputs=match.inputs,
            )
            session = runner.start(request, folder=folder, bounds=_bounds(match))
            stack.callback(session.close)
            session.ready()
            sessions[name] = session
        for name in turns(shape.blocks, first=order.choice("ab")):
            sessions[name].block()
        answers = {name: session.finish() for name, session in sessions.items()}
    return _result(answers["a"], answers["b"])


def _encounter(match: Match, order: random.Random, shape: _Shape) -> planned.Encounter:
    return planned.Encounter(
        number=shape.number,
        a=_file(match.a),
        b=_file(match.b),
        timing=_timing(match),
        inputs=match.inputs,
        turns=turns(shape.blocks, first=order.choice("ab")),
        calls=shape.calls,
        folder=match.folder,
        bounds=_bounds(match),
    )


def turns(blocks: int, *, first: str) -> str:
    """`blocks` turns a side, as A B B A A B B A ...: a steady drift cancels within every four."""
    other = "b" if first == "a" else "a"
    return "".join(first + other if number % 2 == 0 else other + first for number in range(blocks))


def _result(a: Response, b: Response) -> Pair:
    blocks = [answer.results[0].blocks for answer in (a, b)]
    times = [[_per_call(block) for block in side] for side in blocks]
    both_known = all(known for side in times for _, known in side)
    chosen = [[ns for ns, _ in side] for side in times] if both_known else [[_wall(b) for b in side] for side in blocks]
    wall = sum(sum(block.wall_ns) for side in blocks for block in side)
    wait = sum(sum(block.wait_ns) for side in blocks for block in side)
    return Pair(
        log_ratio=paired.pair_statistic(chosen[0], chosen[1]), wait_share=wait / max(wall, 1) if both_known else None
    )


def _per_call(block: Block) -> tuple[np.ndarray, bool]:
    """ns per call of each sample, and whether it is on-CPU time."""
    if len(block.wait_ns) != len(block.wall_ns):
        return _wall(block), False
    return (np.asarray(block.wall_ns) - np.asarray(block.wait_ns)) / block.calls_per_sample, True


def _wall(block: Block) -> np.ndarray:
    return np.asarray(block.wall_ns, dtype=np.float64) / block.calls_per_sample


def _comparison(match: Match, pairs: list[Pair], decision: paired.Decision, seconds: float) -> Comparison:
    shares = [pair.wait_share for pair in pairs if pair.wait_share is not None]
    on_cpu = len(shares) == len(pairs)
    wait_share = float(np.mean(shares)) if on_cpu else None
    outcome, reason = _outcome(match, decision, on_cpu)
    if wait_share is not None and wait_share > MOST_WAITING:
        outcome = "inconclusive"
        reason = f"the builds stood in the run queue for {wait_share:.0%} of the time: stop what else is running"
    return Comparison(
        a=match.a.label,
        b=match.b.label,
        outcome=outcome,
        effect=Estimate(
            value=decision.effect,
            low=decision.low,
            high=decision.high,
            confidence=1 - match.plan.alpha,
            samples=decision.pairs,
        ),
        p=decision.p,
        log_ratios=tuple(pair.log_ratio for pair in pairs),
        clock="on-CPU" if on_cpu else "wall",
        wait_share=wait_share,
        alpha=match.plan.alpha,
        minimum_effect=match.plan.minimum_effect,
        margin=match.plan.margin,
        seconds=seconds,
        reason=reason,
    )


Ending = Literal["faster", "slower", "same", "inconclusive"]


def _outcome(match: Match, decision: paired.Decision, on_cpu: bool) -> tuple[Ending, str]:
    """The verdict in a word; with a limit, "same" means: no more beyond it than is allowed, and no change shown."""
    low, high, limit = decision.low, decision.high, match.limit
    if limit is None or low is None or high is None:
        if decision.outcome == "undecided" or decision.outcome == "inconclusive":
            return "inconclusive", _why_open(match, decision, on_cpu)
        return decision.outcome, ""
    if low > 0 or high < 0:
        return ("slower" if low > 0 else "faster"), ""
    if high <= limit:
        return "same", f"it is shown to be no more than {limit:.1%} slower"
    return "inconclusive", _why_open(match, decision, on_cpu)


def _why_open(match: Match, decision: paired.Decision, on_cpu: bool) -> str:
    words = f"{decision.pairs} pairs show neither a change nor that there is none beyond {match.plan.margin:.0%}"
    if not on_cpu:
        threads = match.settings.num_threads
        why = f"with {threads} threads" if threads > 1 else "on this system"
        words += f"; {why} waiting cannot be told from computing, so the wall clock was compared: use an idle machine"
    return words


def _timing(match: Match) -> Timing:
    """A plan says how long a block is; no other limit may cut one short."""
    settings = match.settings
    warm_up = max(settings.warmup_min_secs, min(settings.warmup_max_secs, WARM_UP_SECS))
    return msgspec.structs.replace(timing_of(settings), max_secs=settings.timeout_secs, warmup_max_secs=warm_up)


def _file(side: Side) -> BuildFile:
    return BuildFile(id=side.label, runtime=side.runtime, path=side.path, sha256=side.sha256)


def _bounds(match: Match) -> Bounds:
    settings = match.settings
    return Bounds(timeout_secs=settings.timeout_secs, memory_limit_mb=settings.memory_limit_mb)


def _folder(match: Match, name: str) -> Path:
    folder = match.folder / name
    with store.guarded(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder
