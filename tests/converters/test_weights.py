"""Which tensors are weights, how they lie in the kernels, and that training leaves alone what earlier steps made."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from converters.compress import weights  # noqa: E402

pytestmark = pytest.mark.runtimes


def test_every_kind_of_weight_is_found_once_and_biases_and_norms_are_not() -> None:
    net = nn.ModuleDict(
        {
            "stem": nn.Conv2d(3, 8, 3),
            "norm": nn.BatchNorm2d(8),
            "depthwise": nn.Conv2d(8, 8, 3, groups=8),
            "convolution": nn.Conv1d(8, 8, 3),
            "transposed": nn.ConvTranspose2d(8, 4, 2),
            "dense": nn.Linear(8, 8),
            "recurrent": nn.LSTM(8, 8),
        }
    )
    net["again"] = nn.Linear(8, 8)
    net["again"].weight = net["dense"].weight
    found = weights.of(net)
    assert {weight.name: weight.kind for weight in found} == {
        "stem.weight": "stem",
        "depthwise.weight": "depthwise",
        "convolution.weight": "convolution",
        "transposed.weight": "transposed",
        "dense.weight": "dense",
        "recurrent.weight_ih_l0": "recurrent",
        "recurrent.weight_hh_l0": "recurrent",
    }


@pytest.mark.parametrize(
    ("layer", "rows"),
    [
        (nn.Linear(6, 4), (4, 6)),
        (nn.Conv2d(6, 4, 3), (4, 54)),
        (nn.Conv1d(6, 4, 3), (4, 18)),
        (nn.ConvTranspose2d(6, 4, 3), (4, 54)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_rows_are_output_channels_with_input_channels_side_by_side(layer: nn.Module, rows: tuple[int, int]) -> None:
    (weight,) = weights.of(layer)
    laid = weight.rows()
    assert tuple(laid.shape) == rows
    assert torch.equal(weights.from_rows(laid, weight.parameter, weight.kind), weight.parameter)
    first = weight.parameter[:, 0] if weight.kind == "transposed" else weight.parameter[0]
    place = first.reshape(6, -1)[:, 0]  # the first place of the kernel
    assert torch.equal(laid[0, : weight.inputs], place)


def test_zeros_and_shared_values_survive_training_when_they_are_held() -> None:
    layer = nn.Linear(8, 4)
    with torch.no_grad():
        layer.weight.copy_((layer.weight * 10).round() / 10)
        layer.weight[:, ::2] = 0
    before = layer.weight.detach().clone()
    hold = weights.holder(weights.of(layer), zeros=True, shared=True)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    for step in range(3):
        layer(torch.randn(16, 8, generator=torch.Generator().manual_seed(step))).square().sum().backward()
        optimizer.step()
        hold(step + 1, 3)
    after = layer.weight.detach()
    assert not torch.equal(after, before)
    assert (after[before == 0] == 0).all() and not torch.signbit(after[before == 0]).any()
    for value in before.unique():
        assert len(after[before == value].unique()) == 1
