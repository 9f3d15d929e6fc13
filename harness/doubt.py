"""What one row of the table of doubts is made of, and which metrics a kind stands for."""

from __future__ import annotations

from collections.abc import Callable

from harness.facts import Facts
from harness.metrics import Kind
from harness.records import Record

PATTERNS: dict[Kind, tuple[str, ...]] = {
    "latency": ("latency_ms.*",),
    "on_cpu": ("on_cpu_ms.*",),
    "start": ("first_inference_ms", "load_ms"),
    "sustained": ("sustained_*",),
    "energy": ("energy_mj",),
    "memory": ("peak_rss_mb", "total_peak_rss_mb"),
    "quality": ("cosine", "snr_db", "max_abs_diff", "max_rel_diff", "top1_agreement"),
    "size": ("size_*", "download_*", "packed_*"),
    "delegation": ("delegated_macs_share",),
}
CLOCK: tuple[Kind, ...] = ("latency", "on_cpu", "start")


class Doubt(Record, frozen=True, kw_only=True):
    """One row of the table. seen: what the facts show, "" for nothing. doubts: kinds of metrics, or everything;
    patterns: names of single ones besides.

    everything: the build is not what it seems, so that no gate is passed; what fails on top of that has failed.
    true_within: the true time lies between so many times the measured bounds; a gate on a fixed limit that holds, or
    fails, over all of that stands in spite of the doubt. None: there is no saying how far off a time is.
    """

    summary: str
    advice: str
    seen: Callable[[Facts], str]
    doubts: tuple[Kind, ...] = ()
    patterns: tuple[str, ...] = ()
    everything: bool = False
    true_within: tuple[float, float] | None = None
