"""How a build came to be: what its compression steps did, and what was fused on the way into the file."""

from __future__ import annotations

from harness.records import Contents, Model, StepResult, Variant
from reports import rounding

MOST_KINDS = 4
MOST_FACTS = 12
_LISTED = 4


def fusion(model: Model | None, contents: Contents) -> str:
    """`38 in the source (convolution × 12, ...), 14 in the file, 11 of them with an activation inside`."""
    after = sum(contents.operators.values())
    inside = contents.fused_activations
    words = f"{after} in the file"
    if inside:
        words += f", {inside} of them with an activation inside"
    if model is None or not model.operators:
        return words
    before = sorted(model.operators.items(), key=lambda item: (-item[1], item[0]))
    kinds = ", ".join(f"{name} × {count}" for name, count in before[:MOST_KINDS])
    more = ", …" if len(before) > MOST_KINDS else ""
    return f"{sum(model.operators.values())} in the source ({kinds}{more}), {words}"


def steps(variant: Variant) -> tuple[tuple[str, str], ...]:
    """(step, what it did) for each compression step."""
    return tuple((result.step, _told(result)) for result in variant.history)


def _told(result: StepResult) -> str:
    parts = [rounding.seconds(result.seconds)]
    if result.score_before is not None and result.score_after is not None:
        before, after = rounding.number(result.score_before, 4), rounding.number(result.score_after, 4)
        parts.append(f"on samples kept apart {before} before, {after} after")
    if result.stopped:
        parts.append(f"stopped: {result.stopped}")
    parts += [f"{name.replace('_', ' ')}: {_fact(value)}" for name, value in list(result.facts.items())[:MOST_FACTS]]
    return "; ".join(parts)


def _fact(value: str | float | int | list[str] | dict[str, float]) -> str:
    if isinstance(value, float):
        return rounding.number(value)
    if isinstance(value, dict):
        return _short([f"{name} {rounding.number(number)}" for name, number in value.items()])
    return _short(value) if isinstance(value, list) else str(value)


def _short(items: list[str]) -> str:
    if not items:
        return "none"
    more = f" and {len(items) - _LISTED} more" if len(items) > _LISTED else ""
    return f"{', '.join(items[:_LISTED])}{more}"
