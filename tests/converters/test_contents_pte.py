"""Real .pte files, small ones: what converters.contents says about them, above all where lowering lied in silence."""

import copy
import sys
import warnings
from pathlib import Path

import pytest

from converters.contents import inspect, macs_share, quantized_share
from harness.errors import ConversionError
from harness.process import Bounds, execute

pytestmark = pytest.mark.runtimes

# Of the small network below: 3x3 convolution over 8x8, depthwise 3x3, two dense layers.
CONVOLUTION, DEPTHWISE, DENSE = 8 * 64 * 27, 8 * 64 * 9, 8 * 40 + 40 * 10


class Kitchen:
    """torch and executorch, imported once, and the small networks that the tests lower."""

    def __init__(self, folder: Path) -> None:
        import torch

        torch.set_num_threads(1)
        torch.manual_seed(0)
        self.torch, self.folder = torch, folder
        self.image = torch.randn(1, 3, 8, 8)
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

    def lower(self, name, model, x, *, xnnpack=True) -> Path:
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exported = self.torch.export.export(model, (x,))
            edge = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()] if xnnpack else None)
            path = self.folder / f"{name}.pte"
            path.write_bytes(edge.to_executorch().buffer)
        return path

    def quantized(self, model, x, *, dynamic=False):
        from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
            XNNPACKQuantizer,
            get_symmetric_quantization_config,
        )
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

        config = get_symmetric_quantization_config(is_per_channel=True, is_dynamic=dynamic)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            prepared = prepare_pt2e(
                self.torch.export.export(model, (x,)).module(), XNNPACKQuantizer().set_global(config)
            )
            prepared(x)
            return convert_pt2e(prepared)


@pytest.fixture(scope="session")
def kitchen(tmp_path_factory):
    return Kitchen(tmp_path_factory.mktemp("pte"))


@pytest.fixture(scope="session")
def float_file(kitchen):
    return kitchen.lower("f32", kitchen.net, kitchen.image)


def test_a_float_file_is_known_down_to_the_delegates_own_operators(float_file):
    found = inspect(float_file)
    assert found.format == "pte"
    assert found.size_bytes == float_file.stat().st_size > found.download_bytes
    assert found.weight_elements == {"float32": 216 + 72 + 320 + 400}
    assert found.weight_bytes == {"float32": 4 * (216 + 72 + 320 + 400)}
    assert [weight.macs for weight in found.weights] == [CONVOLUTION, DEPTHWISE, 320, 400]
    assert found.macs == CONVOLUTION + DEPTHWISE + DENSE
    assert found.delegated_macs_share == 1.0
    assert found.delegates == {"XnnpackBackend": 1}
    assert found.operators["XNNConv2d"] == found.operators["XNNDepthwiseConv2d"] == 1
    assert found.fused_activations == 3
    assert found.left_operators == {}
    assert [(spec.name, spec.shape, spec.dtype) for spec in (*found.inputs, *found.outputs)] == [
        ("input_0", (1, 3, 8, 8), "float32"),
        ("output_0", (1, 10), "float32"),
    ]


def test_a_portable_file_has_the_same_weights_and_work_and_nothing_delegated(kitchen):
    found = inspect(kitchen.lower("portable", kitchen.net, kitchen.image, xnnpack=False))
    assert [weight.macs for weight in found.weights] == [CONVOLUTION, DEPTHWISE, 320, 400]
    assert found.delegated_operators == 0
    assert found.delegated_macs_share == 0.0
    assert found.left_operators["aten::convolution.out"] == 2
    assert found.delegates == {}


def test_a_static_int8_file_holds_int8_weights_and_int8_activations(kitchen):
    found = inspect(kitchen.lower("s8", kitchen.quantized(kitchen.net, kitchen.image), kitchen.image))
    assert quantized_share(found) == {"int8": 1.0}
    assert found.activation_dtypes["int8"] > found.activation_dtypes["float32"]
    assert all(weight.distinct <= 256 for weight in found.weights)
    assert sum(weight.saturated_biases for weight in found.weights) == 0


def test_a_float16_file_is_seen_to_keep_its_convolutions_in_float32(kitchen):
    path = kitchen.lower("f16", copy.deepcopy(kitchen.net).half(), kitchen.image.half())
    found = inspect(path)
    assert found.weight_elements == {"float16": 720, "float32": 288}
    assert macs_share(found)["float32"] > 0.9


def test_dynamic_int8_is_seen_to_leave_the_convolutions_float(kitchen):
    model = kitchen.quantized(kitchen.net, kitchen.image, dynamic=True)
    found = inspect(kitchen.lower("d8", model, kitchen.image))
    kinds = {weight.operator: weight.dtype for weight in found.weights}
    assert kinds == {"XNNConv2d": "float32", "XNNDepthwiseConv2d": "float32", "XNNFullyConnected": "int8"}
    assert quantized_share(found)["int8"] > 0.7
    assert macs_share(found)["int8"] < 0.05


def test_quantizing_an_lstm_is_seen_to_reach_its_head_only(kitchen):
    nn = kitchen.torch.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.head = nn.LSTM(4, 8, batch_first=True), nn.Linear(8, 3)

        def forward(self, x):
            return self.head(self.lstm(x)[0][:, -1])

    x = kitchen.torch.randn(1, 2, 4)
    found = inspect(kitchen.lower("lstm", kitchen.quantized(Net().eval(), x), x))
    assert found.weight_elements == {"float32": 4 * 8 * (4 + 8), "int8": 24}
    assert found.macs == 2 * 4 * 8 * (4 + 8) + 24


