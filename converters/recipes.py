"""What can be done to a model before it is a file, and the grammar of its name.

A recipe is steps joined by `+`, left to right: compression steps first, exactly one quantization last, as in
`prune(0.5)+static_wi8_ai8`. Quantization names are the ones that LiteRT's quantizer uses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from msgspec.structs import replace

from harness.errors import ExperimentError
from harness.records import Recipe, Record, Runtime, Step

AS_IS = "as-is"


class Quantization(Record, frozen=True, kw_only=True):
    """One quantization. calibrated: it needs samples to find the ranges of activations.
    lacking: runtimes that do not have it, each with the reason."""

    summary: str
    calibrated: bool = False
    lacking: dict[str, str] = {}


class Compression(Record, frozen=True, kw_only=True):
    """One compression step. rank: its place in a recipe. arguments: pattern of what stands in its brackets."""

    summary: str
    rank: int
    arguments: str
    example: str


_WRONG_NUMBERS = "XNNPACK computes wrong numbers from weight-only quantized layers"

RECIPES: dict[str, Quantization] = {
    "fp32": Quantization(summary="32-bit floats, as trained"),
    "fp16": Quantization(summary="16-bit float weights: half the size, float32 inputs and outputs"),
    "dynamic_wi8_afp32": Quantization(
        summary="int8 weights, activations quantized on the fly: no calibration; for dense layers"
    ),
    "static_wi8_ai8": Quantization(
        summary="int8 weights and activations: a quarter of the size, the fastest on CPUs", calibrated=True
    ),
    "static_wi8_ai16": Quantization(
        summary="int8 weights, int16 activations: more exact, slow on CPUs",
        calibrated=True,
        lacking={"executorch": "ExecuTorch's XNNPACK quantizer has 8-bit activations only"},
    ),
    "weight_only_wi8_afp32": Quantization(
        summary="int8 weights that are unpacked to float: smaller file, no speed-up",
        lacking={"executorch": _WRONG_NUMBERS},
    ),
    "weight_only_wi4_afp32": Quantization(
        summary="int4 weights that are unpacked to float: smallest file, often less exact",
        lacking={"executorch": _WRONG_NUMBERS},
    ),
}

_TRAINED_FOR = "static_wi8_ai8"  # what `qat` simulates
_SPARSE = ("fp32", "static_wi8_ai8")
_DENSE_ONLY = "ExecuTorch's format has no sparse tensors; zipped or packed, zeros take next to nothing there as well"
_RATIO = r"0?\.\d*[1-9]\d*"
_COUNT = r"[1-9]\d*"
_UP_TO_256 = r"[2-9]|[1-9]\d|1\d\d|2[0-4]\d|25[0-6]"
COMPRESSIONS: dict[str, Compression] = {
    "channels": Compression(
        summary="remove whole channels, and with them this share of the multiply-adds",
        rank=0,
        arguments=_RATIO,
        example="channels(0.3)",
    ),
    "lowrank": Compression(
        summary="split layers into thinner ones, for this share of their multiply-adds",
        rank=1,
        arguments=_RATIO,
        example="lowrank(0.5)",
    ),
    "distill": Compression(
        summary="train against a teacher, alone or as the loss of the other steps",
        rank=2,
        arguments=r"[^(),]+\.py",
        example="distill(teacher.py)",
    ),
    "prune": Compression(
        summary="set this share of small weights to zero: per layer, `0.8,global`, in blocks `0.8,1x4`, or `2:4`; "
        "`0.8,sparse` leaves the zeros out of a .tflite",
        rank=3,
        arguments=rf"{_RATIO}(?:,(?!1x1){_COUNT}x{_COUNT})?(?:,global)?(?:,sparse)?|{_COUNT}:{_COUNT}(?:,sparse)?",
        example="prune(0.8)",
    ),
    "cluster": Compression(
        summary="2 to 256 distinct values per layer, or per output channel: `cluster(16,channel)`",
        rank=4,
        arguments=rf"(?:{_UP_TO_256})(?:,channel)?",
        example="cluster(16)",
    ),
    "qat": Compression(summary="train with quantization simulated", rank=5, arguments="", example="qat"),
}

# What people call them elsewhere.
_ALIASES = {
    "float32": "fp32",
    "f32": "fp32",
    "float": "fp32",
    "none": "fp32",
    "float16": "fp16",
    "f16": "fp16",
    "half": "fp16",
    "int8": "static_wi8_ai8",
    "w8a8": "static_wi8_ai8",
    "static": "static_wi8_ai8",
    "dynamic": "dynamic_wi8_afp32",
    "int16": "static_wi8_ai16",
    "w8a16": "static_wi8_ai16",
    "weight_only": "weight_only_wi8_afp32",
    "int4": "weight_only_wi4_afp32",
}
_STEP = re.compile(r"([A-Za-z0-9_]+)(?:\(([^()]*)\))?")
_SEPARATOR = re.compile(r"\+(?![^(]*\))")  # a plus inside brackets belongs to an argument


def parse(name: str) -> Recipe:
    """A recipe from its name, spaces removed; raises ExperimentError naming the nearest known name or right order."""
    if name.strip() == AS_IS:
        return Recipe(name=AS_IS, steps=())
    steps = tuple(_step(text, name) for text in _SEPARATOR.split("".join(name.split())))
    _check_order(steps, name)
    return Recipe(name="+".join(map(spell, steps)), steps=steps)


def supported(recipe: Recipe, runtime: Runtime) -> str:
    """The reason why `runtime` has not got `recipe`, or "" when it has; compression steps are the same for both."""
    if sparse(recipe) and (runtime != "tflite" or quantization(recipe) not in _SPARSE):
        return _DENSE_ONLY if runtime != "tflite" else f"sparse storage is for {' and '.join(_SPARSE)} only"
    for step in recipe.steps:
        if step.name in COMPRESSIONS:
            continue
        reason = RECIPES[step.name].lacking.get(runtime, "")
        if reason:
            return reason
    return ""


def quantization(recipe: Recipe) -> str:
    """Name of the quantization that ends a recipe; "" for `as-is`."""
    return recipe.steps[-1].name if recipe.steps else ""


def compressions(recipe: Recipe) -> tuple[Step, ...]:
    """The steps before the quantization; how their result is stored is none of their business."""
    return tuple(
        replace(step, arguments=tuple(each for each in step.arguments if each != "sparse"))
        for step in recipe.steps
        if step.name in COMPRESSIONS
    )


def sparse(recipe: Recipe) -> bool:
    """Whether zeros are to be left out of the file."""
    return any("sparse" in step.arguments for step in recipe.steps)


def floating(recipe: Recipe) -> Recipe:
    """The same compression without the quantization."""
    steps = (*compressions(recipe), Step(name="fp32"))
    return Recipe(name="+".join(map(spell, steps)), steps=steps)


def one_scale(steps: Iterable[Step]) -> bool:
    """Whether all weights of a layer must share one scale: with one for each channel, a layer's few shared values would
    become as many different integers again."""
    return any(step.name == "cluster" and "channel" not in step.arguments for step in steps)


def calibrated(recipe: Recipe) -> bool:
    """Whether calibration data has a part in the result."""
    return any(step.name == "qat" or (step.name in RECIPES and RECIPES[step.name].calibrated) for step in recipe.steps)


def _step(text: str, recipe: str) -> Step:
    match = _STEP.fullmatch(text)
    if match is None:
        raise ExperimentError(
            f"`{text}` in the recipe `{recipe}` cannot be read",
            remedy="write steps joined by +, arguments in brackets, as in `prune(0.5)+static_wi8_ai8`",
        )
    name, argument = match.group(1), match.group(2)
    if name in RECIPES and argument is None:
        return Step(name=name)
    if name in RECIPES:
        raise ExperimentError(f"`{name}` takes no arguments in the recipe `{recipe}`", remedy=f"write `{name}`")
    if name not in COMPRESSIONS:
        raise ExperimentError(f"unknown step `{name}` in the recipe `{recipe}`", remedy=_nearest(name))
    return _compression(name, argument or "", recipe)


def _compression(name: str, argument: str, recipe: str) -> Step:
    known = COMPRESSIONS[name]
    if not re.fullmatch(known.arguments, argument) or not _possible_pattern(argument):
        raise ExperimentError(
            f"`{name}({argument})` in the recipe `{recipe}` has a wrong argument",
            remedy=f"write it as in `{known.example}`",
        )
    return Step(name=name, arguments=tuple(argument.split(",")) if argument else ())


def _possible_pattern(argument: str) -> bool:
    """2:4 keeps two of four; 4:2 or 4:4 would mean nothing."""
    kept, colon, group = argument.partition(":")
    return not (colon and kept.isdigit() and group.isdigit()) or int(kept) < int(group)


def _check_order(steps: tuple[Step, ...], recipe: str) -> None:
    quantizations = [step for step in steps if step.name in RECIPES]
    if len(quantizations) != 1:
        what = "no quantization" if not quantizations else f"{len(quantizations)} quantizations"
        raise ExperimentError(
            f"the recipe `{recipe}` has {what}, it needs exactly one",
            remedy=f"end it with one of {', '.join(RECIPES)}" if quantizations else f"write `{recipe}+fp32`",
        )
    ordered = sorted(steps, key=_rank)
    if len({step.name for step in steps}) < len(steps):
        raise ExperimentError(f"the recipe `{recipe}` has the same step twice", remedy="name each step once")
    if tuple(ordered) != steps:
        right = "+".join(map(spell, ordered))
        raise ExperimentError(f"the steps of the recipe `{recipe}` are in the wrong order", remedy=f"write `{right}`")
    if any(step.name == "qat" for step in steps) and steps[-1].name != _TRAINED_FOR:
        raise ExperimentError(
            f"`qat` in the recipe `{recipe}` trains for 8-bit integers throughout, which `{steps[-1].name}` has not",
            remedy=f"end it with {_TRAINED_FOR}, or leave `qat` out",
        )


def _rank(step: Step) -> int:
    return COMPRESSIONS[step.name].rank if step.name in COMPRESSIONS else len(COMPRESSIONS)


def spell(step: Step) -> str:
    """A step as it stands in a recipe's name."""
    return f"{step.name}({','.join(step.arguments)})" if step.arguments else step.name


def _nearest(name: str) -> str:
    known = [*RECIPES, *COMPRESSIONS, AS_IS]
    close = _ALIASES.get(name.lower()) or next(iter(get_close_matches(name.lower(), known, n=1, cutoff=0.5)), "")
    hint = f"did you mean `{close}`? " if close else ""
    return f"{hint}known: {', '.join([*RECIPES, *COMPRESSIONS])}"
