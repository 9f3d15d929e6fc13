"""Int8 simulated on the converters' own grid, and training with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from converters.compress import folding, qat, simulation  # noqa: E402
from converters.compress.simulation import Simulated  # noqa: E402
from harness.errors import ConversionError  # noqa: E402
from harness.records import Step  # noqa: E402

if TYPE_CHECKING:
    from tests.converters.conftest import Pupil

pytestmark = pytest.mark.runtimes
STEP = Step(name="qat")


@pytest.mark.parametrize("per_tensor", [False, True])
def test_weights_take_at_most_255_steps_and_stay_where_they_are_the_second_time(per_tensor: bool) -> None:
    weight = torch.randn(8, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    weight[0] *= 1000
    once = simulation.round_weight(weight, 0, per_tensor)
    assert torch.equal(simulation.round_weight(once, 0, per_tensor), once)
    scales = once.abs().amax() if per_tensor else once.abs().amax((1, 2, 3), keepdim=True)
    whole = once / (scales / 127)
    assert torch.allclose(whole, whole.round(), atol=1e-3)
    assert (once[0] != 0).any()
    assert bool((once[1:] == 0).all()) == per_tensor, "one scale for all drowns the small channels"


@pytest.mark.parametrize("name", ["multiply", "subtract", "layer_norm", "add", "mean", "cat", "linear", "conv2d"])
def test_operators_of_an_exported_graph_are_known_by_the_functions_that_people_write(name: str) -> None:
    overload = {"mean": "dim", "multiply": "Tensor", "subtract": "Tensor", "add": "Tensor"}.get(name, "default")
    called = simulation._called(getattr(getattr(torch.ops.aten, name), overload))
    assert called in simulation._READERS or called in simulation._LAYERS


def test_a_transposed_convolution_has_its_channels_on_the_other_axis() -> None:
    layer = nn.ConvTranspose2d(2, 3, 2, bias=False)
    with torch.no_grad():
        layer.weight[:, 0] *= 1000
    simulated = Simulated(layer, per_tensor=False)
    simulated(torch.randn(1, 2, 4, 4))
    assert list(simulated.rounded.values()) == [1]


def test_activations_are_rounded_behind_the_activation_function_and_at_the_end() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU6(), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(16, 3))
    simulated = Simulated(net, per_tensor=False).train()
    # Four times the same image: ranges are averages over samples, so that here nothing is cut off.
    image = torch.randn(1, 1, 6, 6, generator=torch.Generator().manual_seed(0)).repeat(4, 1, 1, 1)
    simulated(image)
    assert len(simulated.ranges) == 4, "the image, behind ReLU6, before the dense layer, the outputs"
    assert float(simulated.ranges[1].low) == 0 and float(simulated.ranges[1].high) <= 6
    outputs = simulated.eval()(image)
    assert 1 < len(outputs.unique()) <= 256
    assert torch.allclose(outputs, net(image), atol=0.1)


def test_a_sum_rounds_both_of_its_terms_once() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, values: torch.Tensor) -> torch.Tensor:
            return values + self.layer(values)

    simulated = Simulated(Residual(), per_tensor=False).train()
    simulated(torch.randn(8, 4))
    assert len(simulated.ranges) == 3, "the input, the layer's output and the sum"


def test_training_with_int8_simulated_leaves_a_float_model_on_the_grid(pupil: Pupil, tmp_path: Path) -> None:
    studio = pupil.studio("qat", tmp_path)
    model = folding.fold(pupil.model(), studio.arguments)
    trained = qat.apply(model, STEP, studio)
    assert trained is model and not any(isinstance(part, (Simulated, simulation.Range)) for part in trained.modules())
    for layer in (trained.stem, trained.depthwise, trained.pointwise, trained.head):
        assert torch.equal(simulation.round_weight(layer.weight, 0, False), layer.weight)
    assert studio.judged == studio.facts["simulated_after"] >= studio.facts["simulated_before"]
    assert studio.facts["layers"] == 4 and studio.notes == []


def test_zeros_and_shared_values_of_earlier_steps_survive(pupil: Pupil, tmp_path: Path) -> None:
    studio = pupil.studio("prune(0.5)+cluster(8)+qat", tmp_path)
    model = folding.fold(pupil.model(), studio.arguments)
    with torch.no_grad():
        for layer in (model.pointwise, model.head):
            step = layer.weight.abs().max() / 3
            layer.weight.copy_((layer.weight / step).round() * step + 0.0)
    before = model.head.weight.detach().clone()
    trained = qat.apply(model, STEP, studio)
    assert (trained.head.weight[before == 0] == 0).all()
    assert len(trained.head.weight.unique()) == len(before.unique()) <= 7
    assert not torch.equal(trained.head.weight, before)


def test_without_training_data_it_is_refused(pupil: Pupil, tmp_path: Path) -> None:
    studio = pupil.studio("qat", tmp_path, {"get_training_data": None})
    with pytest.raises(ConversionError, match="no get_training_data") as refused:
        qat.apply(pupil.model(), STEP, studio)
    assert "static_wi8_ai8 alone" in refused.value.remedy


def test_weights_that_it_cannot_see_are_named_by_number(pupil: Pupil, tmp_path: Path) -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.head = nn.LSTM(8, 8, batch_first=True), nn.Linear(8, 4)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.head(self.cell(image[:, 0])[0][:, -1])

    studio = pupil.studio("qat", tmp_path, epochs=0.2)
    qat.apply(Recurrent(), STEP, studio)
    assert any("2 weight tensors lie inside operators" in note for note in studio.notes)
