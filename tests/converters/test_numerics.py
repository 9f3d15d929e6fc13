"""Which differences between a build and its model mean that it is broken."""

from __future__ import annotations

import numpy as np
import pytest

from converters import numerics
from harness.errors import ConversionError

SCORES = np.array([[0.0, 1.0, 10.0], [5.0, 4.9, 0.0]])


def _difference(noise: float, *, scores: np.ndarray = SCORES) -> numerics.Difference:
    off = scores.copy()
    off[0, 0] += noise
    return numerics.compare([[off]], [[scores]])


def test_the_difference_is_relative_to_the_largest_output() -> None:
    assert _difference(0.5).relative == pytest.approx(0.05)
    assert _difference(0.5, scores=SCORES * 1000).relative == pytest.approx(0.00005)


def test_a_float_build_must_be_all_but_equal() -> None:
    assert numerics.judge(_difference(1e-5), "float") == ()
    (warning,) = numerics.judge(_difference(0.05), "float")
    assert "differ from the source model by 0.005" in warning


@pytest.mark.parametrize(("noise", "sound"), [(0.1, True), (0.9, True), (1.5, False)])
def test_lowering_a_quantized_model_may_cost_a_tenth_while_the_classes_agree(noise: float, sound: bool) -> None:
    warnings = numerics.judge(_difference(noise), "same-variant")
    assert (warnings == ()) == sound
    assert all("its own eager model" in warning for warning in warnings)


def test_other_classes_lower_the_limit_and_are_counted() -> None:
    off = SCORES.copy()
    off[1, 1] += 0.3
    difference = numerics.compare([[off]], [[SCORES]])
    assert difference.agreement == 0.5
    assert numerics.judge(difference, "quantized") == ()
    (warning,) = numerics.judge(difference, "same-variant")
    assert "top-1 agrees on 1 of 2" in warning


def test_wrong_numbers_are_seen_in_outputs_that_are_no_classes() -> None:
    wanted = np.random.default_rng(0).normal(size=(1, 8, 8, 2))
    difference = numerics.compare([[-wanted]], [[wanted]])
    assert difference.agreement is None
    assert numerics.judge(difference, "quantized")


def test_outputs_near_zero_do_not_pass_by_being_small() -> None:
    assert numerics.judge(numerics.compare([[SCORES * 0]], [[SCORES * 1e-6]]), "float")


def test_nan_from_the_build_is_an_error_of_its_own() -> None:
    with pytest.raises(ConversionError, match="NaN or Inf for sample 0"):
        _difference(np.nan)


def test_outputs_of_another_shape_are_an_error() -> None:
    with pytest.raises(ConversionError, match="outputs are"):
        numerics.compare([[SCORES[:1]]], [[SCORES]])
    with pytest.raises(ConversionError, match="outputs are"):
        numerics.compare([[SCORES, SCORES]], [[SCORES]])
