"""How other tools decide that a build became slower, replayed on samples that were taken for our own comparison.

The rules are written down here from those tools' sources and documents; the tools themselves are not run, and they
tell their users to find a quiet machine. Samples are of the wall clock, as theirs are. Where a tool times A and then B
in two processes, A's calls come from the first half of a pair and B's from the second half of the same pair, a moment
later: nearer together than two runs of a tool would be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Samples = NDArray[np.float64]
RUNS = 50  # what benchmark_model, litert-benchmark and the ExecuTorch app take by default
NOISE_THRESHOLD = 0.01
SLOWER_BY = 0.05


class Rule(NamedTuple):
    """decide(first, second): 1 when the second is called slower, -1 faster, 0 neither. samples: (first, second, sign)
    of a trace, the sign telling whether the second is B (1) or A (-1)."""

    name: str
    decide: Callable[[Samples, Samples], int]
    samples: Callable[[Any], Iterator[tuple[Samples, Samples, int]]]


class Replay(NamedTuple):
    """alarms: decisions other than "no change", of `comparisons`. slower: B after A called slower, of `forward`."""

    alarms: int
    comparisons: int
    slower: int
    forward: int


def replay(rule: Rule, trace: Any) -> Replay:
    """The decisions of a rule on all that a trace (see traces.py) offers it."""
    decisions = [(rule.decide(first, second), sign) for first, second, sign in rule.samples(trace)]
    forward = [decision for decision, sign in decisions if sign > 0]
    alarms = sum(decision != 0 for decision, _ in decisions)
    return Replay(alarms, len(decisions), sum(decision > 0 for decision in forward), len(forward))


# --- what they look at ------------------------------------------------------------------------------------


def two_runs(trace: Any) -> Iterator[tuple[Samples, Samples, int]]:
    """Two processes, 50 calls of each, the one right before the other; each pair gives A before B and B before A."""
    for pair in range(len(trace.wall_ns)):
        for first, second, sign in ((0, 1, 1), (1, 0, -1)):
            before, after = trace.wall_us(pair, first), trace.wall_us(pair, second)
            half = len(before) // 2
            yield np.concatenate(before[:half])[-RUNS:], np.concatenate(after[half:])[:RUNS], sign


def nine_processes(trace: Any) -> Iterator[tuple[Samples, Samples, int]]:
    """Nine repetitions of A, then nine of B, the mean of each."""
    return _in_sequence(trace, 9, lambda blocks: [float(np.mean(np.concatenate(blocks)))])


def twenty_processes(trace: Any) -> Iterator[tuple[Samples, Samples, int]]:
    """Twenty processes of A with three values each, then twenty of B."""
    return _in_sequence(trace, 20, lambda blocks: [float(np.mean(np.concatenate(part))) for part in _thirds(blocks)])


def _in_sequence(
    trace: Any, count: int, values: Callable[[list[Samples]], list[float]]
) -> Iterator[tuple[Samples, Samples, int]]:
    found = [[values(trace.wall_us(pair, side)) for pair in range(len(trace.wall_ns))] for side in (0, 1)]
    for start in range(len(trace.wall_ns) - 2 * count + 1):
        middle = start + count
        yield np.ravel(found[0][start:middle]), np.ravel(found[1][middle : middle + count]), 1


def _thirds(blocks: list[Samples]) -> list[list[Samples]]:
    size = len(blocks) // 3
    return [blocks[:size], blocks[size : 2 * size], blocks[2 * size :]]


# --- how they decide --------------------------------------------------------------------------------------


def _by_p(p: float, alpha: float, first: Samples, second: Samples) -> int:
    return int(np.sign(np.mean(second) - np.mean(first))) if p <= alpha else 0


def welch(alpha: float) -> Callable[[Samples, Samples], int]:
    def decide(first: Samples, second: Samples) -> int:
        return _by_p(float(stats.ttest_ind(first, second, equal_var=False).pvalue), alpha, first, second)

    return decide


def student(alpha: float) -> Callable[[Samples, Samples], int]:
    def decide(first: Samples, second: Samples) -> int:
        return _by_p(float(stats.ttest_ind(first, second).pvalue), alpha, first, second)

    return decide


def rank_sum(alpha: float) -> Callable[[Samples, Samples], int]:
    def decide(first: Samples, second: Samples) -> int:
        p = float(stats.mannwhitneyu(first, second, alternative="two-sided").pvalue)
        return int(np.sign(np.median(second) - np.median(first))) if p <= alpha else 0

    return decide


def beyond_noise_threshold(first: Samples, second: Samples) -> int:
    """Significant at 5 %, and the whole 95 % interval of the change lies more than 1 % from none."""
    result = stats.ttest_ind(second, first, equal_var=False)
    interval = result.confidence_interval(0.95)
    low, high = interval.low / np.mean(first), interval.high / np.mean(first)
    if low > NOISE_THRESHOLD:
        return 1
    return -1 if high < -NOISE_THRESHOLD else 0


def mean_five_percent(first: Samples, second: Samples) -> int:
    return int(np.mean(second) > (1 + SLOWER_BY) * np.mean(first))


def trimmed_mean_five_percent(first: Samples, second: Samples) -> int:
    """Of the middle 80 %."""
    return int(stats.trim_mean(second, 0.1) > (1 + SLOWER_BY) * stats.trim_mean(first, 0.1))


RULES = (
    Rule("Welch's t, 50 calls each, 1 %", welch(0.01), two_runs),
    Rule("Mann-Whitney, 50 calls each, 1 %", rank_sum(0.01), two_runs),
    Rule("mean of 50 more than 5 % slower (LiteRT delegate app)", mean_five_percent, two_runs),
    Rule("trimmed mean of 50 more than 5 % slower (ExecuTorch app)", trimmed_mean_five_percent, two_runs),
    Rule("95 % interval beyond 1 %, 50 calls each (like criterion)", beyond_noise_threshold, two_runs),
    Rule("Mann-Whitney, 9 processes each, 5 % (like google-benchmark)", rank_sum(0.05), nine_processes),
    Rule("Student's t, 20 processes x 3 values, 5 % (like pyperf)", student(0.05), twenty_processes),
)
