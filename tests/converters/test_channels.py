"""Whole channels removed: the share of multiply-adds, what is left alone, and what happens to the rest."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torch_pruning")

from torch import nn  # noqa: E402

from converters.compress import channels, dependencies, multiplyadds, refitting, running_statistics, thinning  # noqa: E402
from harness.errors import ConversionError  # noqa: E402
from harness.records import Step  # noqa: E402
from tests.fakes.studios import FakeStudio  # noqa: E402

pytestmark = pytest.mark.runtimes


class Net(nn.Module):
    """A residual around a 1x1 pair with a depthwise layer between, two branches side by side, a flattened head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(32)
        self.expand = nn.Conv2d(32, 64, 1)
        self.depthwise = nn.Conv2d(64, 64, 3, padding=1, groups=64)
        self.project = nn.Conv2d(64, 32, 1)
        self.left, self.right = nn.Conv2d(32, 48, 1), nn.Conv2d(32, 16, 3, padding=1)
        self.merge, self.dense = nn.Conv2d(64, 32, 1), nn.Linear(32 * 4, 64)
        self.head = nn.Linear(64, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.stem(image)))
        x = x + self.project(torch.sigmoid(self.depthwise(torch.relu(self.expand(x)))))
        x = torch.relu(self.merge(torch.cat([torch.relu(self.left(x)), torch.relu(self.right(x))], 1)))
        return self.head(torch.relu(self.dense(nn.functional.avg_pool2d(x, 4).flatten(1))))


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    net = Net()
    with torch.no_grad():
        net(torch.randn(64, 3, 8, 8))  # running statistics of something
    return net.eval()


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(24, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def asked(share: str) -> Step:
    return Step(name="channels", arguments=(share,))


def widths(model: nn.Module) -> dict[str, int]:
    return {name: part.out_channels for name, part in model.named_modules() if isinstance(part, nn.Conv2d)}


def error(model: nn.Module, reference: nn.Module, images: torch.Tensor) -> float:
    with torch.no_grad():
        wanted = reference(images)
        return float((model(images) - wanted).square().sum() / (wanted - wanted.mean()).square().sum())


@pytest.mark.parametrize("share", ["0.3", "0.5"])
def test_the_share_of_multiply_adds_goes_and_the_outputs_keep_their_shape(
    net: Net, images: torch.Tensor, share: str
) -> None:
    studio = FakeStudio(images)
    slim = channels.apply(net, asked(share), studio)
    left = multiplyadds.total(slim, studio.arguments) / multiplyadds.total(net, studio.arguments)
    assert 1 - left == pytest.approx(float(share), abs=0.06) and 1 - left >= float(share) - 1e-9
    assert studio.facts["removed_share"] == pytest.approx(1 - left)
    assert slim(images).shape == (24, 10)
    assert slim.head.out_features == 10


def test_channel_counts_are_what_the_kernels_like(net: Net, images: torch.Tensor) -> None:
    found = widths(channels.apply(net, asked("0.5"), FakeStudio(images)))
    assert found != widths(net)
    assert found["expand"] % 16 == found["left"] % 16 == 0
    assert found["stem"] % 8 == 0 and found["right"] % 4 == 0
    assert found["stem"] == found["project"] and found["expand"] == found["depthwise"], "what belongs together"


def test_the_source_model_stays_as_it_is(net: Net, images: torch.Tensor) -> None:
    before = copy.deepcopy(net.state_dict())
    channels.apply(net, asked("0.3"), FakeStudio(images))
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


def test_the_layer_that_does_nothing_for_the_outputs_goes_first(net: Net, images: torch.Tensor) -> None:
    with torch.no_grad():
        net.project.weight.zero_()
        net.project.weight[:, :16] = 0.3  # of 64 channels, 48 are read by nobody
    slim = channels.apply(net, asked("0.05"), FakeStudio(images))
    assert widths(slim)["expand"] < 64
    assert {k: v for k, v in widths(slim).items() if k not in ("expand", "depthwise")} == {
        k: v for k, v in widths(net).items() if k not in ("expand", "depthwise")
    }
    assert torch.allclose(slim(images), net(images), atol=1e-4)


def test_channels_that_others_can_speak_for_are_lost_without_loss(net: Net, images: torch.Tensor) -> None:
    with torch.no_grad():  # every second channel says the same as the one before it
        for layer in (net.expand, net.depthwise):
            layer.weight[1::2], layer.bias[1::2] = layer.weight[::2], layer.bias[::2]
    group = next(each for each in dependencies.groups(net, (images[:1],)) if each.layer in ("expand", "depthwise"))
    removed = {group.layer: list(range(1, 64, 2))}
    fitted = refitting.refit(net, [group], removed, [(images,)])
    plainly, spoken_for = (thinning.without(each, (images[:1],), removed) for each in (net, fitted))
    assert widths(spoken_for)["expand"] == 32
    assert error(spoken_for, net, images) < 0.01 * error(plainly, net, images)


def test_without_training_data_nothing_is_trained_and_that_is_said(net: Net, images: torch.Tensor) -> None:
    studio = FakeStudio(images)
    channels.apply(net, asked("0.3"), studio)
    assert any("nothing was trained" in note for note in studio.notes)


def test_a_judgement_on_a_few_samples_is_doubted(net: Net, images: torch.Tensor) -> None:
    studio = FakeStudio(images[:2])
    channels.apply(net, asked("0.3"), studio)
    assert any("only 2 samples told" in note for note in studio.notes)


def test_with_training_data_the_thinner_model_is_fine_tuned(net: Net, images: torch.Tensor) -> None:
    seen: list[nn.Module] = []
    studio = FakeStudio(images, train=seen.append)
    slim = channels.apply(net, asked("0.3"), studio)
    assert seen == [slim] and studio.tuned == [("channels", studio.settings.epochs)]
    assert not any("nothing was trained" in note for note in studio.notes)


def test_statistics_of_other_data_are_held_still_while_training(net: Net, images: torch.Tensor) -> None:
    """The net was made for data of another mean: normalizing by the samples' own would change all it computes."""
    with torch.no_grad():
        net.norm.running_mean += 1.0

    def train(model: nn.Module) -> None:
        model(images)
        assert not model.norm.training and model.head.training

    studio = FakeStudio(images, train=train)
    slim = channels.apply(net, asked("0.1"), studio)
    assert studio.facts["statistics"] == "as they were"
    assert slim.norm.train().training, "afterwards it is an ordinary batch norm again"


def test_statistics_are_held_within_a_hold_as_well(net: Net) -> None:
    with running_statistics.held(net), running_statistics.held(net):
        assert not net.train().norm.training
    assert net.train().norm.training


def test_what_the_graph_does_not_tell_is_left_alone_and_named(images: torch.Tensor) -> None:
    class Shuffled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.mixed = nn.Conv2d(3, 64, 1), nn.Conv2d(64, 64, 1)
            self.last, self.head = nn.Conv2d(64, 64, 1), nn.Linear(64, 10)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            x = torch.relu(self.mixed(torch.relu(self.first(image))))
            x = x.reshape(len(x), 2, 32, 8, 8).transpose(1, 2).reshape(len(x), 64, 8, 8)
            return self.head(torch.relu(self.last(x)).mean((2, 3)))

    torch.manual_seed(0)
    model, studio = Shuffled().eval(), FakeStudio(images)
    slim = channels.apply(model, asked("0.3"), studio)
    assert widths(slim)["mixed"] == 64 and widths(slim)["last"] < 64
    assert any("`mixed`" in note for note in studio.notes)


def test_a_graph_that_cannot_be_followed_is_refused_with_the_layer(images: torch.Tensor) -> None:
    class Blind(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Conv2d(3, 64, 1)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                return self.body(image).mean((2, 3))

    with pytest.raises(ConversionError, match="`body`"):
        channels.apply(Blind().eval(), asked("0.3"), FakeStudio(images))


def test_a_program_without_layers_is_refused(images: torch.Tensor) -> None:
    with pytest.raises(ConversionError, match="no convolution"):
        channels.apply(nn.Softmax(1), asked("0.3"), FakeStudio(images))


def test_the_output_layer_is_never_thinned(images: torch.Tensor) -> None:
    with pytest.raises(ConversionError, match=r"`1`: its channels are the model's outputs"):
        channels.apply(nn.Sequential(nn.Flatten(), nn.Linear(192, 64)).eval(), asked("0.3"), FakeStudio(images))


def test_a_share_that_cannot_be_reached_says_how_much_can(net: Net, images: torch.Tensor) -> None:
    with pytest.raises(ConversionError, match=r"at most \d+% of the multiply-adds") as found:
        channels.apply(net, asked("0.99"), FakeStudio(images))
    assert "channels(0." in found.value.remedy


@pytest.mark.parametrize("share", ["0", "1", "1.5", "nan", "-0.3", ""])
def test_a_share_outside_of_0_to_1_is_refused(net: Net, images: torch.Tensor, share: str) -> None:
    with pytest.raises(ConversionError, match="between 0 and 1"):
        channels.apply(net, asked(share), FakeStudio(images))


def test_a_network_of_single_channels_is_refused(images: torch.Tensor) -> None:
    small = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(), nn.Conv2d(2, 1, 1), nn.ReLU(), nn.Conv2d(1, 1, 1)).eval()
    with pytest.raises(ConversionError, match="cannot be reached: at most 0%"):
        channels.apply(small, asked("0.3"), FakeStudio(images))


def test_with_a_floor_it_goes_in_rounds_and_stops_before_the_one_that_falls_below(
    net: Net, images: torch.Tensor
) -> None:
    def score(model: nn.Module) -> float:
        return multiplyadds.total(model, (images[:1],)) / multiplyadds.total(net, (images[:1],))

    studio = FakeStudio(images, train=lambda model: None, score=score, floor=0.65)
    slim = channels.apply(net, asked("0.6"), studio)
    assert 0.65 <= score(slim) < 0.85
    assert "beyond the floor" in studio.stopped and studio.stopped in studio.notes[-1]
    lost = {name: count - widths(slim)[name] for name, count in widths(net).items() if count > widths(slim)[name]}
    told = studio.facts["removed_channels"]
    assert lost == {name: count for name, count in told.items() if name in widths(net)}, "not the refused round's"
    assert [label for label, _ in studio.tuned] == ["channels"] * 2
    assert studio.tuned[0][1] == pytest.approx(studio.settings.epochs / 3)


def test_a_frozen_part_stays_frozen(net: Net, images: torch.Tensor) -> None:
    net.stem.requires_grad_(False)
    slim = channels.apply(net, asked("0.3"), FakeStudio(images))
    assert not slim.stem.weight.requires_grad and slim.expand.weight.requires_grad