def test_weight_only_int8_on_xnnpack_is_seen_to_be_stored_as_float(kitchen):
    from torchao.quantization import Int8WeightOnlyConfig, quantize_

    model = kitchen.torch.nn.Sequential(kitchen.torch.nn.Linear(64, 64)).eval()
    quantize_(model, Int8WeightOnlyConfig())
    found = inspect(kitchen.lower("w8", model, kitchen.torch.randn(1, 64)))
    assert quantized_share(found) == {"float32": 1.0}
    assert found.weights[0].distinct <= 256


def test_four_bit_weights_are_unpacked_around_their_zero(kitchen):
    from torchao.quantization import Int8DynamicActivationIntxWeightConfig, PerGroup, quantize_

    torch = kitchen.torch
    layer = torch.nn.Linear(64, 32)
    with torch.no_grad():
        layer.weight[:, ::4] = 0
    model = torch.nn.Sequential(layer).eval()
    config = Int8DynamicActivationIntxWeightConfig(weight_dtype=torch.int4, weight_granularity=PerGroup(32))
    quantize_(model, config)
    found = inspect(kitchen.lower("a8w4", model, torch.randn(1, 64)))
    assert found.weight_elements == {"int4": 2048}
    assert found.weight_bytes == {"int4": 1024}
    assert 0.25 <= found.sparsity < 0.4
    assert found.weights[0].distinct <= 16


def test_pruning_masks_left_in_the_model_are_seen_beside_the_convolution_they_cost(kitchen):
    from torch.nn.utils import prune

    nn = kitchen.torch.nn
    model = nn.Sequential(nn.Conv2d(4, 8, 3), nn.ReLU()).eval()
    prune.l1_unstructured(model[0], "weight", 0.5)
    x = kitchen.torch.randn(1, 4, 6, 6)
    masked = inspect(kitchen.lower("masked", model, x))
    prune.remove(model[0], "weight")
    removed = inspect(kitchen.lower("removed", model, x))
    assert masked.left_operators == {"aten::convolution.out": 1}
    assert masked.delegated_macs_share == 0.0
    assert sorted(weight.distinct for weight in masked.weights) == [2, 288]
    assert removed.sparsity == 0.5
    assert removed.delegated_macs_share == 1.0


def test_a_mean_that_drops_its_axes_is_seen_to_stay_off_the_delegate(kitchen):
    class Net(kitchen.torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = kitchen.torch.nn.Conv2d(3, 4, 3)

        def forward(self, x):
            return self.convolution(x).mean([2, 3])

    found = inspect(kitchen.lower("mean", Net().eval(), kitchen.image))
    assert found.left_operators == {"aten::mean.out": 1}
    assert found.delegated_operators == found.total_operators - 1
    assert found.delegated_macs_share == 1.0


def test_clusters_are_seen_to_be_destroyed_when_batch_norm_is_folded(kitchen):
    torch = kitchen.torch
    convolution, norm = torch.nn.Conv2d(3, 8, 3, bias=False), torch.nn.BatchNorm2d(8)
    codes = torch.tensor([-0.3, -0.1, 0.1, 0.3])
    with torch.no_grad():
        convolution.weight.copy_(codes[torch.arange(8 * 27).reshape(convolution.weight.shape) % 4])
        norm.weight.copy_(torch.linspace(0.5, 2, 8))
    folded_late = kitchen.lower("late", torch.nn.Sequential(convolution, norm).eval(), kitchen.image)
    kept = kitchen.lower("kept", torch.nn.Sequential(convolution).eval(), kitchen.image)
    assert inspect(folded_late).weights[0].distinct > 3 * 8
    assert inspect(kept).weights[0].distinct == 4


def test_a_transposed_convolution_is_counted_by_its_input(kitchen):
    model = kitchen.torch.nn.Sequential(kitchen.torch.nn.ConvTranspose2d(3, 5, 2, stride=2)).eval()
    expected = 3 * 8 * 8 * 5 * 2 * 2
    assert inspect(kitchen.lower("up", model, kitchen.image)).macs == expected
    assert inspect(kitchen.lower("up_portable", model, kitchen.image, xnnpack=False)).macs == expected


def test_a_delegate_of_unknown_format_is_told_and_not_guessed(float_file, tmp_path):
    path = tmp_path / "vendor.pte"
    path.write_bytes(float_file.read_bytes().replace(b"XnnpackBackend", b"VendorsBackend"))
    found = inspect(path)
    assert found.delegates == {"VendorsBackend": 1}
    assert found.unopened_bytes > 0
    assert found.macs is None
    assert found.delegated_macs_share is None


def test_a_file_cut_off_anywhere_is_refused_with_its_name(float_file, tmp_path):
    whole = float_file.read_bytes()
    path = tmp_path / "cut.pte"
    for size in [*range(0, 64, 4), *range(64, len(whole), 997), len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(ConversionError, match=r"cut\.pte"):
            inspect(path)


def test_a_file_with_flipped_bits_is_read_or_refused_and_never_crashes(float_file, tmp_path):
    whole = float_file.read_bytes()
    path = tmp_path / "flipped.pte"
    refused = 0
    for place in range(0, 4000 * 8, 97):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            inspect(path)
        except ConversionError:
            refused += 1
    assert refused > 50


def test_looking_into_a_pte_imports_neither_torch_nor_executorch(float_file, tmp_path):
    script = (
        "import sys; from pathlib import Path; from converters.contents import inspect;"
        f"inspect(Path({str(float_file)!r}));"
        "sys.exit(any(name.split('.')[0] in ('torch', 'executorch', 'tensorflow') for name in sys.modules))"
    )
    execute([sys.executable, "-c", script], bounds=Bounds(timeout_secs=60), log=tmp_path / "log")
