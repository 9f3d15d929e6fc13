"""Keras models in recipes that TensorFlow's toolkit has not got: done on torch, for both runtimes."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.records import Runtime
from tests.fakes.keras_kitchen import DATA, Kitchen

pytestmark = pytest.mark.runtimes

# Somebody's larger network for the same images.
TEACHER = """
import keras


def get_model():
    keras.utils.set_random_seed(5)
    return keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            keras.layers.Conv2D(32, 3, strides=2, padding="same", activation="relu", name="features"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(10),
        ]
    )
"""
LOSS = """

def get_loss():
    def loss(outputs, labels):
        print("the loss of Keras was called")
        return {loss}(labels, outputs, from_logits=True)
    return loss


def train(model, after_step):
    raise AssertionError
"""
ON_TORCH = "channels(0.2)+distill(teacher.py)"


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory: pytest.TempPathFactory) -> Kitchen:
    kitchen = Kitchen(tmp_path_factory.mktemp("keras"))
    (kitchen.folder / "teacher.py").write_text(TEACHER)
    return kitchen


@pytest.mark.parametrize("runtime", ["tflite", "executorch"])
def test_steps_that_the_toolkit_has_not_got_are_done_on_torch_for_both_runtimes(
    kitchen: Kitchen, runtime: Runtime
) -> None:
    variant, whole = kitchen.convert(runtime, f"{ON_TORCH}+fp32"), kitchen.convert("tflite", "fp32").contents
    assert variant.failure is None
    assert [result.step for result in variant.history] == ON_TORCH.split("+")
    lost = variant.history[0].facts["removed_channels"]
    assert lost["stem"] == lost["pointwise"] == lost["spatial"] > 0, "the shortcut ties them together"
    assert not [warning for warning in variant.warnings if "differ" in warning or "batches" in warning]
    assert whole is not None and variant.contents is not None
    assert variant.contents.macs < 0.9 * whole.macs
    kept = [(spec.shape, spec.dtype) for spec in variant.contents.inputs]
    assert kept == [(spec.shape, spec.dtype) for spec in kitchen.prepare().model.inputs], "the layout stays"
    if runtime == "tflite":
        assert variant.contents.inputs == whole.inputs, "names too"
    assert variant.contents.left_operators == {}


def test_one_training_on_torch_serves_both_runtimes_and_every_quantization(kitchen: Kitchen) -> None:
    recipe = "prune(0.5,global)+cluster(16)+qat+static_wi8_ai8"
    for runtime in ("tflite", "executorch"):
        variant = kitchen.convert(runtime, recipe)
        assert variant.failure is None
        assert variant.history[2].facts["layers"] == 5
        assert variant.contents is not None
        pointwise = [weight for weight in variant.contents.weights if weight.elements in (256, 1024, 640)]
        assert all(weight.dtype == "int8" and weight.distinct <= 16 for weight in pointwise) and len(pointwise) == 3
    log = Path(kitchen.workshop.logs, "shape-prune(0.5,global)+cluster(16)+qat.log")
    log.unlink()
    assert (Path(kitchen.shape("prune(0.5,global)+cluster(16)+qat").folder) / "model.pt2").exists()
    assert not log.exists(), "it was not trained again"


def test_a_bare_file_loses_channels_without_training_and_says_so(kitchen: Kitchen) -> None:
    shaped = kitchen.shape("channels(0.2)", "net.keras")
    assert shaped.failure is None
    assert any("nothing was trained" in warning for warning in shaped.warnings)
    assert shaped.history[0].facts["removed_channels"]


def test_a_bare_file_whose_layers_ask_for_tensorflow_goes_over(kitchen: Kitchen) -> None:
    variant = kitchen.convert("executorch", "fp32", "scaled.keras")
    assert (variant.failure, variant.warnings) == (None, ())


def test_the_users_keras_loss_is_trained_on_torch_and_train_is_not_called(kitchen: Kitchen) -> None:
    backend = "import os\nos.environ['KERAS_BACKEND'] = 'tensorflow'\n"  # as many a file begins
    (kitchen.folder / "lossy.py").write_text(
        backend + DATA + LOSS.format(loss="keras.losses.sparse_categorical_crossentropy")
    )
    shaped = kitchen.shape("prune(0.5,global)", "lossy.py")
    assert shaped.failure is None
    assert any("train() in the model's file was not called" in warning for warning in shaped.warnings)
    log = Path(kitchen.workshop.logs, "shape-prune(0.5,global).log").read_text()
    assert "the loss of Keras was called" in log


def test_a_loss_that_computes_with_tensorflow_alone_is_refused_where_torch_trains(kitchen: Kitchen) -> None:
    loss = LOSS.format(loss="__import__('tf_keras').losses.sparse_categorical_crossentropy")
    (kitchen.folder / "bound.py").write_text(DATA + loss)
    failure = kitchen.shape("prune(0.5,global)", "bound.py").failure
    assert failure is not None and failure.remedy
    assert "no tensor of torch" in failure.reason


def test_a_teacher_that_computes_with_tensorflow_alone_is_refused(kitchen: Kitchen) -> None:
    (kitchen.folder / "old_teacher.py").write_text(TEACHER.replace("keras", "tf_keras"))
    failure = kitchen.shape("distill(old_teacher.py)").failure
    assert failure is not None and failure.remedy
    assert "a tf_keras model computes with TensorFlow only" in failure.reason
