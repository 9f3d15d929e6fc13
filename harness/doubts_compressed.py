"""Doubts about a compressed build: whether its file holds what its steps promise, and whether the device gains by it.

Each function takes Facts and returns what was seen, in words with figures, or "" when there is no such doubt.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness import doubts_build, promises
from harness.facts import Facts
from harness.parents import steps_of

BROKEN_SHARE = doubts_build.BROKEN_SHARE


def promise_broken(facts: Facts) -> str:
    """Less than half of what a step of the recipe promises is in the file; or nothing was done to it at all."""
    if found := doubts_build.promise_broken(facts):
        return found
    variant = facts.variant
    if steps_of(variant.recipe) and variant.sha256 and variant.sha256 == facts.parent_sha256:
        return "the file is the uncompressed one, byte for byte"
    if missing := _left_out(facts):
        return f"left out, since the quality fell below the floor: {', '.join(missing)}"
    return "; ".join(_told(one, facts) for one in _kept(facts) if one.share < BROKEN_SHARE)


def partly_compressed(facts: Facts) -> str:
    """Half or more of the promise is there, but not all of it."""
    return "; ".join(_told(one, facts) for one in _kept(facts) if BROKEN_SHARE <= one.share < 1)


def no_benefit(facts: Facts) -> str:
    """A compressed build against its parent; any other against the baseline."""
    if not steps_of(facts.variant.recipe):
        return doubts_build.no_benefit(facts)
    benefit = facts.benefit
    return benefit.verdict if benefit is not None and benefit.outcome in ("sending only", "no benefit") else ""


def _left_out(facts: Facts) -> list[str]:
    """Steps of the recipe that are not in the history of a build which has one."""
    done = {result.step.partition("(")[0] for result in facts.variant.history}
    return [step.name for step in steps_of(facts.variant.recipe) if done and step.name not in done]


def _kept(facts: Facts) -> Iterator[promises.Kept]:
    contents = facts.variant.contents
    if contents is not None:
        yield from promises.kept(
            facts.variant.recipe, promises.Held(contents=contents, uncompressed=facts.uncompressed)
        )


def _told(found: promises.Kept, facts: Facts) -> str:
    """With what the step itself said about why it ended early."""
    results = (one for one in facts.variant.history if one.step.partition("(")[0] == found.step)
    stopped = next((one.stopped for one in results if one.stopped), "")
    return f"{found.words} ({stopped})" if stopped else found.words
