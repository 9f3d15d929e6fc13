"""Batch-norm is folded where nothing else reads what it normalizes, and only there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from converters.compress import folding  # noqa: E402

pytestmark = pytest.mark.runtimes


class Odd(nn.Module):
    """Layers around norms; `forward` is the test's own."""

    def __init__(self, run: Callable) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.norm = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.up, self.second = nn.ConvTranspose2d(8, 6, 2, stride=2), nn.BatchNorm2d(6)
        self.dense, self.third = nn.Linear(6, 5), nn.BatchNorm1d(5)
        self.run = run
        for norm in (self.norm, self.second, self.third):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
            nn.init.normal_(norm.weight)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.run(self, image)


IMAGE = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(1))


def norms(model: nn.Module) -> int:
    return sum(isinstance(part, folding._NORMS) for part in model.modules())


def test_convolutions_transposed_ones_and_dense_layers_are_folded_whatever_forward_does() -> None:
    def run(net: Odd, image: torch.Tensor) -> torch.Tensor:
        features = net.second(net.up(torch.relu(net.norm(net.first(image)))))
        if features.shape[1] == 6:  # tracing would have to give this up
            features = features.mean((2, 3))
        return net.third(net.dense(features))

    net = Odd(run).eval()
    with torch.no_grad():
        net.first.weight[:, :, 0] = 0.0
    folded = folding.fold(net, (IMAGE,))
    assert norms(net) == 3 and norms(folded) == 0
    assert torch.allclose(folded(IMAGE), net(IMAGE), atol=1e-5)
    assert not torch.signbit(folded.first.weight[:, :, 0]).any(), "zeros stay plain zeros"


@pytest.mark.parametrize(
    "run",
    [
        lambda net, image: net.norm(inner := net.first(image)) + inner,
        lambda net, image: (inner := net.first(image), net.norm(inner)),
        lambda net, image: net.norm(net.first(net.norm(net.first(image))[:, :3])),
        lambda net, image: net.norm(torch.relu(net.first(image))),
    ],
    ids=["read twice", "an output too", "run twice", "something between"],
)
def test_a_norm_is_left_where_folding_would_change_another_reader(run: Callable) -> None:
    net = Odd(run).eval()
    folded = folding.fold(net, (IMAGE,))
    assert norms(folded) == 3
    for got, wanted in zip(folded(IMAGE), net(IMAGE), strict=True):
        assert torch.equal(got, wanted)


def test_a_norm_without_statistics_of_its_own_is_left() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, track_running_stats=False)).eval()
    assert norms(folding.fold(net, (IMAGE,))) == 1
