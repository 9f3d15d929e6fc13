"""How many times less: a parent's figure over a build's, and when that is more than noise."""

from __future__ import annotations

from typing import Literal

from harness.records import Estimate

SMALLER_BY = 0.01  # less of a gain in bytes or memory is none
SIZE, DOWNLOAD, PACKED, MEMORY, TIME = "size_bytes", "download_bytes", "packed_bytes", "peak_rss_mb", "time"
BYTES = (SIZE, DOWNLOAD, PACKED)
ONLY_TRAIN = ("distill", "qat")  # steps that promise better outputs, and nothing smaller


def gain(parent: Estimate, build: Estimate) -> Estimate:
    """2.0: half as much. An end of the interval comes from opposite ends of the two, so it leaves 1 behind just where
    they do not overlap; it is open where one of them is."""
    return Estimate(
        value=parent.value / build.value,
        low=parent.low / build.high if parent.low is not None and build.high else None,
        high=parent.high / build.low if parent.high is not None and build.low else None,
        confidence=min(parent.confidence, build.confidence),
        samples=min(parent.samples, build.samples),
    )


def exact(before: int, after: int) -> Estimate:
    """Of counts that are known."""
    ratio = before / after
    return Estimate(value=ratio, low=ratio, high=ratio, confidence=1.0)


def of_effect(effect: Estimate) -> Estimate:
    """From a side-by-side comparison: 0.25 (a quarter more time) is a gain of 0.8."""
    return Estimate(
        value=1 / (1 + effect.value),
        low=None if effect.high is None else 1 / (1 + effect.high),
        high=None if effect.low is None else 1 / (1 + effect.low),
        confidence=effect.confidence,
        samples=effect.samples,
    )


def smaller(found: Estimate | None) -> bool:
    return found is not None and found.value > 1 / (1 - SMALLER_BY)


def larger(found: Estimate | None) -> bool:
    return found is not None and found.value < 1 - SMALLER_BY


def lighter(found: Estimate | None) -> bool:
    """Smaller, and beyond the range that restarts of one build have."""
    return smaller(found) and shown(found) == "better"


def heavier(found: Estimate | None) -> bool:
    return larger(found) and shown(found) == "worse"


def shown(found: Estimate | None) -> Literal["better", "worse", ""]:
    """Whether the interval lies wholly on one side of "as before"."""
    if found is None or found.low is None or found.high is None:
        return ""
    return "better" if found.low > 1 else "worse" if found.high < 1 else ""


def improved(change: Estimate | None, higher_is_better: bool) -> Literal["better", "worse", ""]:
    """The same of a difference, such as an accuracy less the parent's."""
    if change is None or change.low is None or change.high is None:
        return ""
    if change.low > 0:
        return "better" if higher_is_better else "worse"
    if change.high < 0:
        return "worse" if higher_is_better else "better"
    return ""
