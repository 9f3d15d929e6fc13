"""Doubts about the numbers a build computes.

Each function takes Facts and returns what was seen, in words with figures, or "" when there is no such doubt.
"""

from __future__ import annotations

from typing import NamedTuple

from harness.facts import Facts
from harness.figures import percent
from harness.metrics import ACCURACY
from harness.records import Quality


class Limits(NamedTuple):
    """How far a build may be from the model itself before it counts as another one.

    Floating point only rounds: its largest difference, relative to the largest output, is bounded. Quantization really
    changes numbers: what counts is the loss of the task metric where there is one, else how many top classes change
    where there are classes, else the signal to noise ratio.
    """

    name: str
    max_rel_diff: float | None = None
    score_loss: float = 0.0
    top1_agreement: float = 0.0
    snr_db: float = 0.0


# Seen in healthy builds: fp32 2e-6, fp16 up to 2e-2, int8 93 % of top classes and 12.7 dB. Garbage: a relative
# difference of 60 and more; int4 on convolutions 51 % and 3 dB.
FLOAT = Limits("fp32", max_rel_diff=1e-3)
HALF = Limits("fp16", max_rel_diff=1e-1)
EIGHT_BITS = Limits("8 bits", score_loss=0.05, top1_agreement=0.80, snr_db=8.0)
FOUR_BITS = Limits("4 bits", score_loss=0.10, top1_agreement=0.70, snr_db=5.0)
RESHAPED = Limits("a recipe that changes the weights", score_loss=0.10, top1_agreement=0.60, snr_db=3.0)


def limits_of(recipe: str) -> Limits:
    """The class of a recipe, by its name."""
    if recipe in ("fp32", "as-is"):
        return FLOAT
    if recipe == "fp16":
        return HALF
    if "+" in recipe or "_wi" not in recipe:
        return RESHAPED
    return FOUR_BITS if "_wi4" in recipe or "_wi2" in recipe else EIGHT_BITS


def output_drift(facts: Facts) -> str:
    quality, limits = _quality(facts), limits_of(facts.variant.recipe)
    if quality is None:
        return ""
    if limits.max_rel_diff is not None:
        far = quality.max_rel_diff > limits.max_rel_diff
        words = f"outputs differ by up to {quality.max_rel_diff:.2g} of the largest one"
        return f"{words}; {limits.name} should stay within {limits.max_rel_diff:g}" if far else ""
    return _quantized_drift(facts, quality, limits)


def _quantized_drift(facts: Facts, quality: Quality, limits: Limits) -> str:
    """Random weights put all classes level, so that neither accuracy nor top classes say anything: noise decides."""
    score, wanted = quality.score, quality.reference_score
    if not facts.model.random_weights:
        if score is not None and wanted is not None and facts.model.metric == ACCURACY:
            far = wanted - score > limits.score_loss
            return f"accuracy {score:.3g}, the model itself has {wanted:.3g}" if far else ""
        if score is not None and wanted is not None:
            return _own_metric_drift(facts, score, wanted, limits)
        if quality.top1_agreement is not None and facts.model.labelled:
            far = quality.top1_agreement < limits.top1_agreement
            words = f"the top class is the model's in {percent(quality.top1_agreement)} of the samples"
            return f"{words}; {limits.name} should keep {percent(limits.top1_agreement)}" if far else ""
    far = quality.snr_db < limits.snr_db
    words = f"signal to noise {quality.snr_db:.1f} dB"
    return f"{words}; {limits.name} should keep {limits.snr_db:g} dB" if far else ""


def _own_metric_drift(facts: Facts, score: float, wanted: float, limits: Limits) -> str:
    """The model's own metric has a unit of its own: its loss counts as a share of what the model itself reaches."""
    loss = wanted - score if facts.model.metric_higher_is_better else score - wanted
    far = loss > limits.score_loss * max(abs(wanted), 1e-9)
    return f"{facts.model.metric} {score:.3g}, the model itself has {wanted:.3g}" if far else ""


def non_finite(facts: Facts) -> str:
    quality = _quality(facts)
    if quality is None or not quality.non_finite:
        return ""
    return (
        f"{quality.non_finite} output value{'s' * (quality.non_finite != 1)} NaN or infinite where the model's are not"
    )


def random_weights(facts: Facts) -> str:
    return "no trained weights were loaded" if facts.model.random_weights else ""


def no_reference(facts: Facts) -> str:
    if facts.measured is None or facts.measured.quality is not None:
        return ""
    if any(restart.facts.get("outputs") == "not told" for restart in facts.measured.restarts):
        return f"{facts.measured.restarts[0].facts.get('program', 'the program')} does not give its outputs"
    return f"{facts.model.source}: there is no model to hold the outputs against"


def no_labels(facts: Facts) -> str:
    quality = _quality(facts)
    if quality is None or quality.score is not None:
        return ""
    if facts.model.labelled:
        return "the labels fit no output of the model, so there is no score"
    return "the evaluation data have no labels, so only the likeness of the outputs is known"


def _quality(facts: Facts) -> Quality | None:
    return facts.measured.quality if facts.measured else None
