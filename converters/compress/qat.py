"""`qat`: training with int8 simulated, so that the weights learn to live with the rounding.

The result is a float model whose weights lie on the int8 grid; the ordinary static quantization of either runtime then
finds the very integers that were trained. Zeros and shared values of earlier steps stay. Imports torch: for child
processes only.
"""

from __future__ import annotations

from msgspec.structs import replace
from torch import nn

from converters import recipes
from converters.compress import weights
from converters.compress.simulation import Simulated
from converters.compress.studio import Studio
from harness.errors import ConversionError
from harness.records import Step

_WITHOUT = "add get_training_data() to the model's file, or leave `qat` out: static_wi8_ai8 alone needs none"


def apply(model: nn.Module, step: Step, studio: Studio) -> nn.Module:
    """Raises ConversionError without training data: there is nothing that it could do."""
    if not studio.trainable:
        raise ConversionError("`qat` trains, and the model's file has no get_training_data()", remedy=_WITHOUT)
    earlier = {each.name for each in studio.steps}
    simulated = Simulated(model, per_tensor=recipes.one_scale(studio.steps))
    _find_ranges(simulated, studio)
    before = studio.score(simulated)
    hold = weights.holder(weights.of(model), zeros="prune" in earlier, shared="cluster" in earlier)
    studio.train(simulated, replace(studio.plan("qat"), after_step=hold))
    after = studio.judged = studio.score(simulated)
    rounded = simulated.bake()
    if not rounded:
        raise ConversionError("`qat` found no weights that it could round", remedy="leave the step out")
    _tell(model, rounded, studio)
    studio.record(layers=rounded, ranges=len(simulated.ranges), **_scores(before, after))
    return model


def _find_ranges(simulated: Simulated, studio: Studio) -> None:
    """First ranges from the calibration samples, so that training starts where plain quantization ends."""
    simulated.train()
    simulated.model.eval()  # batch-norm and dropout stay as they are
    for batch in studio.calibration():
        simulated(*batch)
    simulated.eval()


def _tell(model: nn.Module, rounded: int, studio: Studio) -> None:
    left = len(weights.of(model)) - rounded
    if left > 0:
        studio.note(
            f"qat: {left} weight tensors lie inside operators it cannot look into, and were not trained for int8"
        )


def _scores(before: float | None, after: float | None) -> dict[str, float]:
    found = {"simulated_before": before, "simulated_after": after}
    return {name: round(value, 6) for name, value in found.items() if value is not None}
