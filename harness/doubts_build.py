"""Doubts about the file: whether it holds what its recipe promised, and whether that was worth anything.

Each function takes Facts and returns what was seen, in words with figures, or "" when there is no such doubt.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from harness import metrics
from harness.facts import Facts
from harness.figures import percent, value_text
from harness.records import Contents, Estimate

KEPT_SHARE = 0.9  # a depthwise layer left float for speed keeps a build above this
BROKEN_SHARE = 0.5
DELEGATED_MACS = 0.9
DELEGATED_OPERATORS = 0.5
SMALLER_BY = 0.01

_FLOAT16 = ("float16", "bfloat16")
_INTEGERS = {16: ("int16", "uint16"), 8: ("int8", "uint8"), 4: ("int4", "uint4"), 2: ("int2", "uint2")}
_ACTIVATIONS = ("float16", "float32", "int8", "uint8", "int16")
_WEIGHT_BITS = re.compile(r"_wi(\d+)(?=_|$)")
_ACTIVATION_BITS = re.compile(r"_ai(\d+)$")


class _Promise(NamedTuple):
    """What the last step of a recipe's name says; empty: nothing."""

    weights: tuple[str, ...]
    activations: tuple[str, ...]

    @property
    def word(self) -> str:
        return self.weights[0]


def promise_broken(facts: Facts) -> str:
    """Less than half of the weights, or of a static recipe's activations, have the promised type."""
    contents, promise = facts.variant.contents, _promise(facts.variant.recipe)
    if contents is None or not promise.weights:
        return ""
    share = _share(contents.weight_elements, promise.weights)
    if share is not None and share < BROKEN_SHARE:
        return _weights_words(contents, promise, share)
    types = {dtype: n for dtype, n in contents.activation_dtypes.items() if dtype in _ACTIVATIONS}
    share = _share(types, promise.activations) if contents.format == "tflite" and promise.activations else None
    if share is not None and share < BROKEN_SHARE:
        return f"only {percent(share)} of the activation tensors are {promise.activations[0]}"
    return ""


def partly_quantized(facts: Facts) -> str:
    """Half or more of the weights have the promised type, but not nearly all."""
    contents, promise = facts.variant.contents, _promise(facts.variant.recipe)
    if contents is None or not promise.weights:
        return ""
    share = _share(contents.weight_elements, promise.weights)
    if share is None or not BROKEN_SHARE <= share < KEPT_SHARE:
        return ""
    return _weights_words(contents, promise, share)


def saturated_bias(facts: Facts) -> str:
    contents = facts.variant.contents
    hit = [weight for weight in contents.weights if weight.saturated_biases] if contents else []
    if not hit:
        return ""
    count = sum(weight.saturated_biases for weight in hit)
    more = f" and {len(hit) - 1} more" if len(hit) > 1 else ""
    return f"{count} bias value{'s' * (count != 1)} at the int32 limit, in {hit[0].operator} {hit[0].name}{more}"


def delegate_fell_back(facts: Facts) -> str:
    """As the runner saw it; else by multiply-adds where the file tells them, by operators as counted after loading, or
    in the file. What a .tflite tells is about the CPU's delegate alone."""
    for restart in facts.measured.restarts if facts.measured else ():
        if seen := restart.facts.get("fell_back"):
            return seen
    contents = facts.variant.contents
    if contents and contents.format == "tflite" and facts.experiment.settings.accelerator != "cpu":
        contents = None
    left = _left_words(contents) if contents else ""
    if contents and contents.delegated_macs_share is not None:
        share = contents.delegated_macs_share
        if share >= DELEGATED_MACS:
            return ""
        return f"{percent(share)} of the multiply-adds run in a delegate{left}"
    delegated, total = _operator_counts(facts, contents)
    if delegated is None or not total or delegated / total >= DELEGATED_OPERATORS:
        return ""
    return f"{delegated} of {total} operators run in a delegate{left}"


