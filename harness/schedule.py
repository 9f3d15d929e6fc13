"""Who is measured when.

Restarts (fresh processes) are the unit of repetition, and builds are interleaved: every round starts each build
once, in a new random order, so that whatever drifts on the device hits all builds alike. A build that crashed,
hung or was refused is not started again in this run; the others go on.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence


def rounds(builds: Sequence[str], count: int, *, seed: int) -> list[list[str]]:
    """`count` rounds of all builds, each in its own random order; the same seed gives the same order."""
    source = random.Random(seed)
    return [source.sample(builds, len(builds)) for _ in range(count)]


def remaining(plan: Sequence[Sequence[str]], done: Mapping[str, int]) -> list[str]:
    """The turns of a plan that are left, in order, when `done[build]` turns of a build were had before."""
    seen: Counter[str] = Counter()
    left = []
    for build in (build for turn in plan for build in turn):
        seen[build] += 1
        if seen[build] > done.get(build, 0):
            left.append(build)
    return left
