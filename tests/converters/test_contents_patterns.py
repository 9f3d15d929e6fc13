"""converters/contents/patterns.py: what 2:4 and values shared per channel look like from the file's bytes."""

from __future__ import annotations

import numpy as np
import pytest

from converters.contents.patterns import distinct_per_channel, groups
from converters.contents.stored import Stored, Use, weight_tensor

CONV, PLANAR = "CONV_2D", "aten::convolution.out"


def test_two_of_four_shows_as_no_group_with_three_or_four_non_zeros() -> None:
    kept = np.tile([True, False, True, False], 6)
    assert groups(kept, (3, 8), CONV)[4] == (0, 0, 6, 0, 0)
    kept[1] = True
    assert groups(kept, (3, 8), CONV)[4] == (0, 0, 5, 1, 0)


def test_groups_run_along_the_input_channels_wherever_the_layout_has_them() -> None:
    along_inputs = np.zeros((2, 4, 3, 3), bool)  # [out, in, height, width]
    along_inputs[:, :2] = True
    assert groups(along_inputs.reshape(-1), along_inputs.shape, PLANAR) == {2: (18, 0, 18), 4: (0, 0, 18, 0, 0)}
    moved = np.moveaxis(along_inputs, 1, -1)
    assert groups(moved.reshape(-1), moved.shape, CONV) == groups(along_inputs.reshape(-1), (2, 4, 3, 3), PLANAR)


def test_a_size_that_does_not_divide_the_channels_is_left_out() -> None:
    assert list(groups(np.zeros(36, bool), (6, 6), CONV)) == [2]


@pytest.mark.parametrize("shape", [(1, 3, 3, 8), (72,)])
def test_weights_without_input_channels_have_no_groups(shape: tuple[int, ...]) -> None:
    assert groups(np.zeros(72, bool), shape, "DEPTHWISE_CONV_2D") == {}


def test_a_tensor_with_few_zeros_is_not_looked_at() -> None:
    assert groups(np.arange(64) % 8 > 0, (8, 8), CONV) == {}


def test_values_shared_by_a_channel_are_counted_by_channel() -> None:
    values = np.array([[1, 1, 2], [3, 4, 3], [5, 5, 5]], np.float32)
    assert distinct_per_channel(values.reshape(-1), (3, 3)) == 2
    assert distinct_per_channel(values.reshape(-1), (1, 3, 3)) == 3  # depthwise: channels last
    assert distinct_per_channel(values.reshape(-1), (9,)) == 5


def test_a_stored_weight_tells_its_patterns_by_its_zero_point() -> None:
    codes = np.array([[7, 7, 1, 2], [3, 7, 7, 4]], np.int8)
    found = weight_tensor(Stored("w", (2, 4), "int8", memoryview(codes.tobytes()), zero_point=7), Use(CONV))
    assert (found.zeros, found.distinct, found.distinct_per_channel) == (4, 5, 3)
    assert found.groups[4] == (0, 0, 2, 0, 0)


def test_a_sparse_tensor_counts_the_zero_that_is_not_stored_and_has_no_groups() -> None:
    kept = np.array([1.0, 2.0], np.float32)
    found = weight_tensor(Stored("w", (2, 4), "float32", memoryview(kept.tobytes()), sparse=True), Use(CONV))
    assert (found.zeros, found.distinct, found.distinct_per_channel, found.groups) == (6, 3, 3, {})
