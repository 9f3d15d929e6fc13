"""A build of `channels` and `lowrank`: what its name promises, read from the file that the real converter wrote."""

from __future__ import annotations

import pytest

pytest.importorskip("torch_pruning")

import converters
from converters import recipes
from harness.records import ModelSource, Variant

pytestmark = pytest.mark.runtimes
MODEL = """
import torch
from torch import nn


class Wide(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 32, 3, stride=2, padding=1)
        self.point = nn.Conv2d(32, 128, 1)
        self.deep = nn.Conv2d(128, 128, 1)
        self.head = nn.Linear(128, 10)

    def forward(self, image):
        image = torch.relu(self.point(torch.relu(self.stem(image))))
        return self.head(torch.relu(self.deep(image)).mean((2, 3)))


def get_model():
    return Wide().eval()


def get_args():
    return (torch.zeros(1, 3, 16, 16),)


def get_calibration_data():
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(1, 3, 16, 16, generator=generator) for _ in range(16)]
"""
STEM, POINT, DEEP, HEAD = 3 * 32 * 9, 32 * 128, 128 * 128, 128 * 10
MACS = 64 * (STEM + POINT + DEEP) + HEAD


@pytest.fixture(scope="module")
def variant(tmp_path_factory: pytest.TempPathFactory) -> Variant:
    folder = tmp_path_factory.mktemp("wide")
    (folder / "model.py").write_text(MODEL)
    workshop = converters.Workshop(cache=str(folder / "cache"), logs=str(folder / "logs"))
    source = ModelSource(source="model.py", calibration_samples=16, evaluation_samples=4)
    prepared = converters.prepare(source, root=folder, workshop=workshop)
    recipe = recipes.parse("channels(0.3)+lowrank(0.5)+static_wi8_ai8")
    return converters.convert(prepared, "tflite", recipe, workshop=workshop)


def test_the_file_has_the_layers_that_are_left_with_the_channels_and_ranks_that_are_left(variant: Variant) -> None:
    assert variant.failure is None and variant.contents is not None
    lost = variant.history[0].facts["removed_channels"]
    (name, rank), *others = variant.history[1].facts["ranks"].items()
    assert name == "deep" and not others
    stem, point, deep = (width - lost.get(layer, 0) for layer, width in (("stem", 32), ("point", 128), ("deep", 128)))
    assert min(point, deep) < 128 and 16 <= rank < min(point, deep)
    wanted = [27 * stem, stem * point, point * rank, rank * deep, deep * 10]
    assert sorted(weight.elements for weight in variant.contents.weights if weight.macs) == sorted(wanted)
    assert set(variant.contents.weight_elements) == {"int8"}


def test_the_multiply_adds_that_were_asked_for_are_gone_from_the_file(variant: Variant) -> None:
    channels, lowrank = (result.facts for result in variant.history)
    assert channels["multiplyadds_before"] == MACS
    assert 0.25 <= 1 - channels["multiplyadds_after"] / MACS <= 0.35
    assert variant.contents is not None and variant.contents.macs == lowrank["multiplyadds_after"]
    assert variant.contents.macs < 0.9 * channels["multiplyadds_after"]


def test_the_build_says_what_was_not_trained_and_which_split_layer_costs_time_in_int8(variant: Variant) -> None:
    said = "\n".join(variant.warnings)
    assert "channels: nothing was trained" in said and "lowrank: nothing was trained" in said
    assert "lowrank(0.5): 1 of 1 split layers (`deep`) are faster in float, but slower in int8 kernels" in said
