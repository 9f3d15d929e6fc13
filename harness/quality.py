"""A build's outputs against the reference's: parity of every output, agreement of classes, default accuracy.

All sums are in float64 and taken sample chunk by sample chunk, so that large outputs never exist twice.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.errors import RunnerError, SourceError
from harness.records import Quality, Record, TensorSpec

Array = NDArray[Any]

# results.json knows no infinity: what has none of its own is cut to these.
SNR_CAP_DB = 200.0
LARGEST = sys.float_info.max
CHUNK_ELEMENTS = 2**20


class Parity(Record, frozen=True, kw_only=True):
    """One output over all samples; see `parity`."""

    cosine: float
    snr_db: float
    max_abs_diff: float
    max_rel_diff: float
    non_finite: int


def compare(outputs: Sequence[Array], reference: Sequence[Array], labels: Array | None) -> Quality:
    """Judge one build: arrays [N, *output shape] of build and reference, in the same order; labels [N] or None.

    Parity is that of the output that comes off worst. The first output that can be class scores (the last axis counts
    at least two classes, and one label or one sample per row) gives top-1 agreement and, with whole-number labels,
    accuracy of both sides; labels that fit no output give no score. A sample with NaN among its scores is wrong.
    Integer outputs of a quantized build must have been turned into real values before: see `real_values`.

    Raises RunnerError where number or shapes of the build's outputs are not the model's, SourceError where the
    reference holds NaN.
    """
    _check_alike(outputs, reference)
    worst = [parity(got, want) for got, want in zip(outputs, reference, strict=True)]
    quality = Quality(
        samples=len(reference[0]),
        cosine=min(one.cosine for one in worst),
        snr_db=min(one.snr_db for one in worst),
        max_abs_diff=max(one.max_abs_diff for one in worst),
        max_rel_diff=max(one.max_rel_diff for one in worst),
        non_finite=sum(one.non_finite for one in worst),
    )
    found = _class_scores(outputs, reference, labels)
    if found is None:
        return quality
    got, want = _top_classes(found.got), _top_classes(found.want)
    quality = msgspec.structs.replace(quality, top1_agreement=float((got == want).mean()))
    if not found.labelled or labels is None:
        return quality
    right = got == labels.reshape(-1)
    return msgspec.structs.replace(
        quality,
        score=float(right.mean()),
        reference_score=float((want == labels.reshape(-1)).mean()),
        correct="".join("1" if one else "0" for one in right) if len(right) == len(reference[0]) else "",
    )


def parity(got: Array, want: Array) -> Parity:
    """One output [N, ...] against its reference.

    cosine = sum(g w) / sqrt(sum(g g) sum(w w)); snr_db = 10 log10(sum(w w) / sum((g - w)**2)), cut to -+200;
    max_rel_diff = max|g - w| / max|w| (relative to the largest reference output, since single ones may be near 0).
    Both all zero: alike (1, 200, 0, 0). One all zero: cosine 0, relative difference 1.
    non_finite counts elements that are not finite on one side and other than that on the other. The same infinity on
    both sides (masked scores) counts as alike; anything else not finite enters the sums as 0, the value of no signal.
    """
    scale = _largest(want)
    unit = max(scale, _largest(got)) or 1.0  # sums of squares of huge values stay in range
    dot = got_power = want_power = error_power = largest = 0.0
    non_finite = 0
    for g, w in zip(_chunks(got), _chunks(want), strict=True):
        finite_g, finite_w = np.isfinite(g), np.isfinite(w)
        odd = ~(finite_g & finite_w)
        non_finite += int((odd & ~(g == w)).sum())
        both = odd & (g == w)
        g = np.where(finite_g & ~both, g, 0.0) / unit
        w = np.where(finite_w & ~both, w, 0.0) / unit
        difference = g - w
        dot += float(np.dot(g, w))
        got_power += float(np.dot(g, g))
        want_power += float(np.dot(w, w))
        error_power += float(np.dot(difference, difference))
        largest = max(largest, float(np.abs(difference).max(initial=0.0)))
    return Parity(
        cosine=_cosine(dot, got_power, want_power),
        snr_db=_decibel(want_power, error_power),
        max_abs_diff=min(largest * unit, LARGEST),
        max_rel_diff=min(largest * unit / scale, LARGEST) if scale else float(largest > 0),
        non_finite=non_finite,
    )


def real_values(values: Array, spec: TensorSpec) -> Array:
    """What the integers of a quantized output mean: (values - zero_point) * scale; others as they are."""
    if spec.scale is None or not np.issubdtype(values.dtype, np.integer):
        return values
    return (values.astype(np.float64) - (spec.zero_point or 0)) * spec.scale


def _check_alike(outputs: Sequence[Array], reference: Sequence[Array]) -> None:
    if not reference or not len(reference[0]):
        raise SourceError("there are no reference outputs to compare with")
    if len(outputs) != len(reference):
        raise RunnerError(
            f"the build gives {len(outputs)} outputs, the model {len(reference)}",
            remedy="let the model return a flat tuple of tensors, none of them twice",
        )
    for number, (got, want) in enumerate(zip(outputs, reference, strict=True)):
        if len(got) != len(want) or _without_ones(got) != _without_ones(want):
            raise RunnerError(
                f"output {number} of the build has shape {got.shape}, the model's has {want.shape}",
                remedy="the first axis counts the evaluation samples; give the model static shapes",
            )
        for side, values in (("build", got), ("model", want)):
            if values.dtype.kind not in "fiub":
                raise RunnerError(f"output {number} of the {side} is of type {values.dtype}: not real numbers")
        if want.dtype.kind == "f" and any(bool(np.isnan(chunk).any()) for chunk in _chunks(want)):
            raise SourceError(
                f"the model itself returns NaN in output {number} on its evaluation data",
                remedy="check its weights and the range of the inputs",
            )


def _largest(values: Array) -> float:
    """The largest finite magnitude."""
    return max((float(np.abs(c[np.isfinite(c)]).max(initial=0.0)) for c in _chunks(values)), default=0.0)


def _without_ones(values: Array) -> tuple[int, ...]:
    return tuple(length for length in values.shape[1:] if length != 1)


def _chunks(values: Array) -> Iterator[NDArray[np.float64]]:
    flat = values.reshape(-1)
    for start in range(0, flat.size, CHUNK_ELEMENTS):
        yield flat[start : start + CHUNK_ELEMENTS].astype(np.float64)


def _cosine(dot: float, got_power: float, want_power: float) -> float:
    if got_power == 0 or want_power == 0:
        return float(got_power == want_power)
    return float(np.clip(dot / np.sqrt(got_power) / np.sqrt(want_power), -1.0, 1.0))


def _decibel(signal: float, noise: float) -> float:
    if noise == 0:
        return SNR_CAP_DB
    if signal == 0:
        return -SNR_CAP_DB
    return float(np.clip(10 * (np.log10(signal) - np.log10(noise)), -SNR_CAP_DB, SNR_CAP_DB))


class _Scores(NamedTuple):
    got: Array  # [rows, classes]
    want: Array
    labelled: bool


def _class_scores(outputs: Sequence[Array], reference: Sequence[Array], labels: Array | None) -> _Scores | None:
    """The first output pair that the labels fit, else the first with one row of scores per sample."""
    unlabelled = None
    for got, want in zip(outputs, reference, strict=True):
        classes = want.shape[-1] if want.ndim > 1 else 0
        if classes < 2:
            continue
        rows = got.reshape(-1, classes), want.reshape(-1, classes)
        if labels is not None and len(rows[1]) == labels.size and _are_classes(labels, classes):
            return _Scores(*rows, labelled=True)
        if unlabelled is None and len(rows[1]) == len(want):
            unlabelled = _Scores(*rows, labelled=False)
    return unlabelled


def _are_classes(labels: Array, classes: int) -> bool:
    return bool(labels.dtype.kind in "iu" and labels.min() >= 0 and labels.max() < classes)


def _top_classes(scores: Array) -> NDArray[np.intp]:
    """The class with the highest score per row; -1 (so: never right) where a score is NaN."""
    top = scores.argmax(axis=-1)
    return np.where(np.isnan(scores).any(axis=-1), -1, top) if scores.dtype.kind == "f" else top
