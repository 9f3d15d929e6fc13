"""Real .tflite files, small ones: what converters.contents says about them, above all where quantizing lied."""

import contextlib
import copy
import io
from pathlib import Path

import numpy as np
import pytest

from converters.contents import inspect, macs_share, quantized_share, read
from harness.errors import ConversionError

pytestmark = pytest.mark.runtimes

# Of the small network below: 3x3 convolution over 8x8, depthwise 3x3, two dense layers.
CONVOLUTION, DEPTHWISE, DENSE = 8 * 64 * 27, 8 * 64 * 9, 8 * 40 + 40 * 10


class Kitchen:
    """torch and the converter, imported once, and the small networks that the tests convert."""

    def __init__(self, folder: Path) -> None:
        import torch

        torch.set_num_threads(1)
        torch.manual_seed(0)
        self.torch, self.folder = torch, folder
        self.net = self._net()

    def _net(self):
        nn = self.torch.nn
        norm = nn.BatchNorm2d(8)
        with self.torch.no_grad():
            norm.weight.uniform_(0.5, 2)
            norm.running_var.uniform_(0.5, 2)
        layers = [nn.Conv2d(3, 8, 3, padding=1, bias=False), norm, nn.ReLU()]
        layers += [nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        return nn.Sequential(*layers, nn.Linear(8, 40), nn.ReLU(), nn.Linear(40, 10)).eval()

    def convert(self, name, model, shape=(1, 3, 8, 8)) -> Path:
        import litert_torch

        path = self.folder / f"{name}.tflite"
        with contextlib.redirect_stdout(io.StringIO()):
            litert_torch.convert(model, (self.torch.randn(*shape),)).export(str(path))
        return path

    def encode(self, name, source: Path, configure) -> Path:
        """configure(recipe manager, the operator enum) -> None, as the quantizer's own API goes."""
        from ai_edge_quantizer import qtyping, quantizer
        from ai_edge_quantizer.recipe_manager import RecipeManager

        manager, path = RecipeManager(), self.folder / f"{name}.tflite"
        configure(manager, qtyping.TFLOperationName.ALL_SUPPORTED)
        with contextlib.redirect_stdout(io.StringIO()):
            work = quantizer.Quantizer(str(source), manager.get_quantization_recipe())
            values = np.random.default_rng(0).standard_normal((4, 1, 3, 8, 8), np.float32)
            samples = {"serving_default": [{"args_0": value} for value in values]}
            seen = work.calibrate(samples, num_threads=1) if work.need_calibration else None
            work.quantize(seen, enable_progress_report=False).export_model(str(path), overwrite=True)
        return path


@pytest.fixture(scope="session")
def kitchen(tmp_path_factory):
    return Kitchen(tmp_path_factory.mktemp("tflite"))


@pytest.fixture(scope="session")
def float_file(kitchen):
    return kitchen.convert("f32", kitchen.net)


def test_a_float_file_is_known_down_to_the_multiply_adds(float_file):
    found = inspect(float_file)
    assert found.format == "tflite"
    assert found.size_bytes == float_file.stat().st_size > found.download_bytes
    assert found.weight_elements == {"float32": 216 + 72 + 320 + 400}
    assert found.weight_bytes == {"float32": 4 * (216 + 72 + 320 + 400)}
    assert {weight.operator: weight.macs for weight in found.weights if weight.operator != "FULLY_CONNECTED"} == {
        "CONV_2D": CONVOLUTION,
        "DEPTHWISE_CONV_2D": DEPTHWISE,
    }
    assert found.macs == CONVOLUTION + DEPTHWISE + DENSE
    assert found.fused_activations == 3
    assert (found.delegates, found.left_operators) == ({"XNNPACK": 1}, {})
    assert found.delegated_operators == found.total_operators == sum(found.operators.values())
    assert found.delegated_macs_share == 1.0
    assert [(spec.shape, spec.dtype) for spec in (*found.inputs, *found.outputs)] == [
        ((1, 3, 8, 8), "float32"),
        ((1, 10), "float32"),
    ]


def test_reading_alone_leaves_the_delegated_share_unknown(float_file):
    found = read(float_file)
    assert found.macs == CONVOLUTION + DEPTHWISE + DENSE
    assert found.delegated_operators is None
    assert found.delegates == {}


def test_a_static_int8_file_says_so_in_weights_activations_and_specs(kitchen, float_file):
    found = inspect(kitchen.encode("s8", float_file, lambda r, ops: r.add_static_config(".*", ops, 8, 8)))
    assert quantized_share(found) == {"int8": 1.0}
    assert set(found.activation_dtypes) == {"int8"}
    assert found.inputs[0].dtype == "int8"
    assert found.inputs[0].scale > 0
    assert -128 <= found.inputs[0].zero_point <= 127
    assert sum(weight.saturated_biases for weight in found.weights) == 0
    assert found.delegated_macs_share == 1.0


def test_float16_weights_are_found_behind_their_dequantize(kitchen, float_file):
    from ai_edge_quantizer.algorithm_manager import AlgorithmName

    path = kitchen.encode(
        "f16",
        float_file,
        lambda r, ops: r.add_weight_only_config(".*", ops, 16, algorithm_key=AlgorithmName.FLOAT_CASTING),
    )
    found = inspect(path)
    assert quantized_share(found) == {"float16": 1.0}
    assert set(found.activation_dtypes) == {"float32"}


def test_four_bit_weights_are_counted_packed_and_the_float_rest_is_told(kitchen, float_file):
    found = inspect(kitchen.encode("w4", float_file, lambda r, ops: r.add_weight_only_config(".*", ops, 4)))
    assert found.weight_elements == {"float32": 72, "int4": 216 + 320 + 400}
    assert found.weight_bytes == {"float32": 288, "int4": (216 + 320 + 400) // 2}
    assert all(weight.distinct <= 16 for weight in found.weights if weight.dtype == "int4")


def test_weight_only_int8_is_told_from_static_int8_by_its_activations(kitchen, float_file):
    found = inspect(kitchen.encode("w8", float_file, lambda r, ops: r.add_weight_only_config(".*", ops, 8)))
    assert quantized_share(found)["int8"] > 0.9
    assert set(found.activation_dtypes) == {"float32"}


def test_a_weight_only_recipe_of_bits_that_nobody_has_is_seen_to_do_nothing(kitchen, float_file):
    path = kitchen.encode("w6", float_file, lambda r, ops: r.add_weight_only_config(".*", ops, 6))
    assert quantized_share(inspect(path)) == {"float32": 1.0}


def test_a_static_recipe_that_only_wraps_the_operators_is_seen_through(kitchen, float_file):
    path = kitchen.encode("s8w12", float_file, lambda r, ops: r.add_static_config(".*", ops, 8, 12))
    found = inspect(path)
    assert quantized_share(found) == {"float32": 1.0}
    assert found.operators["QUANTIZE"] > 0
    assert found.inputs[0].dtype == "int8"


def test_dynamic_int8_is_seen_to_leave_depthwise_convolutions_to_slow_kernels(kitchen, float_file):
    found = inspect(kitchen.encode("d8", float_file, lambda r, ops: r.add_dynamic_config(".*", ops, 8)))
    assert found.left_operators == {"DEPTHWISE_CONV_2D": 1}
    assert found.delegates["XNNPACK"] > 1
    assert found.delegated_macs_share == pytest.approx(1 - DEPTHWISE / found.macs)


def test_int16_activations_are_seen_to_run_on_no_delegate_at_all(kitchen, float_file):
    found = inspect(kitchen.encode("s16", float_file, lambda r, ops: r.add_static_config(".*", ops, 16, 8)))
    assert found.delegates == {}
    assert (found.delegated_operators, found.delegated_macs_share) == (0, 0.0)
    assert found.left_operators == found.operators
    assert set(found.activation_dtypes) == {"int16"}


def test_a_model_left_in_training_mode_is_seen_by_its_batch_norm_operators(kitchen, float_file):
    found = inspect(kitchen.convert("train", copy.deepcopy(kitchen.net).train()))
    extra = set(found.operators) - set(inspect(float_file).operators)
    assert "RSQRT" in extra
    assert sum(found.operators.values()) > 2 * sum(inspect(float_file).operators.values())


def test_a_dead_channel_is_seen_to_saturate_its_int8_bias(kitchen):
    model = copy.deepcopy(kitchen.net)
    with kitchen.torch.no_grad():
        model[3].weight[0] = 0
        model[3].bias[0] = 0.5
    source = kitchen.convert("dead", model)
    found = inspect(kitchen.encode("dead_s8", source, lambda r, ops: r.add_static_config(".*", ops, 8, 8)))
    assert {weight.operator: weight.saturated_biases for weight in found.weights} == {
        "CONV_2D": 0,
        "DEPTHWISE_CONV_2D": 1,
        "FULLY_CONNECTED": 0,
    }


def test_clusters_are_seen_to_be_destroyed_when_batch_norm_is_folded(kitchen):
    torch = kitchen.torch
    convolution, norm = torch.nn.Conv2d(3, 8, 3, bias=False), torch.nn.BatchNorm2d(8)
    codes = torch.tensor([-0.3, -0.1, 0.1, 0.3])
    with torch.no_grad():
        convolution.weight.copy_(codes[torch.arange(8 * 27).reshape(convolution.weight.shape) % 4])
        norm.weight.copy_(torch.linspace(0.5, 2, 8))
    late = inspect(kitchen.convert("late", torch.nn.Sequential(convolution, norm).eval()))
    kept = inspect(kitchen.convert("kept", torch.nn.Sequential(convolution).eval()))
    assert late.weights[0].distinct > 3 * 8
    assert kept.weights[0].distinct == 4


def lowered(kitchen, name, model, inputs, *, xnnpack=True) -> Path:
    """The same model as a .pte."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    exported = kitchen.torch.export.export(model, inputs)
    edge = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()] if xnnpack else None)
    path = kitchen.folder / f"{name}.pte"
    path.write_bytes(edge.to_executorch().buffer)
    return path


def test_both_formats_tell_the_same_weights_and_work_of_one_model(kitchen, float_file):
    one = inspect(float_file)
    other = inspect(lowered(kitchen, "same", kitchen.net, (kitchen.torch.randn(1, 3, 8, 8),)))
    assert one.macs == other.macs
    assert one.weight_elements == other.weight_elements
    assert one.fused_activations == other.fused_activations
    assert macs_share(one) == macs_share(other) == {"float32": 1.0}
    assert sorted(weight.distinct for weight in one.weights) == sorted(weight.distinct for weight in other.weights)


def test_both_formats_agree_on_groups_transposed_convolutions_products_and_tables(kitchen):
    torch, nn = kitchen.torch, kitchen.torch.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.grouped = nn.Embedding(50, 16), nn.Conv2d(3, 9, 3, groups=3)
            self.up, self.line = nn.ConvTranspose2d(9, 4, 3, stride=2), nn.Conv1d(4, 6, 3)

        def forward(self, x):
            y = self.line(self.up(self.grouped(x)).flatten(2))
            return y @ y.transpose(1, 2) + self.table.weight[:6, :6]

    model = Net().eval()
    x = (torch.randn(1, 3, 8, 8),)
    files = [kitchen.convert("mixed", model), lowered(kitchen, "mixed", model, x)]
    files.append(lowered(kitchen, "mixed_portable", model, x, xnnpack=False))
    expected = 9 * 36 * 9 + 9 * 36 * 4 * 9 + 6 * 167 * 12 + 6 * 6 * 167
    assert [inspect(path).macs for path in files] == [expected] * 3


def test_a_file_cut_off_anywhere_is_refused_with_its_name(float_file, tmp_path):
    whole = float_file.read_bytes()
    path = tmp_path / "cut.tflite"
    for size in [*range(0, 64, 4), *range(64, len(whole), 997), len(whole) - 64]:
        path.write_bytes(whole[:size])
        with pytest.raises(ConversionError, match=r"cut\.tflite"):
            inspect(path)


def test_a_file_with_flipped_bits_is_read_or_refused_and_never_crashes(float_file, tmp_path):
    whole = float_file.read_bytes()
    path = tmp_path / "flipped.tflite"
    refused = 0
    for place in range(0, len(whole) * 8, 97):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            read(path)
        except ConversionError:
            refused += 1
    assert refused > 50
