"""Does the file hold what the compression steps in its recipe's name promise? Read from the file itself.

A promise is kept in part: `share` is how much of it is there, 1 for all of it within the tolerance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from harness.figures import percent
from harness.parents import steps_of
from harness.records import Contents, Record, Step, WeightTensor

ZEROS_WITHIN = 0.02
BLOCKS_BROKEN = 0.5  # as many zeros as promised, elsewhere
MACS_WITHIN = 0.05  # channel counts are rounded to what kernels like
DEPTHWISE = ("DEPTHWISE_CONV_2D", "XNNDepthwiseConv2d")
# What the steps leave alone, and no promise is about: see converters/compress.
STEM_CHANNELS = 4
FEWEST_WEIGHTS = 32
WEIGHTS_PER_VALUE = 2


class Kept(Record, frozen=True, kw_only=True):
    """What became of one step's promise; words: what is there, and what is missing."""

    step: str
    share: float
    words: str = ""


class Held(Record, frozen=True, kw_only=True):
    """The file, and what it would hold without compression (None: nothing is known of that)."""

    contents: Contents
    uncompressed: Contents | None = None


def kept(recipe: str, held: Held) -> tuple[Kept, ...]:
    """One for each step whose promise can be checked in the file; `qat` is kept by the quantization, `distill` promises
    nothing that a file could show."""
    return tuple(_kept(steps_of(recipe), held))


def _kept(steps: Sequence[Step], held: Held) -> Iterator[Kept]:
    for step in steps:
        check = _CHECKS.get(step.name)
        found = check(step, held) if check else None
        if found is not None:
            yield found


def prunable(contents: Contents, *, stem: bool = False) -> tuple[WeightTensor, ...]:
    """Weights of convolutions and dense layers, few and much needed ones left out: depthwise, and the stem, which reads
    the input's few channels, unless one threshold is for all layers."""
    return tuple(w for w in contents.weights if w.macs and w.elements >= FEWEST_WEIGHTS and not _is_left(w, stem))


def _is_left(weight: WeightTensor, stem: bool) -> bool:
    if weight.operator in DEPTHWISE or len(weight.shape) < 3:
        return weight.operator in DEPTHWISE
    inputs = _inputs(weight)
    return inputs == 1 if stem else inputs <= STEM_CHANNELS


def _inputs(weight: WeightTensor) -> int:
    """Input channels: last, but second in PyTorch's own kernels."""
    return weight.shape[1] if weight.operator.startswith("aten::convolution") else weight.shape[-1]


def _pruned(step: Step, held: Held) -> Kept | None:
    """The share of zeros; for a pattern such as 2:4, the share of weights in tensors where it holds in every group."""
    weights = prunable(held.contents, stem="global" in step.arguments)
    kept_of, colon, group = step.arguments[0].partition(":")
    if not weights:
        return None
    if colon:
        return _pattern(step, weights, (int(kept_of), int(group)))
    wanted = float(step.arguments[0])
    zeros = sum(w.zeros for w in weights) / sum(w.elements for w in weights)
    if zeros >= wanted - ZEROS_WITHIN:
        return _in_blocks(step, weights)
    words = f"{percent(zeros)} of the weights are zero, {percent(wanted)} were asked for"
    return Kept(step=step.name, share=zeros / wanted, words=words + _dense(weights, wanted))


def _in_blocks(step: Step, weights: Sequence[WeightTensor]) -> Kept:
    """`prune(0.8,1x4)`: groups of 4 are all zero or not at all, but for one a channel, which keeps it alive. Integers
    are not asked: a small weight may round to zero."""
    size = next((int(option.partition("x")[2]) for option in step.arguments[1:] if "x" in option), 1)
    for weight in weights:
        found = weight.groups.get(size, ()) if weight.dtype.startswith("float") else ()
        if sum(found[1:-1]) > weight.shape[0]:
            words = f"in {weight.operator} {weight.name} {sum(found[1:-1])} blocks of {size} are zero in part only"
            return Kept(step=step.name, share=BLOCKS_BROKEN, words=words)
    return Kept(step=step.name, share=1.0)