def no_benefit(facts: Facts) -> str:
    """No file, download or memory at least 1 % smaller than the baseline's, and not faster beyond the noise."""
    found, base = facts.metrics, facts.baseline_metrics
    time = speed_metric(facts)
    if not facts.baseline or not time or _apart(found[time], base[time]) is None:
        return ""
    weighed = [name for name in ("size_bytes", "download_bytes", "peak_rss_mb") if name in found and name in base]
    smaller = any(found[name].value < base[name].value * (1 - SMALLER_BY) for name in weighed)
    if smaller or _apart(found[time], base[time]) == "faster":
        return ""
    shown = [time, *(name.replace("_bytes", "_mb") for name in weighed)]
    parts = [f"{metrics.METRICS[name].label} {_against(facts, name)}" for name in shown]
    return f"against {facts.baseline}: " + ", ".join(parts)


def slower_than_baseline(facts: Facts) -> str:
    time = speed_metric(facts)
    if not facts.baseline or not time:
        return ""
    found, base = facts.metrics[time], facts.baseline_metrics[time]
    if _apart(found, base) != "slower":
        return ""
    ratio = found.value / base.value
    return f"{ratio:.3g} times the {metrics.METRICS[time].label} of {facts.baseline}: {_against(facts, time)}"


def speed_metric(facts: Facts) -> str:
    """The median both builds have: on-CPU, which other processes do not inflate, else wall; "" for none."""
    for name in ("on_cpu_ms.p50", "latency_ms.p50"):
        if name in facts.metrics and name in facts.baseline_metrics:
            return name
    return ""


def _promise(recipe: str) -> _Promise:
    last = recipe.rpartition("+")[2]
    if last == "fp16":
        return _Promise(_FLOAT16, ())
    weights, activations = _WEIGHT_BITS.search(last), _ACTIVATION_BITS.search(last)
    if weights is None:
        return _Promise((), ())
    bits = int(weights[1])
    narrow = tuple(name for width, names in _INTEGERS.items() if width <= bits for name in names)
    return _Promise(narrow, _INTEGERS.get(int(activations[1]), ()) if activations else ())


def _share(counts: dict[str, int], wanted: tuple[str, ...]) -> float | None:
    total = sum(counts.values())
    return sum(counts.get(name, 0) for name in wanted) / total if total else None


def _weights_words(contents: Contents, promise: _Promise, share: float) -> str:
    others = {dtype: n for dtype, n in contents.weight_elements.items() if dtype not in promise.weights}
    most = max(others, key=lambda dtype: others[dtype])
    mostly = most if len(others) == 1 else f"mostly {most}"
    words = f"{percent(1 - share)} of the weights are {mostly}, not {promise.word}"
    wrapped = share == 0 and any(name in contents.operators for name in ("QUANTIZE", "DEQUANTIZE"))
    return words + ("; only QUANTIZE and DEQUANTIZE were added" if wrapped else "")


def _left_words(contents: Contents) -> str:
    most = sorted(contents.left_operators.items(), key=lambda item: (-item[1], item[0]))[:3]
    return "; left to the runtime's own kernels: " + ", ".join(f"{n} x {name}" for name, n in most) if most else ""


def _operator_counts(facts: Facts, contents: Contents | None) -> tuple[int | None, int | None]:
    for restart in facts.measured.restarts if facts.measured else ():
        if restart.total_operators:
            return restart.delegated_operators, restart.total_operators
    return (contents.delegated_operators, contents.total_operators) if contents else (None, None)


def _apart(found: Estimate, base: Estimate) -> str | None:
    """faster, slower, "" where intervals overlap, None where one of them is not known."""
    if found.low is None or found.high is None or base.low is None or base.high is None:
        return None
    return "faster" if found.high < base.low else "slower" if found.low > base.high else ""


def _against(facts: Facts, name: str) -> str:
    what = metrics.METRICS[name]
    first, second = facts.metrics[name].value, facts.baseline_metrics[name].value
    return f"{value_text(what, first)} against {value_text(what, second)}"
