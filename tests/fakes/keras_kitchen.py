"""A folder of Keras models and one user's file around one of them, and what converters do with them."""

from __future__ import annotations

from pathlib import Path

import msgspec

import converters
from converters import job, recipes, shaping, worker
from converters.workshop import Prepared
from harness.records import ModelSource, Runtime, Schedule, Training, Variant

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
TRAINING = Training(epochs=1, batch_size=16, schedule=Schedule(frequency=2), hints=("stem=features",))


class Kitchen:
    """The files of tests/fakes/keras_files.py. prepare(), convert() and shape() by child processes, each thing once."""

    def __init__(self, folder: Path) -> None:
        from tests.fakes import keras_files

        keras_files.write(folder)
        (folder / "net.py").write_text(DATA)
        self.folder = folder
        self.workshop = converters.Workshop(cache=str(folder / "cache"), logs=str(folder / "logs"), training=TRAINING)
        self._jobs = 0

    def prepare(self, source: str = "net.py") -> Prepared:
        return converters.prepare(ModelSource(source=source), root=self.folder, workshop=self.workshop)

    def convert(self, runtime: Runtime, recipe: str, source: str = "net.py") -> Variant:
        return converters.convert(self.prepare(source), runtime, recipes.parse(recipe), workshop=self.workshop)

    def shape(self, steps: str, source: str = "net.py") -> shaping.Shaped:
        """The compression steps of a recipe alone, without a build."""
        parsed = recipes.compressions(recipes.parse(f"{steps}+static_wi8_ai8"))
        return shaping.shape(self.prepare(source), parsed, workshop=self.workshop)

    def answer(self, task: job.Job) -> job.Answer:
        """What a child would answer."""
        (self.folder / "job.json").write_bytes(msgspec.json.encode(task))
        assert worker.main([str(self.folder / "job.json")]) == 0
        return msgspec.json.decode((self.folder / job.ANSWER).read_bytes(), type=job.Answer)

    def look(self, name: str, format_: str, generation: str = "keras", **options: object) -> job.PrepareJob:
        self._jobs += 1
        folder = self.folder / f"looked-{self._jobs}"
        folder.mkdir()
        return job.PrepareJob(
            source=ModelSource(source=name, **options),
            path=str(self.folder / name),
            format=format_,
            root=str(self.folder),
            folder=str(folder),
            generation=generation,
        )

    def reason(self, name: str, format_: str = "keras", generation: str = "keras") -> str:
        failure = self.answer(self.look(name, format_, generation)).failure
        assert failure is not None and failure.remedy
        return failure.reason
