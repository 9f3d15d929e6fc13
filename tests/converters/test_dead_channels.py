"""A channel whose weights died: found in the file, and harmless after int8 quantization."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.runtimes


@pytest.fixture(scope="module")
def dead_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A convolution with 8 output channels; the weights of channel 3 are 1e-9, its bias is -1.5."""
    import litert_torch
    import torch

    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.Flatten()).eval()
    with torch.no_grad():
        net[0].weight[3] = 1e-9
        net[0].bias[3] = -1.5
    path = tmp_path_factory.mktemp("dead") / "float.tflite"
    litert_torch.convert(net, (torch.zeros(1, 3, 8, 8),)).export(str(path))
    return path


def outputs(path: Path, x: np.ndarray) -> np.ndarray:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return np.array(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])).reshape(8, 36)


def test_only_the_dead_channel_gets_a_weight_and_no_output_moves_by_what_int8_could_tell(
    dead_file: Path, tmp_path: Path
) -> None:
    from converters import dead_channels

    revived = tmp_path / "revived.tflite"
    assert dead_channels.revive(dead_file, revived) == 1
    assert dead_channels.revive(revived, tmp_path / "again.tflite") == 0
    assert not (tmp_path / "again.tflite").exists()
    x = np.random.default_rng(0).normal(size=(1, 3, 8, 8)).astype("float32")
    before, after = outputs(dead_file, x), outputs(revived, x)
    others = [channel for channel in range(8) if channel != 3]
    assert np.array_equal(before[others], after[others])
    assert 0 < np.abs(before[3] - after[3]).max() < 1.5 / 255


def test_the_int8_bias_saturates_without_it_and_fits_with_it(dead_file: Path, tmp_path: Path) -> None:
    from ai_edge_quantizer import qtyping, quantizer

    from converters import contents, dead_channels, tflite

    revived = tmp_path / "revived.tflite"
    dead_channels.revive(dead_file, revived)
    x = np.random.default_rng(0).normal(size=(20, 1, 3, 8, 8)).astype("float32")
    saturated = {}
    for name, source in (("as it is", dead_file), ("revived", revived)):
        recipe = tflite._RECIPES["static_wi8_ai8"](qtyping.QuantGranularity.CHANNELWISE)
        tool = quantizer.Quantizer(str(source), recipe)
        ranges = tool.calibrate({"serving_default": [{"args_0": one} for one in x]}, num_threads=1)
        target = tmp_path / f"{name}.int8.tflite"
        tool.quantize(ranges, enable_progress_report=False).export_model(str(target))
        saturated[name] = sum(weight.saturated_biases for weight in contents.read(target).weights)
        if name == "revived":
            assert np.abs(outputs(target, x[0])[3] + 1.5).max() < 0.05
    assert saturated["as it is"] >= 1 and saturated["revived"] == 0
