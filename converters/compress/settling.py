"""What follows when layers became thinner: fine-tuning, with the batch norms' statistics as they serve best.

Imports torch: for child processes only.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from torch import nn

from converters.compress import running_statistics
from converters.compress.multiplyadds import Tensors
from converters.compress.sampling import rows_of
from converters.compress.studio import Studio

FEW = 8  # samples; what hangs on a channel shows on many inputs, or not at all


@dataclass(frozen=True)
class Settling:
    """label: the step's name. batches: calibration samples. epochs: None for the experiment's."""

    label: str
    batches: Sequence[Tensors]
    epochs: float | None = None


def settled(thin: nn.Module, before: nn.Module, how: Settling, studio: Studio) -> nn.Module:
    """Fine-tuned; the statistics follow only where that brings the outputs nearer to those of `before`."""
    thin, follows = running_statistics.renewed(thin, before, how.batches)
    with nullcontext() if follows else running_statistics.held(thin):
        tuned = studio.tune(thin, label=how.label, epochs=how.epochs)
    studio.record(statistics="measured anew" if follows else "as they were")
    rows = sum(map(rows_of, how.batches))
    if rows < FEW:
        studio.note(f"{how.label}: only {rows} samples told what may go; add get_calibration_data()")
    if not tuned:
        studio.note(
            f"{how.label}: nothing was trained, there is no training data; layers were only fitted on {rows} samples"
        )
    return thin
