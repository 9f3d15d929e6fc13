"""The passes that make of an exported Keras graph what XNNPACK and the quantizers look for; numbers never change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn import functional as f

from converters import bridge, engines, executorch

pytestmark = pytest.mark.runtimes

Forward = Callable[[torch.Tensor], torch.Tensor]
IMAGE = (1, 6, 6, 4)
KERNEL = torch.linspace(-1, 1, 3 * 3 * 4 * 4).reshape(3, 3, 4, 4)  # HWIO, as Keras keeps it
HALF = torch.tensor([0.5])
TRANSPOSED = torch.linspace(-1, 1, 4 * 4 * 2 * 2).reshape(4, 4, 2, 2)
CHANNELS = torch.tensor([0.5, 2.0, -1.0, 3.0])


class Net(torch.nn.Module):
    def __init__(self, forward: Forward) -> None:
        super().__init__()
        self._forward = forward

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._forward(x)


def conv(x: torch.Tensor) -> torch.Tensor:
    """NHWC in and out, the way Keras's torch backend writes a convolution."""
    nchw = x.permute(0, 3, 1, 2).contiguous().clone(memory_format=torch.channels_last)
    return f.conv2d(nchw, KERNEL.permute(3, 2, 0, 1), padding=1).permute(0, 2, 3, 1)


def wider(x: torch.Tensor) -> torch.Tensor:
    """The same for a transposed convolution."""
    return f.conv_transpose2d(x.permute(0, 3, 1, 2), TRANSPOSED, stride=2).permute(0, 2, 3, 1)


def norm(x: torch.Tensor) -> torch.Tensor:
    return x.subtract(CHANNELS).mul(torch.rsqrt(CHANNELS.square() + 1e-3)).add(CHANNELS.reshape(1, 1, 1, 4))


def tidied(forward: Forward, shape: tuple[int, ...] = IMAGE) -> list[str]:
    """Names of the operators that are left, after a check that the numbers are the same."""
    x = torch.linspace(-1, 1, int(torch.tensor(shape).prod())).reshape(shape)
    exported = torch.export.export(Net(forward), (x,)).run_decompositions({}).module()
    module = bridge.tidy(exported, (x,))
    torch.testing.assert_close(module(x), forward(x), rtol=1e-5, atol=1e-5)
    return [node.target._opname for node in module.graph.nodes if node.op == "call_function"]


def test_a_chain_of_layers_keeps_one_permutation_at_each_end_and_its_norms_in_the_weights() -> None:
    assert tidied(lambda x: norm(conv(torch.relu(norm(conv(x)))))) == ["permute", "conv2d", "relu", "conv2d", "permute"]


@pytest.mark.parametrize(
    ("forward", "left"),
    [
        (lambda x: conv(torch.relu(conv(x)) + conv(x)).mean((1, 2)), ["permute", "mean", "view"]),
        (lambda x: conv(f.pad(conv(x), (0, 0, 1, 2, 0, 1))).sum((1, 2), keepdim=True), ["permute", "pad", "sum"]),
        (lambda x: conv(conv(x) * x.mean((1, 2), keepdim=True)).amax((1, 2)), ["permute", "mul", "amax"]),
        (lambda x: torch.cat([conv(x), f.relu6(conv(x))], -1).mean((1, 2)), ["permute", "cat", "hardtanh", "mean"]),
        (lambda x: conv(x).softmax(-1), ["permute", "softmax"]),
    ],
)
def test_what_works_on_each_element_or_axis_moves_above_the_permutation(forward: Forward, left: list[str]) -> None:
    names = tidied(forward)
    assert all(name in names for name in left)
    assert names.count("permute") <= 2


def test_a_flattening_is_done_in_the_order_of_the_dense_layer_behind_it() -> None:
    weight = torch.linspace(-0.01, 0.01, 6 * 6 * 4 * 3).reshape(6 * 6 * 4, 3)
    assert tidied(lambda x: torch.matmul(conv(x).flatten(1), weight)) == ["permute", "conv2d", "reshape", "linear"]

    def read_twice(x: torch.Tensor) -> torch.Tensor:
        flat = conv(x).flatten(1)
        return torch.matmul(flat, weight) + flat[:, :3]

    assert tidied(read_twice).count("permute") == 2, "who else reads the flat values wants them in Keras's order"


def test_a_norm_is_a_layer_of_its_own_where_somebody_else_reads_the_layer_before_it() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        y = conv(x)
        return norm(y) + y

    assert tidied(forward) == ["permute", "conv2d", "conv2d", "add", "permute"]


@pytest.mark.parametrize(
    ("forward", "left"),
    [
        (lambda x: conv(torch.relu(norm(torch.relu(conv(x))))), ["conv2d", "relu", "conv2d", "relu", "conv2d"]),
        (lambda x: torch.relu(conv(x)) - CHANNELS * torch.relu(-conv(x)), ["conv2d", "relu", "conv2d", "neg", "relu"]),
        (lambda x: norm(wider(conv(x))), ["conv2d", "conv_transpose2d"]),
    ],
)
def test_constants_of_channels_run_in_xnnpack_as_layers(forward: Forward, left: list[str], tmp_path: Path) -> None:
    """XNNPACK's images are NHWC, and ExecuTorch does not turn the constants of a product or a sum round with them."""
    names = tidied(forward)
    assert [name for name in names if name != "permute"][: len(left)] == left
    assert not {"mul", "add", "subtract", "rsqrt"} & set(names)
    x = torch.linspace(-1, 1, 6 * 6 * 4).reshape(IMAGE)
    exported = torch.export.export(Net(forward), (x,)).run_decompositions({}).module()
    build = tmp_path / "model.pte"
    build.write_bytes(executorch._lower(bridge.tidy(exported, (x,)), (x,)))
    (got,) = engines.open_build(build).run([x.numpy()])
    torch.testing.assert_close(torch.from_numpy(got), forward(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("number", [0.5, HALF])
def test_one_number_for_all_channels_is_no_layer(number: object) -> None:
    assert tidied(lambda x: torch.relu(conv(x)) * number) == ["permute", "conv2d", "relu", "mul", "permute"]


def test_a_mean_of_everything_and_a_product_that_widens_stay_as_they_are() -> None:
    assert tidied(lambda x: conv(x).mean(dim=None, keepdim=False))[-1] == "mean"
    column, row = torch.linspace(-1, 1, 4).reshape(4, 1), torch.linspace(1, 2, 6)
    assert tidied(lambda x: torch.matmul(x, column) * row, (2, 4)) == ["linear", "mul"]


def test_a_constant_along_another_axis_stays_where_it_is() -> None:
    rows = torch.arange(6.0).reshape(1, 6, 1, 1)
    assert "add" in tidied(lambda x: conv(x) + rows)


def test_a_matrix_product_with_its_bias_becomes_a_linear_layer() -> None:
    weight, bias = torch.linspace(-1, 1, 12).reshape(4, 3), torch.arange(3.0)
    assert tidied(lambda x: (torch.matmul(x, weight) + bias) / 2, (2, 4)) == ["linear"]
    assert tidied(lambda x: torch.matmul(x, x.permute(0, 2, 1)), (2, 4, 3)).count("linear") == 0


def test_checks_copies_and_casts_to_the_same_type_are_gone() -> None:
    assert tidied(lambda x: f.dropout(x.to(torch.float32).clone(), training=False).contiguous() * 2, (2, 4)) == ["mul"]
    assert "_to_copy" in "".join(tidied(lambda x: x.to(torch.float64) * 2, (2, 4)))
