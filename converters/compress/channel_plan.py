"""How many channels each group loses, so that the network loses the wanted share of its multiply-adds for the least.

Pure arithmetic on records: no torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from converters.compress.exchanging import nearer
from harness.records import Record

Curve = tuple[tuple[float, float], ...]  # (share of a group's units that are gone, squared error of the outputs)
_AHEAD = (0, 1, 3, 7, 15, 31)  # steps that are rated: a curve may be dear at first and cheap later


class Part(Record, frozen=True, kw_only=True):
    """What a layer loses with one unit of a group: shares of its output and of its input channels."""

    group: str
    written: float
    read: float


class Price(Record, frozen=True, kw_only=True):
    """A layer's multiply-adds and what they hang on."""

    macs: int
    parts: tuple[Part, ...] = ()

    def at(self, removed: Mapping[str, int]) -> float:
        """Multiply-adds that are left: a layer costs its outputs times its inputs."""
        written = 1 - sum(part.written * removed.get(part.group, 0) for part in self.parts)
        read = 1 - sum(part.read * removed.get(part.group, 0) for part in self.parts)
        return self.macs * written * read


class Choice(Record, frozen=True, kw_only=True):
    """A group that may lose units. steps: the allowed numbers of removed units, ascending, without 0."""

    group: str
    units: int
    steps: tuple[int, ...]
    curve: Curve

    def loss(self, removed: int) -> float:
        """Squared error of the outputs when this many units go, between the measured points of the curve."""
        shares, errors = zip(*self.curve, strict=True)
        return float(np.interp(removed / self.units, shares, errors))


class Plan(Record, frozen=True, kw_only=True):
    """Units that each group loses; share: of all multiply-adds that goes with them."""

    removed: dict[str, int]
    share: float


def steps(units: int, multiple: int, keep: int) -> tuple[int, ...]:
    """Numbers of units whose removal leaves a multiple of `multiple`, and at least `keep`."""
    return tuple(units - left for left in range((units - 1) // multiple * multiple, keep - 1, -multiple) if left > 0)


def choose(choices: Sequence[Choice], prices: Sequence[Price], target: float) -> Plan:
    """Step by step the removal with the least loss per multiply-add saved, until `target` (a share of all) is reached.

    The losses of different groups add up as squares do. Where the target is out of reach, everything that may go goes:
    compare `share` with it.
    """
    total = sum(price.macs for price in prices)
    touched = {c.group: [p for p in prices if any(part.group == c.group for part in p.parts)] for c in choices}
    removed = {choice.group: 0 for choice in choices}
    while _share(prices, removed, total) < target - 1e-9:
        rated = [
            (rate, choice, step)
            for choice in choices
            for step in _ahead(choice, removed[choice.group])
            for rate in [_rate(choice, step, removed, touched[choice.group])]
        ]
        if not rated:
            break
        _, choice, _ = min(rated, key=lambda each: (each[0], each[1].group, each[2]))
        # The best rate may be far away on a curve that is flat at first; go there in single steps all the same, so
        # that the others are looked at again and the target is not overshot.
        removed[choice.group] = next(each for each in choice.steps if each > removed[choice.group])
    removed = nearer(
        removed,
        lambda state: _exchanges(choices, state),
        lambda state: _share(prices, state, total),
        lambda state: sum(choice.loss(state[choice.group]) for choice in choices),
        target,
    )
    return Plan(
        removed={group: count for group, count in removed.items() if count}, share=_share(prices, removed, total)
    )


def _ahead(choice: Choice, removed: int) -> list[int]:
    left = [step for step in choice.steps if step > removed]
    return [left[place] for place in _AHEAD if place < len(left)]


def _exchanges(choices: Sequence[Choice], removed: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Every state that is one step back, or one step back and some ahead elsewhere."""
    for one in choices:
        if not removed[one.group]:
            continue
        back = {**removed, one.group: max([0, *(step for step in one.steps if step < removed[one.group])])}
        yield back
        for other in choices:
            if other.group != one.group:
                yield from ({**back, other.group: step} for step in _ahead(other, removed[other.group]))


def _rate(choice: Choice, step: int, removed: Mapping[str, int], prices: Sequence[Price]) -> float:
    here, there = removed[choice.group], dict(removed) | {choice.group: step}
    saved = sum(price.at(removed) - price.at(there) for price in prices)
    return (choice.loss(step) - choice.loss(here) + 1e-12) / max(saved, 1e-9)


def _share(prices: Sequence[Price], removed: Mapping[str, int], total: int) -> float:
    return 1 - sum(price.at(removed) for price in prices) / total
