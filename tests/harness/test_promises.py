"""harness/promises.py: what a recipe's name promises, held against what the file holds."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from harness.promises import Held, Kept, kept, prunable
from harness.records import WeightTensor
from tests.fakes import judged


def tensor(**changes: Any) -> WeightTensor:
    fields = {"name": "w", "operator": "CONV_2D", "shape": (8, 1, 1, 16), "dtype": "float32", "elements": 128}
    return WeightTensor(**{**fields, "zeros": 0, "distinct": 128, "macs": 1000, **changes})


def only(recipe: str, *weights: WeightTensor, **held: Any) -> Kept:
    (found,) = kept(recipe, Held(contents=judged.contents(weights=weights, **held)))
    return found


def thinned(recipe: str, *, macs: int, weights: int) -> Kept:
    plain = judged.contents(macs=1000, weight_elements={"float32": 100})
    now = judged.contents(macs=macs, weight_elements={"float32": weights})
    (found,) = kept(recipe, Held(contents=now, uncompressed=plain))
    return found


@pytest.mark.parametrize(("zeros", "whole"), [(100, True), (80, False)])
def test_zeros_count_over_all_layers_that_can_be_pruned(zeros: int, whole: bool) -> None:
    found = only("prune(0.8)+fp32", tensor(zeros=zeros), tensor(zeros=105))
    assert (found.share == 1.0) is whole


def test_a_layer_that_was_left_dense_is_named() -> None:
    found = only("prune(0.8)+fp32", tensor(zeros=125), tensor(name="stem"))
    assert found.share == pytest.approx(125 / 256 / 0.8)
    assert found.words == "49 % of the weights are zero, 80 % were asked for; left dense: CONV_2D stem"


def test_depthwise_weights_and_tables_are_not_what_is_pruned() -> None:
    depthwise = tensor(operator="XNNDepthwiseConv2d"), tensor(operator="aten::convolution.out", shape=(8, 1, 3, 3))
    stem = tensor(shape=(8, 3, 3, 3))
    held = judged.contents(weights=(tensor(), *depthwise, stem, tensor(operator="GATHER", macs=0), tensor(elements=9)))
    assert prunable(held) == (tensor(),)
    assert prunable(held, stem=True) == (tensor(), stem)


def test_two_of_four_must_hold_in_every_group() -> None:
    good = tensor(zeros=64, groups={4: (0, 0, 32, 0, 0)})
    assert only("prune(2:4)+fp32", good).share == 1.0
    bad = tensor(name="late", zeros=64, groups={4: (1, 0, 30, 1, 0)})
    found = only("prune(2:4)+fp32", good, bad)
    assert found.share == 0.5 and "in CONV_2D late 1 groups have more non-zeros" in found.words


def test_blocks_are_zero_as_a_whole_but_for_one_that_keeps_a_channel_alive() -> None:
    whole = tensor(zeros=100, groups={4: (24, 7, 0, 0, 1)})
    torn = tensor(zeros=100, groups={4: (20, 4, 4, 4, 0)})
    assert only("prune(0.8,1x4)+fp32", whole).share == 1.0
    assert only("prune(0.8,1x4)+fp32", torn).words == "in CONV_2D w 12 blocks of 4 are zero in part only"
    assert only("prune(0.8)+fp32", torn).share == 1.0
    assert only("prune(0.8,1x4)+static_wi8_ai8", msgspec.structs.replace(torn, dtype="int8")).share == 1.0


def test_layers_that_four_does_not_divide_are_not_asked() -> None:
    assert kept("prune(2:4)+fp32", Held(contents=judged.contents(weights=(tensor(shape=(8, 1, 1, 15)),)))) == ()


def test_every_tensor_must_have_as_few_values_as_clusters() -> None:
    assert only("cluster(16)+fp32", tensor(distinct=16), tensor(distinct=12)).share == 1.0
    found = only("cluster(16)+fp32", tensor(distinct=16), tensor(name="head", distinct=40))
    assert found.share == 0.5 and found.words.endswith("CONV_2D head has 40")


def test_a_tensor_smaller_than_its_clusters_is_not_asked() -> None:
    assert only("cluster(16)+fp32", tensor(distinct=16), tensor(elements=31, distinct=31)).share == 1.0


def test_a_codebook_for_each_channel_is_counted_by_channel() -> None:
    own = tensor(shape=(4, 1, 1, 32), distinct=60, distinct_per_channel=16)
    assert only("cluster(16,channel)+fp32", own).share == 1.0
    assert only("cluster(16)+fp32", own).share == 0.0


@pytest.mark.parametrize(("macs", "share"), [(700, 1.0), (740, 1.0), (850, 0.5), (1000, 0.0)])
def test_channels_remove_the_share_of_multiply_adds_that_they_name(macs: int, share: float) -> None:
    assert thinned("channels(0.3)+fp32", macs=macs, weights=80).share == pytest.approx(share)


def test_low_rank_means_fewer_weights_and_fewer_multiply_adds() -> None:
    assert thinned("lowrank(0.5)+fp32", macs=900, weights=90).share == 1.0
    assert thinned("lowrank(0.5)+fp32", macs=1100, weights=90).share == 0.0


def test_each_step_of_a_recipe_is_asked_and_training_steps_promise_nothing_here() -> None:
    weights = (tensor(zeros=100, distinct=16),)
    found = kept(
        "distill(t.py)+prune(0.7)+cluster(16)+qat+static_wi8_ai8", Held(contents=judged.contents(weights=weights))
    )
    assert [(one.step, one.share) for one in found] == [("prune", 1.0), ("cluster", 1.0)]


def test_without_an_uncompressed_file_fewer_multiply_adds_cannot_be_told() -> None:
    assert kept("channels(0.3)+fp32", Held(contents=judged.contents(macs=10))) == ()
