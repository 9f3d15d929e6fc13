"""The tidied Keras graph in torch's own layers: the same numbers, now with parameters, names and any batch."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as f

from converters import bridge
from converters.bridge import layers

pytestmark = pytest.mark.runtimes

KERNEL = torch.linspace(-1, 1, 3 * 3 * 4 * 6).reshape(3, 3, 4, 6)  # HWIO, as Keras keeps it
DEPTHWISE = torch.linspace(-1, 1, 3 * 3 * 6).reshape(6, 1, 3, 3)
DENSE = torch.linspace(-0.01, 0.01, 6 * 6 * 6 * 5).reshape(6 * 6 * 6, 5)
SQUARE = torch.linspace(-1, 1, 16).reshape(4, 4)
MEAN, VARIANCE = torch.linspace(-1, 1, 6), torch.linspace(0.5, 2, 6)
SCALE, OFFSET = torch.linspace(2, 1, 6), torch.linspace(1, -1, 6)
WIDER = torch.linspace(-1, 1, 24).reshape(4, 6)
ONES = torch.ones(1, 2, 2)
BIAS = {size: torch.arange(float(size)) for size in (3, 4, 6)}


class Net(nn.Module):
    def __init__(self, forward: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self._forward = forward

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._forward(x)


def conv(x: torch.Tensor) -> torch.Tensor:
    """NHWC in and out, the way Keras's torch backend writes a convolution."""
    return f.conv2d(x.permute(0, 3, 1, 2), KERNEL.permute(3, 2, 0, 1), padding=1).permute(0, 2, 3, 1)


def norm(x: torch.Tensor) -> torch.Tensor:
    """The way Keras's torch backend writes it, over the last axis."""
    mean, variance, offset = (each.view([1] * (x.ndim - 1) + [6]) for each in (MEAN, VARIANCE, OFFSET))
    return (x.subtract(mean)) * (torch.rsqrt(variance + 0.001) * SCALE) + offset


def layered(forward: Callable[..., torch.Tensor], shape: tuple[int, ...]) -> torch.fx.GraphModule:
    x = torch.linspace(-1, 1, int(torch.tensor(shape).prod())).reshape(shape)
    exported = torch.export.export(Net(forward), (x,)).run_decompositions({}).module()
    paths = {
        VARIANCE: "net/bn/moving_variance",
        KERNEL: "net/first/kernel",
        DENSE: "net/inner/top 1/kernel",
        SQUARE: "net/attention/query_kernel",
    }
    layers.name_after(exported, {tensor.data_ptr(): path for tensor, path in paths.items()})
    found = layers.layered(bridge.tidy(exported, (x,), keep_norms=True), (x,))
    torch.testing.assert_close(found(x), forward(x), rtol=1e-5, atol=1e-5)
    return found


def classifier(x: torch.Tensor) -> torch.Tensor:
    return torch.matmul(torch.relu(conv(x) + BIAS[6]).flatten(1), DENSE)


def test_weights_are_parameters_of_layers_that_have_the_names_they_have_in_keras() -> None:
    found = layered(classifier, (1, 6, 6, 4))
    kinds = [(name, type(layer)) for name, layer in found.named_children()]
    assert kinds == [("first", nn.Conv2d), ("top_1", nn.Linear)]
    assert sum(parameter.numel() for parameter in found.parameters()) == KERNEL.numel() + 6 + DENSE.numel()
    assert not list(found.buffers())
    found(torch.ones(1, 6, 6, 4)).sum().backward()
    assert all(bool(parameter.grad.abs().sum()) for parameter in found.parameters())


def test_a_graph_that_was_exported_for_one_sample_takes_many() -> None:
    found, many = layered(classifier, (1, 6, 6, 4)), torch.randn(7, 6, 6, 4)
    torch.testing.assert_close(found(many), classifier(many))


