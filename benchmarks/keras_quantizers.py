"""Who quantizes a Keras network better: TensorFlow's converter or LiteRT's quantizer? Same weights, same samples.

    python benchmarks/keras_quantizers.py WORK_FOLDER [ROUNDS]      after keras_table.py WORK_FOLDER 'tflite/*'

Per recipe both files' bytes, zipped bytes, accuracy on 2,000 test images and time per call (median of ROUNDS times 200
calls, one thread, all files in turn). The last recipe is one training with quantization simulated: TensorFlow converts
the simulating graph with the ranges it learned, LiteRT's quantizer takes the trained float weights and finds the ranges
in calibration samples. Then two networks of MLPerf Tiny in static int8, by cosine to the original's outputs: also with
LiteRT's own way to find ranges, a moving average over the samples, where the product takes their extremes. Leaves
results/keras_quantizers.json; keras_page.py makes of it what stands in docs/keras.md. 5 minutes, most of them the one
training that only TensorFlow's side needs.
"""

from __future__ import annotations

import json
import os
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
from ai_edge_quantizer import quantizer
from ai_edge_quantizer.qtyping import QuantGranularity
from keras_table import TRAINING, accuracy, prepare

import converters
from converters import engines, job, keras_export, recipes, tflite
from converters.keras_compress import folding, preserving
from converters.keras_compress import shape as shaping
from converters.keras_compress.studio import Studio
from harness.records import ModelSource, Step

RESULTS = Path(__file__).parent / "results" / "keras_quantizers.json"
TINY = Path(__file__).resolve().parent.parent / "examples" / "keras_mlperf_tiny"
NETWORKS = {"model.py": "ResNet-8", "keyword_spotting.py": "DS-CNN"}
CALLS = 200
QAT = "qat+static_wi8_ai8"


def main(folder: Path, rounds: int) -> None:
    prepared, shop = prepare(folder)
    home, made = Path(prepared.folder), folder / "tensorflow"
    made.mkdir(exist_ok=True)
    files: dict[str, Path] = {}
    for name, settings in SETTINGS.items():
        converter = tf.lite.TFLiteConverter.from_saved_model(str(home / keras_export.SAVED_MODEL))
        settings(converter, home)
        files[f"TensorFlow {name}"] = _written(made / f"{name}.tflite", converter.convert())
    files[f"TensorFlow {QAT}"] = _trained(prepared, folder, made / f"{QAT}.tflite")
    for name in (*SETTINGS, QAT):
        variant = converters.convert(prepared, "tflite", recipes.parse(name), workshop=shop)
        files[f"LiteRT {name}"] = Path(variant.path)
    took = {name: float(np.median(each)) for name, each in times(files, home, rounds).items()}
    found = {name: {**_figures(path, home), "us_per_call": round(took[name], 1)} for name, path in files.items()}
    alike = {called: _alike(name, folder, shop) for name, called in NETWORKS.items()}
    RESULTS.write_text(json.dumps({"rounds": rounds, "builds": found, "alike": alike}, indent=1) + "\n")
    print(RESULTS.read_text())


def _alike(name: str, folder: Path, shop: converters.Workshop) -> dict[str, float]:
    """Mean cosine of a network's static int8 builds to the original, by who quantized and found the ranges."""
    source = ModelSource(source=name, calibration_samples=100, evaluation_samples=200)
    prepared = converters.prepare(source, root=TINY, workshop=shop)
    home, target = Path(prepared.folder), folder / "alike.tflite"
    converter = tf.lite.TFLiteConverter.from_saved_model(str(home / keras_export.SAVED_MODEL))
    _static(converter, home)
    found = {"TensorFlow": cosine(_written(target, converter.convert()), home)}
    for who, recipe in (("LiteRT, extremes", "static_wi8_ai8"), ("float", "fp32")):
        variant = converters.convert(prepared, "tflite", recipes.parse(recipe), workshop=shop)
        found[who] = cosine(Path(variant.path), home)
    tool = quantizer.Quantizer(variant.path, tflite._static(8, QuantGranularity.CHANNELWISE))
    rows = tflite._calibration(Path(variant.path), home)
    ranges = tool.calibrate({"serving_default": rows}, num_threads=1)
    target.unlink()
    tool.quantize(ranges, enable_progress_report=False).export_model(str(target))
    found["LiteRT, moving average"] = cosine(target, home)
    return found


def cosine(path: Path, home: Path) -> float:
    engine = engines.open_build(path)
    images, wanted = (np.load(home / name) for name in ("evaluation/input_0.npy", "reference/output_0.npy"))
    outputs = [engine.run([image])[0].ravel().astype(np.float64) for image in images]
    pairs = zip(outputs, wanted.reshape(len(wanted), -1), strict=True)
    return float(np.mean([ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs) for ours, theirs in pairs]))


def _figures(path: Path, home: Path) -> dict[str, Any]:
    data = path.read_bytes()
    zipped = len(zlib.compress(data, 9))
    return {"file_bytes": len(data), "zipped_bytes": zipped, "accuracy": accuracy(path, home)}


def times(files: dict[str, Path], home: Path, rounds: int, calls: int = CALLS) -> dict[str, list[float]]:
    """Microseconds per call of each file, one figure per round; the files take turns in each."""
    from ai_edge_litert.interpreter import Interpreter

    image = np.load(home / "evaluation" / "input_0.npy")[0]
    engines = {}
    for name, path in files.items():
        engines[name] = Interpreter(str(path), num_threads=1)
        engines[name].allocate_tensors()
        engines[name].set_tensor(engines[name].get_input_details()[0]["index"], image)
        engines[name].invoke()
    means: dict[str, list[float]] = {name: [] for name in files}
    for _ in range(rounds):
        for name, engine in engines.items():
            started = time.perf_counter()
            for _ in range(calls):
                engine.invoke()
            means[name].append((time.perf_counter() - started) / calls * 1e6)
    return means


def _fp16(converter: Any, _: Path) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]


def dynamic(converter: Any, _: Path) -> None:
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
    "dynamic_wi8_afp32": dynamic,
    "static_wi8_ai8": _static,
    "static_wi8_ai16": _static16,
}


def _trained(prepared: converters.Prepared, folder: Path, target: Path) -> Path:
    """The same training as the recipe's, converted with its simulation in it; made once."""
    if target.exists():
        return target
    task = job.ShapeJob(
        path=prepared.path,
        format=prepared.model.format,
        prepared=prepared.folder,
        steps=(Step(name="qat"),),
        training=TRAINING,
        seed=0,
        folder=str(folder),
        checkpoints=str(target.parent),
        store=str(folder),
    )
    os.chdir(folder)
    studio = Studio(task, shaping._source(task), shaping._module(task))
    model = folding.with_clamps_apart(folding.fold(studio.reference))
    annotated = tfmot.quantization.keras.quantize_annotate_model(model)
    simulated = tfmot.quantization.keras.quantize_apply(annotated, preserving.scheme(pruned=False, clustered=False))
    studio.train(simulated, studio.plan("qat"))
    converter = tf.lite.TFLiteConverter.from_keras_model(simulated)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return _written(target, bytes(converter.convert()))


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 20)
