"""Who quantizes a Keras network better: TensorFlow's converter or LiteRT's quantizer? Same weights, same samples.

    python benchmarks/keras_quantizers.py WORK_FOLDER     after keras_table.py WORK_FOLDER 'tflite/*'

Per recipe both files' bytes, download bytes and accuracy on 2,000 test images. The last rows are one training with
quantization simulated: TensorFlow converts the simulating graph with the ranges it learned, LiteRT's quantizer takes
the trained float weights and finds the ranges in calibration samples. docs/keras.md says what followed from it.
"""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
from keras_table import SOURCE, TRAINING, _accuracy

import converters
from converters import job, keras_export, recipes
from converters.keras_compress import folding, preserving
from converters.keras_compress import shape as shaping
from converters.keras_compress.studio import Studio
from harness.records import ModelSource, Step


def main(folder: Path) -> None:
    shop = converters.Workshop(cache=str(folder / "cache"), logs=str(folder / "logs"), training=TRAINING)
    source = ModelSource(source=SOURCE.name, calibration_samples=200, evaluation_samples=2000)
    prepared = converters.prepare(source, root=folder, workshop=shop)
    home = Path(prepared.folder)
    print("| recipe | who | file bytes | download bytes | accuracy |\n|---|---|---|---|---|")
    for name, settings in SETTINGS.items():
        converter = tf.lite.TFLiteConverter.from_saved_model(str(home / keras_export.SAVED_MODEL))
        settings(converter, home)
        _print(name, "TensorFlow", _written(folder, converter.convert()), home)
        ours = converters.convert(prepared, "tflite", recipes.parse(name), workshop=shop)
        _print(name, "LiteRT", Path(ours.path), home)
    _print("qat+static_wi8_ai8", "TensorFlow", _written(folder, _trained(prepared, folder)), home)
    ours = converters.convert(prepared, "tflite", recipes.parse("qat+static_wi8_ai8"), workshop=shop)
    _print("qat+static_wi8_ai8", "LiteRT", Path(ours.path), home)


def _fp16(converter: Any, _: Path) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]


def _dynamic(converter: Any, _: Path) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]


def _static(converter: Any, home: Path) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    samples = np.load(home / "calibration" / "input_0.npy")
    converter.representative_dataset = lambda: ([sample] for sample in samples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]


def _static16(converter: Any, home: Path) -> None:
    _static(converter, home)
    wide = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    converter.target_spec.supported_ops = [wide]


SETTINGS: dict[str, Callable[[Any, Path], None]] = {
    "fp16": _fp16,
    "dynamic_wi8_afp32": _dynamic,
    "static_wi8_ai8": _static,
    "static_wi8_ai16": _static16,
}


def _trained(prepared: converters.Prepared, folder: Path) -> bytes:
    """The same training as the recipe's, converted with its simulation in it."""
    task = job.ShapeJob(
        path=prepared.path,
        format=prepared.model.format,
        prepared=prepared.folder,
        steps=(Step(name="qat"),),
        training=TRAINING,
        seed=0,
        folder=str(folder),
        checkpoints="",
        store=str(folder),
    )
    os.chdir(folder)
    studio = Studio(task, shaping._source(task), shaping._module(task))
    model = folding.with_clamps_apart(folding.fold(studio.reference))
    annotated = tfmot.quantization.keras.quantize_annotate_model(model)
    simulated = tfmot.quantization.keras.quantize_apply(annotated, preserving.scheme(pruned=False, clustered=False))
    studio.train(simulated, "qat")
    converter = tf.lite.TFLiteConverter.from_keras_model(simulated)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return bytes(converter.convert())


def _written(folder: Path, data: bytes) -> Path:
    path = folder / "tensorflow.tflite"
    path.write_bytes(data)
    return path


def _print(recipe: str, who: str, path: Path, home: Path) -> None:
    data = path.read_bytes()
    print(
        f"| {recipe} | {who} | {len(data)} | {len(zlib.compress(data, 9))} | {_accuracy(path, home):.4f} |", flush=True
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
