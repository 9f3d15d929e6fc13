"""Layers split into thinner ones: what is computed stays, what would not be faster is left alone."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from converters.compress import factors, lowrank, multiplyadds  # noqa: E402
from converters.compress.factors import Rank  # noqa: E402
from harness.errors import ConversionError  # noqa: E402
from harness.records import Step  # noqa: E402
from tests.fakes.studios import FakeStudio  # noqa: E402

pytestmark = pytest.mark.runtimes


class SamePadding(nn.Conv2d):
    """A convolution that pads by itself, as networks from other frameworks do."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return nn.functional.conv2d(nn.functional.pad(image, (1, 1, 1, 1)), self.weight, self.bias, self.stride)


class Net(nn.Module):
    """Every kind of layer that can be split, and some that cannot."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 64, 1)
        self.depthwise = nn.Conv2d(64, 64, 3, padding=1, groups=64)
        self.norm = nn.BatchNorm2d(64)
        self.point = nn.Conv2d(64, 96, 1)
        self.spatial = SamePadding(96, 64, 3, stride=2)
        self.dense, self.head = nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.depthwise(self.stem(image))))
        x = torch.relu(self.spatial(torch.relu(self.point(x))))
        return self.head(torch.relu(self.dense(x.mean((2, 3)))))


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    return Net().eval()


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(24, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def asked(share: str) -> Step:
    return Step(name="lowrank", arguments=(share,))


def thin(layer: nn.Module, rank: int) -> None:
    """Give a layer's weight this rank."""
    with torch.no_grad():
        flat = layer.weight.flatten(1)
        left, values, right = torch.linalg.svd(flat, full_matrices=False)
        layer.weight.copy_(((left[:, :rank] * values[:rank]) @ right[:rank]).reshape(layer.weight.shape))


@pytest.mark.parametrize("layer", [nn.Linear(40, 24), nn.Conv2d(40, 24, 1, stride=2, bias=False)])
def test_at_full_rank_a_split_matrix_computes_the_same(layer: nn.Module) -> None:
    x = torch.randn(5, 40) if isinstance(layer, nn.Linear) else torch.randn(5, 40, 6, 6)
    made = factors.approximations(layer, [Rank(read=24, written=24)], None)[Rank(read=24, written=24)]
    assert torch.allclose(factors.split(layer, made)(x), layer(x), atol=1e-5)
    assert torch.allclose(factors.product(made, layer.weight), layer.weight, atol=1e-5)


@pytest.mark.parametrize("layer", [nn.Conv2d(20, 24, 3, stride=2, padding=1), SamePadding(20, 24, 3)])
def test_at_full_rank_a_split_kernel_computes_the_same(layer: nn.Module) -> None:
    x, rank = torch.randn(2, 20, 9, 9), Rank(read=20, written=24)
    made = factors.approximations(layer, [rank], None)[rank]
    assert torch.allclose(factors.split(layer, made)(x), layer(x), atol=1e-4)


def test_tucker_finds_a_kernel_of_small_rank_exactly() -> None:
    layer, rank = nn.Conv2d(32, 32, 3, padding=1), Rank(read=8, written=6)
    with torch.no_grad():
        core = torch.einsum("op,pqhw,qi->oihw", torch.randn(32, 6), torch.randn(6, 8, 3, 3), torch.randn(8, 32))
        layer.weight.copy_(core)
    made = factors.approximations(layer, [rank], None)[rank]
    assert torch.allclose(factors.product(made, layer.weight), layer.weight, atol=1e-3)


def test_knowing_the_inputs_makes_the_outputs_better_than_the_singular_values_of_the_weight() -> None:
    torch.manual_seed(0)
    layer, x = nn.Linear(64, 64, bias=False), torch.randn(500, 64) * torch.logspace(0, -2, 64)
    rank = Rank(read=16, written=16)

    def error(moment: torch.Tensor | None) -> float:
        made = factors.approximations(layer, [rank], moment)[rank]
        return float((factors.split(layer, made)(x) - layer(x)).detach().square().mean())

    assert error(x.T @ x) < 0.3 * error(None)


