"""A Keras network that has learned a little, and studios to go on with it. Imports TensorFlow."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from converters import job, recipes, samples
from converters.keras_compress import cluster, prune, qat, shape
from converters.keras_compress.studio import Studio
from converters.workshop import Facts, write_facts
from harness.records import Model, Schedule, TensorSpec, Training

APPLY = {"prune": prune.apply, "cluster": cluster.apply, "qat": qat.apply}
SPEC = TensorSpec(name="x", shape=(1, 12), dtype="float32")


def data() -> tuple[np.ndarray, np.ndarray]:
    inputs = np.random.default_rng(0).normal(size=(200, 12)).astype("float32")
    return inputs, (inputs[:, :4].argmax(1)).astype("int64")


def done(studio: Studio, model: Any) -> Any:
    """The last of the studio's steps."""
    step = studio.steps[-1]
    return APPLY[step.name](model, step, studio)


def exploding(after: int) -> Any:
    """A get_loss() whose loss is no number after so many steps."""
    calls = tf.Variable(0)

    def loss(outputs: Any, labels: Any) -> Any:
        value = tf.reduce_mean(tf_keras.losses.sparse_categorical_crossentropy(labels, outputs, from_logits=True))
        return tf.where(calls.assign_add(1) > after, float("nan"), value)

    return lambda: loss


class Pupil:
    """A network of two dense layers which has learned a little, and studios to go on with it."""

    def __init__(self, folder: Path) -> None:
        tf_keras.utils.set_random_seed(0)
        self._folder = folder
        self._model = tf_keras.Sequential(
            [
                tf_keras.layers.Input((12,), name="x"),
                tf_keras.layers.Dense(16, activation="relu", name="hidden"),
                tf_keras.layers.Dense(4, name="head"),
            ]
        )
        self._model.compile("adam", tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        self._model.fit(*data(), epochs=15, verbose=0)
        samples.write_all(folder / "evaluation", "input", [[row[None]] for row in data()[0][:4]])
        model = Model(name="pupil", source="pupil.py", format="keras-python", fingerprint="", inputs=(SPEC,))
        write_facts(folder, Facts(model=model))

    def model(self) -> Any:
        return shape.copied(self._model)

    def studio(self, steps: str, checkpoints: Path, functions: dict[str, Any] | None = None, **changes: Any) -> Studio:
        """A studio for the steps of a recipe; functions: of the model's file; changes: of the training."""
        settings = {"epochs": 4.0, "batch_size": 40, "validation_samples": 40, "schedule": Schedule(frequency=1)}
        task = job.ShapeJob(
            path=str(self._folder / "pupil.py"),
            format="keras-python",
            prepared=str(self._folder),
            steps=recipes.compressions(recipes.parse(f"{steps}+static_wi8_ai8")),
            training=Training(**{**settings, **changes}),
            seed=0,
            folder=str(checkpoints),
            checkpoints=str(checkpoints),
            store=str(checkpoints),
        )
        module = ModuleType("pupil")
        for name, function in {"get_training_data": data, **(functions or {})}.items():
            setattr(module, name, function)
        return Studio(task, self._model, module)
