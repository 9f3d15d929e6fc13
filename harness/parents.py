"""Which build a build is held against, by the names of their recipes: its parent."""

from __future__ import annotations

from collections.abc import Sequence

from converters import recipes
from harness.errors import ExperimentError
from harness.records import Contents, Recipe, Step, Variant

FLOAT = "fp32"


def steps_of(recipe: str) -> tuple[Step, ...]:
    """The compression steps of a recipe's name; none for a ready-made file."""
    return recipes.compressions(_read(recipe))


def parent_recipe(recipe: str) -> str:
    """What the recipe is held against; "" for fp32 and ready-made files, which have no parent."""
    quantization = recipes.quantization(_read(recipe))
    if steps_of(recipe):
        return quantization
    return FLOAT if quantization not in ("", FLOAT) else ""


def parent_of(variant: Variant, variants: Sequence[Variant]) -> Variant | None:
    """The parent among the builds that were made."""
    wanted = f"{variant.runtime}/{parent_recipe(variant.recipe)}"
    return next((one for one in variants if one.id == wanted and one.failure is None), None)


def uncompressed(variant: Variant, variants: Sequence[Variant]) -> Contents | None:
    """What the network holds without compression: the parent's file, else any such build's of this runtime, in which
    multiply-adds and the number of weights are the same."""
    parent = parent_of(variant, variants)
    if parent is not None:
        return parent.contents
    plain = (one for one in variants if one.runtime == variant.runtime and not steps_of(one.recipe))
    return next((one.contents for one in plain if one.contents is not None and one.id != variant.id), None)


def _read(recipe: str) -> Recipe:
    """A name that this version's grammar has not got, in the results of another one, has no known steps."""
    try:
        return recipes.parse(recipe)
    except ExperimentError:
        return Recipe(name=recipe, steps=())
