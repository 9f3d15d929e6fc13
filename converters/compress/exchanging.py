"""A choice that overshoots its target, brought nearer to it. Pure arithmetic: no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

SURPLUS = 0.05  # as a share: less than that over the target is not worth a loss

State = TypeVar("State")


def nearer(
    state: State,
    neighbours: Callable[[State], Iterable[State]],
    share: Callable[[State], float],
    loss: Callable[[State], float],
    target: float,
) -> State:
    """The state, or one that is reached through neighbours, each nearer to the target from above and the least loss."""
    while True:
        here, lost = share(state), loss(state)
        better = [
            (loss(other), index, other)
            for index, other in enumerate(neighbours(state))
            if target - 1e-9 <= share(other) < here - 1e-9 and (here - target > SURPLUS or loss(other) <= lost)
        ]
        if not better:
            return state
        state = min(better, key=lambda each: each[:2])[2]
