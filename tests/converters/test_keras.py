"""Keras and TensorFlow sources with the real converters: both runtimes, both generations, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import converters
from converters import contents, engines, numerics, recipes, shaping
from converters.job import environment
from converters.workshop import read_facts
from harness.errors import SourceError
from harness.records import ModelSource, Runtime, Schedule, Training, Variant

pytestmark = pytest.mark.runtimes

# The user's file around net.keras: the data that a bare file cannot have.
DATA = """
import keras
import numpy as np


def get_model():
    return keras.models.load_model("net.keras")


def _images(count, seed):
    return np.random.default_rng(seed).normal(size=(count, 16, 16, 3)).astype("float32")


def get_calibration_data():
    return list(_images(16, 1)[:, None])


def get_evaluation_data():
    for number, image in enumerate(_images(12, 2)):
        yield image[None], number % 10


def get_training_data():
    images = _images(160, 3)
    return images, (images.mean((1, 2, 3)) > 0).astype("int64")
"""
PCQAT = "prune(0.5)+cluster(16)+qat+static_wi8_ai8"
TRAINING = Training(epochs=1, batch_size=16, schedule=Schedule(frequency=2))


class Kitchen:
    """The files of tests/fakes/keras_files.py, each prepared and converted once."""

    def __init__(self, folder: Path, project: Path) -> None:
        argv = [sys.executable, "-m", "tests.fakes.keras_files", str(folder)]
        made = subprocess.run(argv, cwd=project, capture_output=True, text=True, timeout=300, check=False)
        assert made.returncode == 0, made.stderr
        (folder / "net.py").write_text(DATA)
        self.folder = folder
        self.workshop = converters.Workshop(cache=str(folder / "cache"), logs=str(folder / "logs"), training=TRAINING)
        self._prepared: dict[ModelSource, converters.Prepared] = {}

    def prepare(self, source: str, **options: object) -> converters.Prepared:
        asked = ModelSource(source=source, **options)
        if asked not in self._prepared:
            self._prepared[asked] = converters.prepare(asked, root=self.folder, workshop=self.workshop)
        return self._prepared[asked]

    def convert(self, source: str, runtime: Runtime, recipe: str, **options: object) -> Variant:
        prepared = self.prepare(source, **options)
        return converters.convert(prepared, runtime, recipes.parse(recipe), workshop=self.workshop)

    def refusal(self, source: str) -> SourceError:
        with pytest.raises(SourceError) as refused:
            self.prepare(source)
        assert refused.value.remedy
        return refused.value


@pytest.fixture(scope="session")
def kitchen(tmp_path_factory: pytest.TempPathFactory, project: Path) -> Kitchen:
    return Kitchen(tmp_path_factory.mktemp("keras"), project)


def test_a_python_file_needs_nothing_but_a_keras_model(kitchen: Kitchen) -> None:
    model = kitchen.prepare("net.py").model
    assert model.format == "keras-python"
    assert [(spec.name, spec.shape, spec.dtype) for spec in model.inputs] == [("image", (1, 16, 16, 3), "float32")]
    assert (model.calibration_samples, model.evaluation_samples, model.metric) == (16, 12, "accuracy")
    assert model.operators["BatchNormalization"] == 2
    assert not model.random_weights
    assert any("get_args()" in note for note in model.notes)


@pytest.mark.parametrize(
    ("runtime", "recipe"), [("tflite", "fp32"), ("tflite", "static_wi8_ai8"), ("executorch", "fp32")]
)
def test_a_keras_model_is_the_same_in_both_runtimes(kitchen: Kitchen, runtime: Runtime, recipe: str) -> None:
    variant = kitchen.convert("net.py", runtime, recipe)
    assert variant.failure is None
    assert variant.warnings == ()
    held = variant.contents
    assert held is not None
    assert held.inputs[0].shape == (1, 16, 16, 3)
    inputs, expected = numerics.of_prepared(Path(kitchen.prepare("net.py").folder))
    got = [engines.open_build(Path(variant.path)).run(arrays) for arrays in inputs]
    assert numerics.compare(got, expected).relative < (1e-5 if recipe == "fp32" else 0.3)


def test_on_executorch_one_delegate_takes_the_whole_keras_model(kitchen: Kitchen) -> None:
    held = kitchen.convert("net.py", "executorch", "fp32").contents
    assert held is not None
    assert held.delegates == {"XnnpackBackend": 1}
    assert held.left_operators == {}


def test_tensorflow_and_torch_live_in_different_children(kitchen: Kitchen) -> None:
    folder = Path(kitchen.prepare("net.py").folder)
    task = converters.job.ConvertJob(
        path="", format="keras", prepared=str(folder), runtime="executorch", recipe=recipes.parse("fp32"), folder=""
    )
    assert environment(task)["KERAS_BACKEND"] == "torch"
    log = (Path(kitchen.workshop.logs) / "convert-executorch-fp32.log").read_text()
    assert "tensorflow" not in log.lower()


def test_one_training_by_the_toolkit_gives_zeros_clusters_and_integers(kitchen: Kitchen) -> None:
    variant = kitchen.convert("net.py", "tflite", PCQAT)
    assert variant.failure is None
    assert [result.step for result in variant.history] == ["prune(0.5)", "cluster(16)", "qat"]
    assert variant.history[0].facts["sparsity"] == 0.5
    assert variant.contents is not None
    pointwise = [weight for weight in variant.contents.weights if weight.shape[1:3] == (1, 1) or len(weight.shape) == 2]
    assert len(pointwise) == 3
    for weight in pointwise:
        assert weight.dtype == "int8"
        assert weight.distinct <= 16
        assert weight.zeros / weight.elements == pytest.approx(0.5, abs=0.15)
    stored = list(Path(kitchen.workshop.cache, shaping.KIND).glob("*/*/model.keras"))
    assert len(stored) == 1  # what ExecuTorch builds of the same steps start from


def test_a_file_of_the_older_generation_goes_over_to_the_newer_one(kitchen: Kitchen) -> None:
    prepared = kitchen.prepare("old.h5")
    facts = read_facts(Path(prepared.folder))
    assert (prepared.model.format, facts.generation, facts.unbridged) == ("keras", "tf_keras", "")
    assert prepared.model.inputs[0].shape == (1, 8, 8, 2)
    assert any("bare model file" in note for note in prepared.model.notes)
    assert zipfile.is_zipfile(Path(prepared.folder) / "model.keras")
    failure = converters.convert(prepared, "tflite", recipes.parse("static_wi8_ai8"), workshop=kitchen.workshop).failure
    assert failure is not None
    assert "calibration" in failure.reason


def test_a_savedmodel_keeps_the_order_of_its_inputs_and_an_open_batch(kitchen: Kitchen) -> None:
    prepared = kitchen.prepare("saved", dynamic_batch=True)
    variant = kitchen.convert("saved", "tflite", "fp32", dynamic_batch=True)
    assert variant.failure is None
    assert [spec.name for spec in prepared.model.inputs] == ["alpha", "zeta"]
    assert [spec.shape for spec in contents.read(Path(variant.path)).inputs] == [(-1, 3), (-1, 4)]
    assert [spec.shape for spec in prepared.model.outputs] == [(1, 2), (1, 5)]
    assert variant.warnings == ()  # compared with TensorFlow's own outputs, one by one


def test_a_savedmodel_has_no_layers_for_executorch_and_says_so(kitchen: Kitchen) -> None:
    for recipe in ("fp32", "prune(0.5)+fp32"):
        failure = kitchen.convert("saved", "executorch", recipe, dynamic_batch=True).failure
        assert failure is not None
        assert failure.unsupported
        assert "without layers" in failure.reason


@pytest.mark.parametrize("recipe", ["channels(0.5)+fp32", "lowrank(0.5)+fp32", "distill(teacher.py)+fp32"])
def test_steps_that_the_toolkit_has_not_got_are_rows_that_say_so(kitchen: Kitchen, recipe: str) -> None:
    failure = kitchen.convert("net.py", "tflite", recipe).failure
    assert failure is not None
    assert failure.unsupported
    assert "prune, cluster, qat" in failure.reason


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("lambda.h5", ("Lambda layer `leak`", "was not run")),
        ("mixed.keras", ("`half`", "mixed_float16")),
        ("weights.weights.h5", ("weights without the model",)),
        ("bare", ("has no signatures",)),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(kitchen: Kitchen, source: str, words: tuple[str, ...]) -> None:
    refused = kitchen.refusal(source)
    assert all(word in refused.message for word in words)
    assert not (kitchen.folder / "ran").exists()


def test_a_layer_without_its_code_or_from_the_future_gets_the_reason_of_both_generations(kitchen: Kitchen) -> None:
    with (
        zipfile.ZipFile(kitchen.folder / "own.keras") as old,
        zipfile.ZipFile(kitchen.folder / "newer.keras", "w") as new,
    ):
        for name in old.namelist():
            metadata = json.dumps({**json.loads(old.read(name)), "keras_version": "99.0.0"}) if "meta" in name else None
            new.writestr(name, metadata or old.read(name))
    refused = kitchen.refusal("newer.keras")
    assert "Keras 3." in refused.message
    assert "tf_keras 2." in refused.message
    assert "99.0.0" in refused.message
    assert "`Own`" in refused.message
    assert "get_model()" in refused.remedy


def test_a_torch_model_may_import_keras_too(
    prepare: Callable[..., converters.Prepared],
) -> None:
    prepared = prepare(
        "import torch\ntry:\n    import keras\nexcept ImportError:\n    keras = None\n"
        "def get_model():\n    return torch.nn.Linear(4, 2)\n"
        "def get_args():\n    return (torch.ones(1, 4),)\n"
    )
    assert prepared.model.format == "python"
    assert np.prod(prepared.model.outputs[0].shape) == 2
