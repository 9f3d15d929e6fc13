"""What a step that grows does at each look at the score, where there is a floor to keep.

Below the floor it waits until the next look; when it is still below then, the training ends and the last state that was
good enough is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

Memory = dict[str, Any]


class Watched(Protocol):
    """The part of a studio that knows the floor."""

    def below_floor(self, score: float | None) -> bool: ...

    def spelled(self, score: float | None) -> str: ...

    def spelled_floor(self) -> str: ...


def memory() -> Memory:
    """What Plan.memory holds. share: zeros asked for by now. waits: for the quality. fell: where, and how far. best:
    {share, score, state} of the last good state."""
    return {"share": 0.0, "waits": False, "fell": "", "best": None}


def looked(
    kept: Memory, score: float | None, state: Callable[[], Any], zeros: Callable[[], float], by: Watched
) -> bool:
    """For Plan.after_look: whether to go on. state: a copy of the model's; zeros: the share there is."""
    if score is None:
        return True
    if not by.below_floor(score):
        best = kept["best"]
        if best is None or (kept["share"], score) >= (best["share"], best["score"]):
            kept["best"] = {"share": kept["share"], "score": score, "state": state()}
        kept["waits"], kept["fell"] = False, ""
        return True
    waited = kept["waits"]
    kept["waits"] = True
    kept["fell"] = f"with {zeros():.0%} it came to {by.spelled(score)}, beyond the floor {by.spelled_floor()}"
    return not waited
