"""Zeros left out of a .tflite: a smaller file that loads and gives the very same outputs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.runtimes
GENERATOR = np.random.default_rng(0)


def pruned(shape: tuple[int, ...], share: float) -> np.ndarray:
    values = GENERATOR.integers(1, 120, shape) * (GENERATOR.random(shape) >= share)
    values.reshape(shape[0], -1)[:, 0] = 1
    return values


def convolution(path: Path, weight: np.ndarray, dtype: str) -> Path:
    """One 1x1 convolution over 4x4 places."""
    from ai_edge_litert import schema_py_generated as schema

    from tests.device_runners.tiny_tflite import _Graph

    graph, scale = _Graph(), 0.05 if dtype == "int8" else None
    x = graph.tensor("x", (1, 4, 4, weight.shape[-1]), dtype, scale=scale)
    w = graph.tensor("w", weight.shape, dtype, data=weight.astype(dtype), scale=0.01 if scale else None)
    bias_type = "int32" if dtype == "int8" else "float32"
    bias = np.arange(len(weight)).astype(bias_type)
    b = graph.tensor("b", (len(weight),), bias_type, data=bias, scale=0.0005 if scale else None)
    y = graph.tensor("y", (1, 4, 4, len(weight)), dtype, scale=scale)
    options = schema.Conv2DOptionsT()
    options.padding, options.strideH, options.strideW = schema.Padding.VALID, 1, 1
    options.dilationHFactor = options.dilationWFactor = 1
    graph.operator("CONV_2D", [x, w, b], [y], options, version=3)
    return graph.save(path, [x], [y])


def dense_int8(path: Path, weight: np.ndarray) -> Path:
    from ai_edge_litert import schema_py_generated as schema

    from tests.device_runners.tiny_tflite import _Graph

    graph = _Graph()
    x = graph.tensor("x", (1, weight.shape[1]), "int8", scale=0.05)
    w = graph.tensor("w", weight.shape, "int8", data=weight.astype(np.int8), scale=0.01)
    y = graph.tensor("y", (1, len(weight)), "int8", scale=0.05)
    graph.operator("FULLY_CONNECTED", [x, w, -1], [y], schema.FullyConnectedOptionsT())
    return graph.save(path, [x], [y])


def outputs(path: Path) -> list[Any]:
    from converters import engines

    engine = engines.open_build(path)
    (spec,) = engine.inputs
    return engine.run([np.random.default_rng(1).integers(-20, 20, spec.shape).astype(spec.dtype)])


def encoded(dense: Path) -> tuple[Path, int, list[str]]:
    from converters import sparse

    target = dense.with_name("sparse.tflite")
    shutil.copy(dense, target)
    return target, *sparse.encode(target)


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_a_pruned_convolution_gets_smaller_and_gives_the_same_outputs(tmp_path: Path, dtype: str) -> None:
    from converters import contents

    dense = convolution(tmp_path / "dense.tflite", pruned((64, 1, 1, 256), 0.8), dtype)
    path, count, reasons = encoded(dense)
    assert (count, reasons) == (1, [])
    assert path.stat().st_size < 0.55 * dense.stat().st_size
    assert np.array_equal(outputs(path)[0], outputs(dense)[0])
    (weight,) = contents.inspect(path).weights
    (before,) = contents.inspect(dense).weights
    assert (weight.zeros, weight.elements, weight.dtype) == (before.zeros, before.elements, before.dtype)
    assert (weight.groups, weight.distinct_per_channel) == (before.groups, before.distinct_per_channel)
    assert weight.stored_bytes < 0.5 * before.stored_bytes


def test_a_float_dense_layer_is_stored_sparse_and_a_small_one_is_not(tmp_path: Path) -> None:
    from tests.device_runners.tiny_tflite import dense_of

    weight = pruned((4, 8), 0.5)
    wide = np.zeros((64, 512), np.float32)
    wide[:, ::8] = 1.5
    path, count, _ = encoded(dense_of(tmp_path / "dense.tflite", wide))
    assert count == 1
    assert np.array_equal(outputs(path)[0], outputs(tmp_path / "dense.tflite")[0])
    assert encoded(dense_of(tmp_path / "small.tflite", weight.astype(np.float32)))[1] == 0


def test_an_int8_dense_layer_stays_as_it_is_with_the_reason(tmp_path: Path) -> None:
    dense = dense_int8(tmp_path / "dense.tflite", pruned((64, 256), 0.8))
    path, count, reasons = encoded(dense)
    assert count == 0 and path.read_bytes() == dense.read_bytes()
    assert reasons == ["int8 dense layers stay dense: the runtime does not load them from sparse storage"]


def test_a_dense_weight_is_left_as_it_is_to_the_byte(tmp_path: Path) -> None:
    dense = convolution(tmp_path / "dense.tflite", pruned((64, 1, 1, 256), 0.0), "float32")
    path, count, _ = encoded(dense)
    assert count == 0
    assert path.read_bytes() == dense.read_bytes()


def test_half_of_zeros_pay_in_float_and_not_in_int8(tmp_path: Path) -> None:
    counts = [
        encoded(convolution(tmp_path / f"{dtype}.tflite", pruned((64, 1, 1, 256), 0.5), dtype))[1]
        for dtype in ("float32", "int8")
    ]
    assert counts == [1, 0]