def test_samples_that_have_to_do_with_each_other_stay_as_many_as_they_were() -> None:
    found = layered(lambda x: torch.matmul(x.reshape(1, 8), torch.cat([SQUARE, SQUARE])).reshape(2, 2), (2, 4))
    with pytest.raises(RuntimeError):
        found(torch.ones(3, 4))


def test_samples_that_only_share_their_largest_value_do_not_come_in_batches() -> None:
    exported = torch.export.export(Net(lambda x: (x / x.max()).reshape(1, 4)), (torch.ones(1, 2, 2),))
    found = layers.layered(bridge.tidy(exported.run_decompositions({}).module(), (torch.ones(1, 2, 2),)), (ONES,))
    with pytest.raises(RuntimeError):
        found(torch.ones(3, 2, 2))


def test_outputs_that_are_no_numbers_can_be_layered() -> None:
    found = layered(lambda x: torch.matmul(x, SQUARE) > 0, (1, 4))
    assert found(torch.ones(3, 4)).dtype is torch.bool


def test_an_inner_model_gives_its_name_where_an_outer_layer_has_the_short_one() -> None:
    paths = ["net/fc_1/kernel", "net/a/fc/kernel", "net/b/fc/kernel", "net/b/fc_1/kernel", "net/attention/query_kernel"]
    assert layers._names(paths) == {
        "net/attention/query_kernel": "attention_query",
        "net/fc_1/kernel": "fc_1",
        "net/a/fc/kernel": "fc",
        "net/b/fc/kernel": "b_fc",
        "net/b/fc_1/kernel": "b_fc_1",
    }


def test_weights_that_nothing_can_train_are_counted() -> None:
    assert layers.left_over(layered(lambda x: torch.matmul(x * BIAS[4], SQUARE), (2, 4))) == (16, 4)


def test_a_norm_behind_a_dense_layer_of_a_sequence_goes_into_its_weights() -> None:
    (layer,) = layered(lambda x: norm(torch.matmul(x, WIDER)), (1, 5, 4)).children()
    assert isinstance(layer, nn.Linear)


def test_a_layer_that_is_called_twice_is_one_layer_unless_other_numbers_went_into_it() -> None:
    same = layered(lambda x: torch.matmul(torch.relu(torch.matmul(x, SQUARE)), SQUARE), (1, 4))
    assert [name for name, _ in same.named_children()] == ["attention_query"]
    other = layered(lambda x: torch.matmul(torch.relu(torch.matmul(x, SQUARE)), SQUARE) + 1, (1, 4))
    assert [name for name, _ in other.named_children()] == ["attention_query", "attention_query_1"]


@pytest.mark.parametrize(
    ("forward", "shape", "kind"),
    [
        (lambda x: f.conv2d(x, DEPTHWISE, stride=2, padding="valid", groups=6), (1, 6, 9, 9), nn.Conv2d),
        (lambda x: f.conv2d(x, DEPTHWISE, padding="same", dilation=2, groups=6), (1, 6, 9, 9), nn.Conv2d),
        (lambda x: f.conv1d(x, DEPTHWISE[..., 0], stride=2, padding=1, groups=6), (1, 6, 9), nn.Conv1d),
        (
            lambda x: f.conv_transpose2d(x, DEPTHWISE, BIAS[3], 2, 1, output_padding=1, groups=3),
            (1, 6, 5, 5),
            nn.ConvTranspose2d,
        ),
        (lambda x: f.linear(x, SQUARE, BIAS[4]), (1, 3, 4), nn.Linear),
    ],
)
def test_every_setting_of_a_layer_goes_over(
    forward: Callable[..., torch.Tensor], shape: tuple[int, ...], kind: type
) -> None:
    (layer,) = layered(forward, shape).children()
    assert type(layer) is kind


