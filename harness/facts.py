"""Everything a doubt can be drawn from: one build, what was measured, and the baseline it is held against."""

from __future__ import annotations

from harness.records import Benefit, Contents, Estimate, Experiment, Measurement, Model, Record, Variant


class Facts(Record, frozen=True, kw_only=True):
    """One build of one experiment. baseline: id of the build it is compared with, "" for the baseline itself or where
    there is none; baseline_metrics: empty likewise. benefit: what it gained over its parent (see harness/benefit.py);
    parent_sha256: of that build's file, "" without one; uncompressed: what such a file of this runtime holds."""

    experiment: Experiment
    model: Model
    variant: Variant
    measurement: Measurement | None = None
    metrics: dict[str, Estimate] = {}
    baseline: str = ""
    baseline_metrics: dict[str, Estimate] = {}
    benefit: Benefit | None = None
    parent_sha256: str = ""
    uncompressed: Contents | None = None

    @property
    def measured(self) -> Measurement | None:
        """The measurement, where it has timed calls and did not fail."""
        found = self.measurement
        return found if found and found.failure is None and found.restarts else None