def _dense(weights: Sequence[WeightTensor], wanted: float) -> str:
    """The largest tensor that has next to none of it."""
    left = sorted((w for w in weights if w.zeros < w.elements * wanted / 10), key=lambda w: -w.elements)
    more = f" and {len(left) - 1} more" if len(left) > 1 else ""
    return f"; left dense: {left[0].operator} {left[0].name}{more}" if left else ""


def _pattern(step: Step, weights: Sequence[WeightTensor], pattern: tuple[int, int]) -> Kept | None:
    """`2:4`: no group of 4 neighbours along the input channels has more than 2 non-zeros."""
    most, size = pattern
    able = [w for w in weights if size in w.groups or _divides(w, size)]
    holds = [w for w in able if size in w.groups and not any(w.groups[size][most + 1 :])]
    if not able:
        return None
    share = sum(w.elements for w in holds) / sum(w.elements for w in able)
    if share == 1.0:
        return Kept(step=step.name, share=1.0)
    missing = max((w for w in able if w not in holds), key=lambda w: w.elements)
    broken = sum(missing.groups.get(size, ())[most + 1 :])
    where = f"in {missing.operator} {missing.name} {broken or 'most'} groups have more non-zeros"
    return Kept(
        step=step.name, share=share, words=f"{step.arguments[0]} holds for {percent(share)} of the weights; {where}"
    )


def _divides(weight: WeightTensor, size: int) -> bool:
    return _inputs(weight) % size == 0


def _clustered(step: Step, held: Held) -> Kept | None:
    """The share of weights in tensors, or in tensors' channels, with at most so many different values."""
    most = int(step.arguments[0])
    weights = [w for w in held.contents.weights if w.macs and _sharing(w, step) >= WEIGHTS_PER_VALUE * most]
    if not weights:
        return None
    share = sum(w.elements for w in weights if _values(w, step) <= most) / sum(w.elements for w in weights)
    if share == 1.0:
        return Kept(step=step.name, share=1.0)
    worst = max(weights, key=lambda w: (_values(w, step) > most, w.elements))
    words = (
        f"{percent(share)} of the weights are in tensors of at most {most} values; {worst.operator} {worst.name} has"
    )
    return Kept(step=step.name, share=share, words=f"{words} {_values(worst, step):,}")


def _sharing(weight: WeightTensor, step: Step) -> int:
    """Weights that one codebook is for."""
    channels = weight.shape[0] if weight.shape[0] > 1 else weight.shape[-1]
    return weight.elements // max(channels, 1) if "channel" in step.arguments else weight.elements


def _values(weight: WeightTensor, step: Step) -> int:
    return weight.distinct_per_channel if "channel" in step.arguments else weight.distinct


def _fewer_macs(step: Step, held: Held) -> Kept | None:
    """The share of multiply-adds that are gone."""
    before, after = held.uncompressed.macs if held.uncompressed else None, held.contents.macs
    if not before or after is None:
        return None
    wanted, gone = float(step.arguments[0]), 1 - after / before
    if gone >= wanted - MACS_WITHIN:
        return Kept(step=step.name, share=1.0)
    words = f"{percent(max(gone, 0.0))} of the multiply-adds are gone, {percent(wanted)} were asked for"
    return Kept(step=step.name, share=max(gone, 0.0) / wanted, words=words)


def _thinner(step: Step, held: Held) -> Kept | None:
    """Fewer weights and fewer multiply-adds; how many depends on which layers are worth splitting."""
    plain, now = held.uncompressed, held.contents
    if plain is None or not plain.macs or now.macs is None:
        return None
    before, after = sum(plain.weight_elements.values()), sum(now.weight_elements.values())
    if after < before and now.macs < plain.macs:
        return Kept(step=step.name, share=1.0)
    words = f"{after:,} weights and {now.macs:,} multiply-adds, without it {before:,} and {plain.macs:,}"
    return Kept(step=step.name, share=0.0, words=words)


_CHECKS: dict[str, Callable[[Step, Held], Kept | None]] = {
    "prune": _pruned,
    "cluster": _clustered,
    "channels": _fewer_macs,
    "lowrank": _thinner,
}
