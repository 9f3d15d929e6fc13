"""Static int8 for XNNPACK: clamps belong to the layer before them, and zeros around an image cost no scale."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import get_symmetric_quantization_config
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from converters import clamped, engines, executorch

pytestmark = pytest.mark.runtimes


def quantized(net: nn.Module, image: torch.Tensor) -> torch.fx.GraphModule:
    config = get_symmetric_quantization_config(is_per_channel=True)
    observed = prepare_pt2e(torch.export.export(net.eval(), (image,)).module(), clamped.Quantizer(config))
    for factor in (1.0, 0.3, 1.7):  # so that ranges found at two places are not alike by chance
        observed(image * factor)
    return convert_pt2e(observed)


def scales(module: torch.fx.GraphModule) -> list[float]:
    quantize = torch.ops.quantized_decomposed.quantize_per_tensor.default
    return [node.args[1] for node in module.graph.nodes if node.target is quantize]


def conv(*behind: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), *behind)


@pytest.mark.parametrize(
    "behind",
    [
        (nn.ReLU(), nn.ZeroPad2d(1), nn.MaxPool2d(2), nn.Conv2d(8, 4, 1)),
        (nn.ReLU6(), nn.ZeroPad2d((0, 1, 0, 1)), nn.ConstantPad2d(1, 0.0), nn.MaxPool2d(2)),
        (nn.ZeroPad2d(1), nn.AvgPool2d(2), nn.Conv2d(8, 4, 1)),
        (nn.ReLU6(), nn.Conv2d(8, 8, 3, groups=8)),
    ],
)
def test_the_build_loads_and_computes_what_the_quantized_model_does(
    behind: tuple[nn.Module, ...], tmp_path: Path
) -> None:
    image = torch.linspace(-1, 1, 3 * 12 * 12).reshape(1, 3, 12, 12)
    module = quantized(conv(*behind), image)
    build = tmp_path / "model.pte"
    build.write_bytes(executorch._lower(module, (image,)))
    (got,) = engines.open_build(build).run([image.numpy()])
    wanted = module(image).detach().numpy()
    np.testing.assert_allclose(got, wanted, atol=1.1 * max(scales(module)))


def test_a_pad_and_what_moves_values_behind_it_keep_the_scale_of_what_they_read() -> None:
    image = torch.linspace(-1, 1, 3 * 12 * 12).reshape(1, 3, 12, 12)
    found = scales(quantized(conv(nn.ReLU(), nn.ZeroPad2d(1), nn.MaxPool2d(2), nn.Conv2d(8, 4, 1)), image))
    assert len(found) == 5 and len(set(found)) == 3, "the image, the three in the middle, the output"


def test_a_pad_of_another_value_has_a_scale_of_its_own() -> None:
    image = torch.linspace(-1, 1, 3 * 12 * 12).reshape(1, 3, 12, 12)
    found = scales(quantized(conv(nn.ReLU(), nn.ConstantPad2d(1, 50.0), nn.Conv2d(8, 4, 1)), image))
    assert found[2] > 10 * found[1]


def test_a_layer_and_the_clamp_behind_it_have_one_scale_for_what_is_left_of_the_range() -> None:
    image = 100 * torch.linspace(-1, 1, 3 * 12 * 12).reshape(1, 3, 12, 12)
    found = scales(quantized(conv(nn.ReLU6()), image))
    assert len(found) == 2 and found[1] == pytest.approx(6 / 255, rel=1e-3)
