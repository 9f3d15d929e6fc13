"""Keras and TensorFlow sources with the real converters: both runtimes, both generations, and what is refused.

What one user would do goes through real child processes, once; the rest does the child's part in this process, since
TensorFlow takes longer to import than any of it takes to run.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import converters
from converters import building, contents, engines, job, numerics, recipes, samples, shaping, userfile
from converters.workshop import Prepared, read_facts
from harness.records import Runtime
from tests.fakes.keras_kitchen import Kitchen

pytestmark = pytest.mark.runtimes

# In his own file a Lambda is his to run; but its code cannot go over to torch.
LAMBDA = """
import keras


def get_model():
    return keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x * 2, name="twice")])
"""
SMALL = """
import keras
import numpy as np


def get_model():
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])


def get_calibration_data():
    return [np.full((1, 4), value, "float32") for value in np.linspace(-1, 1, 9)]


def get_evaluation_data():
    for value in np.linspace(-1, 1, 9):
        yield np.full((1, 4), value, "float32"), None
"""
PCQAT = "prune(0.5)+cluster(16)+qat+static_wi8_ai8"


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kitchen]:
    path = list(sys.path)
    yield Kitchen(tmp_path_factory.mktemp("keras"))
    sys.path[:] = path
    sys.modules.pop(userfile.MODULE, None)


def test_a_python_file_needs_nothing_but_a_keras_model(kitchen: Kitchen) -> None:
    model = kitchen.prepare().model
    assert model.format == "keras-python"
    assert [(spec.name, spec.shape, spec.dtype) for spec in model.inputs] == [("image", (1, 16, 16, 3), "float32")]
    assert (model.calibration_samples, model.evaluation_samples, model.metric) == (16, 12, "accuracy")
    assert model.operators["BatchNormalization"] == 2
    assert not model.random_weights
    assert any("get_args()" in note for note in model.notes)


@pytest.mark.parametrize(
    ("runtime", "recipe"),
    [("tflite", "fp32"), ("tflite", "static_wi8_ai8"), ("executorch", "fp32"), ("executorch", "static_wi8_ai8")],
)
def test_a_keras_model_is_the_same_in_both_runtimes(kitchen: Kitchen, runtime: Runtime, recipe: str) -> None:
    variant = kitchen.convert(runtime, recipe)
    assert variant.failure is None
    assert variant.warnings == ()
    held = variant.contents
    assert held is not None
    assert held.inputs[0].shape == (1, 16, 16, 3)
    inputs, expected = numerics.of_prepared(Path(kitchen.prepare().folder))
    got = [engines.open_build(Path(variant.path)).run(arrays) for arrays in inputs]
    assert numerics.compare(got, expected).relative < (1e-5 if recipe == "fp32" else 0.3)
    if runtime == "executorch":
        assert (held.delegates, held.left_operators) == ({"XnnpackBackend": 1}, {})


def test_each_child_has_one_framework(kitchen: Kitchen) -> None:
    common = {"path": "", "format": "keras", "prepared": "", "recipe": recipes.parse("fp32"), "folder": ""}
    for runtime, backend in (("executorch", "torch"), ("tflite", "tensorflow")):
        assert job.environment(job.ConvertJob(runtime=runtime, **common))["KERAS_BACKEND"] == backend


def test_one_training_by_the_toolkit_gives_zeros_clusters_and_integers(kitchen: Kitchen) -> None:
    variant = kitchen.convert("tflite", PCQAT)
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
    steps = recipes.compressions(recipes.parse(PCQAT))
    log = Path(kitchen.workshop.logs, "shape-prune(0.5)+cluster(16)+qat.log")
    log.unlink()
    assert shaping.shape(kitchen.prepare(), steps, workshop=kitchen.workshop).folder == str(stored[0].parent)
    assert not log.exists()  # it was not trained again


def test_a_file_of_the_older_generation_goes_over_to_the_newer_one(kitchen: Kitchen) -> None:
    assert kitchen.answer(kitchen.look("old.h5", "keras")).elsewhere == "tf_keras"
    task = kitchen.look("old.h5", "keras", "tf_keras")
    model = kitchen.answer(task).model
    facts = read_facts(Path(task.folder))
    assert (facts.generation, facts.unbridged) == ("tf_keras", "")
    assert model is not None
    assert model.inputs[0].shape == (1, 8, 8, 2)
    assert any("bare model file" in note for note in model.notes)
    assert zipfile.is_zipfile(Path(task.folder) / "model.keras")
    failure = building._refusal(prepared(task, model), "tflite", recipes.parse("static_wi8_ai8"))
    assert failure is not None and "calibration" in failure.reason


def prepared(task: job.PrepareJob, model: converters.job.Model) -> Prepared:
    return Prepared(model=model, key="", folder=task.folder, cached=False, seconds=0.0, path=task.path, root=task.root)


def test_a_savedmodel_keeps_the_order_of_its_inputs_and_an_open_batch_but_has_no_layers(kitchen: Kitchen) -> None:
    task = kitchen.look("saved", "savedmodel", dynamic_batch=True)
    model = kitchen.answer(task).model
    assert model is not None
    assert [spec.name for spec in model.inputs] == ["alpha", "zeta"]
    assert [spec.shape for spec in model.outputs] == [(1, 2), (1, 5)]
    common = {"path": task.path, "format": "savedmodel", "prepared": task.folder, "runtime": "tflite"}
    build = kitchen.answer(job.ConvertJob(recipe=recipes.parse("fp32"), folder=task.folder, **common)).build
    assert build is not None
    assert [spec.shape for spec in build.contents.inputs] == [(-1, 3), (-1, 4)]
    assert build.warnings == ()  # compared with TensorFlow's own outputs, one by one
    for recipe in ("fp32", "prune(0.5)+fp32"):
        failure = building._refusal(prepared(task, model), "executorch", recipes.parse(recipe))
        assert failure is not None
        assert failure.unsupported
        assert "without layers" in failure.reason


def test_what_cannot_go_over_to_torch_is_named_and_tflite_goes_on(kitchen: Kitchen) -> None:
    (kitchen.folder / "twice.py").write_text(LAMBDA)
    task = kitchen.look("twice.py", "keras-python")
    model = kitchen.answer(task).model
    assert model is not None
    failure = building._refusal(prepared(task, model), "executorch", recipes.parse("fp32"))
    assert failure is not None
    assert "`twice` is a Lambda" in failure.reason
    assert building._refusal(prepared(task, model), "tflite", recipes.parse("fp32")) is None
    common = {"path": task.path, "format": "keras-python", "prepared": task.folder, "runtime": "tflite"}
    build = kitchen.answer(job.ConvertJob(recipe=recipes.parse("fp32"), folder=task.folder, **common)).build
    assert build is not None and build.warnings == ()


def test_integers_go_in_and_out_where_the_user_wants_them(kitchen: Kitchen) -> None:
    (kitchen.folder / "small.py").write_text(SMALL)
    task = kitchen.look("small.py", "keras-python", integer_io=True)
    assert kitchen.answer(task).failure is None
    made: dict[str, str] = {}
    for recipe in ("fp32", "static_wi8_ai8"):
        folder = kitchen.folder / f"small-{recipe}"
        folder.mkdir()
        build = kitchen.answer(
            job.ConvertJob(
                **{"path": task.path, "format": "keras-python", "prepared": task.folder, "runtime": "tflite"},
                recipe=recipes.parse(recipe),
                folder=str(folder),
                float_build=made.get("fp32", ""),
            )
        ).build
        assert build is not None and build.warnings == ()
        made[recipe] = str(folder / build.file)
    held = contents.read(Path(made["static_wi8_ai8"]))
    assert [spec.dtype for spec in (*held.inputs, *held.outputs)] == ["int8", "int8"]
    assert held.inputs[0].scale == pytest.approx(2 / 255, rel=1e-3)  # all of what the samples span, no average of it
    engine = engines.open_build(Path(made["static_wi8_ai8"]))
    inputs = samples.read(Path(task.folder) / "evaluation", "input", 1)[0]
    assert engine.run(inputs)[0].dtype == np.int8


@pytest.mark.parametrize(
    ("name", "format_", "words"),
    [
        ("lambda.h5", "keras", ("Lambda layer `leak`", "was not run")),
        ("mixed.keras", "keras", ("`half`", "mixed_float16")),
        ("weights.weights.h5", "keras", ("weights without the model",)),
        ("bare", "savedmodel", ("has no signatures",)),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(
    kitchen: Kitchen, name: str, format_: str, words: tuple[str, ...]
) -> None:
    reason = kitchen.reason(name, format_)
    assert all(word in reason for word in words)
    assert not (kitchen.folder / "ran").exists()


def test_a_layer_without_its_code_or_from_the_future_gets_a_reason_of_each_generation(kitchen: Kitchen) -> None:
    with (
        zipfile.ZipFile(kitchen.folder / "own.keras") as old,
        zipfile.ZipFile(kitchen.folder / "newer.keras", "w") as new,
    ):
        config = old.read("config.json").replace(b"somebody>Own", b"somebody>Other").replace(b'"Own"', b'"Other"')
        new.writestr("config.json", config)
        new.writestr("metadata.json", json.dumps({"keras_version": "99.0.0"}))
        new.writestr("model.weights.h5", old.read("model.weights.h5"))
    newer = kitchen.reason("newer.keras", generation="keras")
    assert all(word in newer for word in ("Keras 3.", "99.0.0", "it knows no class `Other`"))
    older = kitchen.reason("newer.keras", generation="tf_keras")
    assert all(word in older for word in ("tf_keras 2.", "99.0.0", "InputLayer"))


def test_a_torch_model_in_a_file_that_imports_keras_is_a_torch_model(kitchen: Kitchen) -> None:
    (kitchen.folder / "other.py").write_text(
        "import keras\nimport torch\ndef get_model(): return torch.nn.Linear(4, 2)"
    )
    assert kitchen.answer(kitchen.look("other.py", "keras-python")).elsewhere == "python"
