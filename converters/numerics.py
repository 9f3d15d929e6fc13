"""Whether a finished file computes what its model computes: run once, next to the source model.

This finds builds that are broken (wrong kernels, wrong scales); how good a working build is, is measured later on all
evaluation samples. Differences are relative to the largest output, since untrained networks give outputs near zero,
where any absolute limit would pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from converters import engines, samples
from converters.samples import Arrays
from harness.errors import ConversionError
from harness.records import Record, TensorSpec

SAMPLES = 8
SOURCE, COMPRESSED = "the source model", "the compressed float model"
Kind = Literal["float", "same-variant", "quantized"]


class Limit(Record, frozen=True, kw_only=True):
    """Below `relative` all is well; up to `relative_if_agreeing` when the top-1 classes agree."""

    relative: float
    relative_if_agreeing: float
    agreement: float = 0.95


# float: against the float source. same-variant: against eager of the same quantized or half-precision model, so that
# only the lowering differs. quantized: against the float source; seen on sound builds: int8 0.01 to 0.3, on broken
# ones above 1 (wrong kernels) or around 1 (noise).
LIMITS: dict[Kind, Limit] = {
    "float": Limit(relative=1e-4, relative_if_agreeing=1e-3),
    "same-variant": Limit(relative=0.02, relative_if_agreeing=0.1),
    "quantized": Limit(relative=0.1, relative_if_agreeing=0.5),
}


class Difference(Record, frozen=True, kw_only=True):
    """relative: largest difference over the largest output; agreement: share of equal top-1 classes, or None."""

    relative: float
    agreement: float | None
    rows: int


def check(
    path: Path, inputs: Sequence[Arrays], expected: Sequence[Arrays], kind: Kind, whose: str = SOURCE
) -> tuple[str, ...]:
    """Load and run the file on the inputs; warnings, empty when it is sound. Raises ConversionError when it cannot run.

    inputs, expected: per sample the arrays of all inputs, of all outputs. whose: what gave the latter.
    """
    engine = engines.open_build(path)
    if len(engine.inputs) != len(inputs[0]):
        raise ConversionError(
            f"the file has {len(engine.inputs)} inputs, the model {len(inputs[0])}",
            remedy="remove inputs that the model does not use from get_args()",
        )
    got = [_real(engine.run(arrays), engine.outputs) for arrays in inputs]
    return judge(compare(got, expected), kind, whose)


def compare(got: Sequence[Arrays], expected: Sequence[Arrays]) -> Difference:
    """The worst difference over all samples and outputs. Raises ConversionError for other shapes, or NaN."""
    worst = largest = 0.0
    same = rows = 0
    for index, (outputs, wanted) in enumerate(zip(got, expected, strict=True)):
        _check_shapes(outputs, wanted)
        for output, reference in zip(outputs, wanted, strict=True):
            left, right = output.astype(np.float64), reference.astype(np.float64)
            if not np.isfinite(left).all():
                raise ConversionError(
                    f"the build gives NaN or Inf for sample {index}, the model itself does not",
                    remedy="try another recipe; 16-bit floats overflow above 65504",
                )
            worst = max(worst, float(np.abs(left - right).max(initial=0)))
            largest = max(largest, float(np.abs(right).max(initial=0)))
        if _classes(wanted[0]):
            same += int((outputs[0].argmax(-1) == wanted[0].argmax(-1)).sum())
            rows += wanted[0].shape[0]
    return Difference(relative=worst / max(largest, 1e-9), agreement=same / rows if rows else None, rows=rows)


def judge(difference: Difference, kind: Kind, whose: str = SOURCE) -> tuple[str, ...]:
    """One line of warning when the difference is beyond what this kind of build may have."""
    limit = LIMITS[kind]
    agrees = difference.agreement is None or difference.agreement >= limit.agreement
    if difference.relative < (limit.relative_if_agreeing if agrees else limit.relative):
        return ()
    where = "its own eager model" if kind == "same-variant" else whose
    classes = ""
    if difference.agreement is not None:
        classes = f"; top-1 agrees on {round(difference.agreement * difference.rows)} of {difference.rows}"
    return (f"outputs differ from {where} by {difference.relative:.2g} of the largest output{classes}",)


def of_prepared(prepared: Path, shaped: str = "") -> tuple[list[Arrays], list[Arrays]]:
    """The first evaluation samples, and what the source model, or the compressed one in `shaped`, makes of them."""
    reference = (Path(shaped) if shaped else prepared) / "reference"
    return samples.read(prepared / "evaluation", "input", SAMPLES), samples.read(reference, "output", SAMPLES)


def _real(outputs: Arrays, specs: Sequence[TensorSpec]) -> Arrays:
    """What the integers of quantized outputs stand for; others as they are."""
    return [
        array if spec.scale is None else ((array.astype(np.float64) - (spec.zero_point or 0)) * spec.scale)
        for array, spec in zip(outputs, specs, strict=True)
    ]


def _check_shapes(outputs: Arrays, wanted: Arrays) -> None:
    shapes, expected = [output.shape for output in outputs], [reference.shape for reference in wanted]
    if shapes != expected:
        raise ConversionError(
            f"the build's outputs are {shapes}, the model's {expected}", remedy="return tensors only from the model"
        )


def _classes(output: np.ndarray) -> bool:
    return output.ndim == 2 and output.shape[1] > 1 and output.dtype.kind == "f"