def test_the_share_of_what_can_be_split_goes(net: Net, images: torch.Tensor) -> None:
    studio = FakeStudio(images)
    split = lowrank.apply(net, asked("0.5"), studio)
    # There is no rank between those that lead to 0.44 and to 0.65.
    assert 0.5 <= studio.facts["removed_share_of_splittable"] < 0.66 and any("not 50%" in note for note in studio.notes)
    before, after = (multiplyadds.total(model, studio.arguments) for model in (net, split))
    assert studio.facts["removed_share"] == pytest.approx(1 - after / before) and after < 0.7 * before
    assert split(images).shape == (24, 10)


def test_what_would_not_be_faster_and_what_has_no_rank_is_left_alone_with_the_reason(
    net: Net, images: torch.Tensor
) -> None:
    studio = FakeStudio(images)
    split = lowrank.apply(net, asked("0.5"), studio)
    left = dict(entry.split(": ", 1) for entry in studio.facts["left_alone"])
    assert "depthwise" in left["depthwise"]
    assert "faster" in left["stem"] and "faster" in left["head"]
    for name in left:
        assert type(split.get_submodule(name)) is type(net.get_submodule(name)), name


def test_layers_of_small_rank_are_split_without_loss(net: Net, images: torch.Tensor) -> None:
    thin(net.point, 16)
    studio = FakeStudio(images)
    split = lowrank.apply(net, asked("0.05"), studio)
    assert studio.facts["ranks"] == {"point": 16.0} or "point" in studio.facts["ranks"]
    with torch.no_grad():
        assert torch.allclose(split(images), net(images), atol=0.02 * float(net(images).abs().max()))


def test_a_layer_whose_class_does_more_than_its_weight_says_is_left_alone(images: torch.Tensor) -> None:
    class Scaled(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.linear(x, self.weight / self.weight.norm(), self.bias)

    model = nn.Sequential(nn.Flatten(), Scaled(192, 128), nn.ReLU(), nn.Linear(128, 128), nn.Linear(128, 10)).eval()
    studio = FakeStudio(images)
    split = lowrank.apply(model, asked("0.7"), studio)
    assert isinstance(split[1], Scaled) and isinstance(split[3], nn.Sequential)
    assert any(entry.startswith("1: its class does more") for entry in studio.facts["left_alone"])


def test_a_shared_weight_is_left_alone(images: torch.Tensor) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 192), nn.ReLU(), nn.Linear(192, 192), nn.Linear(192, 128)).eval()
    model[3].weight = model[1].weight
    studio = FakeStudio(images)
    lowrank.apply(model, asked("0.5"), studio)
    assert set(studio.facts["ranks"]) == {"4"}
    assert any("shared" in entry for entry in studio.facts["left_alone"])


def test_a_network_too_small_to_gain_is_refused(images: torch.Tensor) -> None:
    small = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 16, 3), nn.Flatten(), nn.Linear(256, 10)).eval()
    with pytest.raises(ConversionError, match=r"no layer can be split with profit.*`0`"):
        lowrank.apply(small, asked("0.5"), FakeStudio(images))


@pytest.mark.parametrize("share", ["0", "1", "2", ""])
def test_a_share_outside_of_0_to_1_is_refused(net: Net, images: torch.Tensor, share: str) -> None:
    with pytest.raises(ConversionError, match="between 0 and 1"):
        lowrank.apply(net, asked(share), FakeStudio(images))


def test_with_a_floor_it_retreats_until_the_quality_holds_and_says_so(net: Net, images: torch.Tensor) -> None:
    whole = multiplyadds.total(net, (images[:1],))
    studio = FakeStudio(
        images,
        train=lambda model: None,
        score=lambda model: multiplyadds.total(model, (images[:1],)) / whole,
        floor=0.55,
    )
    split = lowrank.apply(net, asked("0.8"), studio)
    assert multiplyadds.total(split, (images[:1],)) >= 0.55 * whole
    assert len(studio.tuned) > 1
    assert studio.stopped and any(studio.stopped in note for note in studio.notes)


def test_both_halves_are_of_the_same_size() -> None:
    """A small and a large factor would each lose half of its bits in int8."""
    layer, rank = nn.Linear(64, 64), Rank(read=32, written=32)
    first, last = factors.approximations(layer, [rank], None)[rank]
    assert float(first.norm() / last.norm()) == pytest.approx(1, rel=1e-4)