def test_layers_that_are_alike_by_chance_stay_two() -> None:
    twin = SQUARE.clone()
    found = layered(lambda x: torch.matmul(torch.relu(torch.matmul(x, SQUARE)), twin), (1, 4))
    assert [name for name, _ in found.named_children()] == ["attention_query", "layer"]
    nameless = layered(lambda x: torch.matmul(torch.relu(torch.matmul(x, twin)), twin), (1, 4))
    assert [name for name, _ in nameless.named_children()] == ["layer", "layer_1"]


def test_a_norm_stays_a_norm_whose_statistics_follow_the_training() -> None:
    found = layered(lambda x: torch.matmul(torch.relu(norm(conv(x))).flatten(1), DENSE), (1, 6, 6, 4))
    assert [name for name, _ in found.named_children()] == ["first", "bn", "top_1"]
    assert isinstance(found.bn, nn.BatchNorm2d)
    assert torch.equal(found.bn.running_mean, MEAN) and torch.equal(found.bn.running_var, VARIANCE)
    assert [str(node.target) for node in found.graph.nodes].count("aten.permute.default") == 1
    many = torch.randn(8, 6, 6, 4)
    torch.testing.assert_close(found(many)[3:4], found(many[3:4]), rtol=1e-4, atol=1e-4)
    found.train()
    found(many)
    assert not torch.equal(found.bn.running_mean, MEAN)


@pytest.mark.parametrize("shape", [(1, 6), (1, 5, 6)])
def test_a_norm_of_vectors_or_of_a_sequence_is_one_as_well(shape: tuple[int, ...]) -> None:
    (layer,) = layered(lambda x: norm(x).relu(), shape).children()
    assert isinstance(layer, nn.BatchNorm1d)


def test_a_norm_without_a_scale_and_an_offset_has_ones_and_zeros() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        mean, variance = MEAN.view(1, 6), VARIANCE.view(1, 6)
        scaled = torch.rsqrt(variance + 0.001).mul(torch.ones_like(variance))
        return x.subtract(mean).mul(scaled).add(torch.zeros_like(mean))

    (layer,) = layered(forward, (1, 6)).children()
    assert isinstance(layer, nn.BatchNorm1d)
    assert torch.equal(layer.weight, torch.ones(6)) and torch.equal(layer.bias, torch.zeros(6))


def test_what_only_looks_like_a_norm_is_left_alone() -> None:
    def over_rows(x: torch.Tensor) -> torch.Tensor:
        mean, variance, offset = (each.view(1, 6, 1) for each in (MEAN, VARIANCE, OFFSET))
        return x.subtract(mean) * (torch.rsqrt(variance + 0.001) * SCALE.view(1, 6, 1)) + offset

    assert not list(layered(over_rows, (1, 6, 6)).children())

    def read_inside(x: torch.Tensor) -> torch.Tensor:
        scaled = x.subtract(MEAN) * (torch.rsqrt(VARIANCE + 0.001) * SCALE)
        return scaled + OFFSET + scaled

    for forward in (read_inside, lambda x: x * torch.rsqrt(VARIANCE + 0.001) + OFFSET):
        assert not any(isinstance(layer, nn.BatchNorm1d) for layer in layered(forward, (1, 6)).children())


def test_weights_that_are_no_layer_of_torchs_stay_as_they_are() -> None:
    found = layered(lambda x: torch.relu(x * BIAS[4]), (2, 4))
    assert not list(found.children())
    assert [tuple(buffer.shape) for buffer in found.buffers()] == [(4,)]


def test_several_outputs_are_a_tuple() -> None:
    arguments = (torch.ones(1, 4),)
    net = Net(lambda x: {"a": torch.matmul(x, SQUARE), "b": [x + 1]})
    exported = torch.export.export(net, arguments).run_decompositions({}).module()
    outputs = layers.layered(bridge.tidy(exported, arguments), arguments)(torch.ones(3, 4))
    assert isinstance(outputs, tuple)
    assert [output.shape for output in outputs] == [(3, 4), (3, 4)]
