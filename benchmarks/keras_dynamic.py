"""Dynamic int8 of Keras networks: TensorFlow's converter beside LiteRT's quantizer, and which layers are worth it.

    python benchmarks/keras_dynamic.py WORK_FOLDER [ROUNDS]

The four networks of MLPerf Tiny. Per network and file: bytes, mean cosine to the original's outputs on 200 samples, and
time per call (one thread, all files in turn, ROUNDS rounds of 30 calls) as a ratio to the float file's in the same
round: median and its 99 % interval. The product's file leaves depthwise layers and layers of fewer than 1,024 weights
in float; beside it stands the quantizer's own recipe, which quantizes all. Leaves results/keras_dynamic.json;
keras_page.py makes of it what stands in docs/keras.md. 2 minutes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import keras_quantizers
import numpy as np
import tensorflow as tf
from ai_edge_quantizer import quantizer, recipe

import converters
from converters import keras_export, recipes
from harness.records import ModelSource
from harness.stats import quantile_interval

RESULTS = Path(__file__).parent / "results" / "keras_dynamic.json"
NETWORKS = {
    "model.py": "ResNet-8",
    "keyword_spotting.py": "DS-CNN",
    "visual_wake_words.py": "MobileNet v1",
    "anomaly_detection.py": "autoencoder",
}
CALLS, CONFIDENCE = 30, 0.99
FLOAT = "float"


def main(folder: Path, rounds: int) -> None:
    shop = converters.Workshop(cache=str(folder / "cache"), logs=str(folder / "logs"))
    found = {called: _network(name, folder, shop, rounds) for name, called in NETWORKS.items()}
    RESULTS.write_text(json.dumps({"rounds": rounds, "networks": found}, indent=1) + "\n")
    print(RESULTS.read_text())


def _network(name: str, folder: Path, shop: converters.Workshop, rounds: int) -> dict[str, Any]:
    source = ModelSource(source=name, evaluation_samples=200)
    prepared = converters.prepare(source, root=keras_quantizers.TINY, workshop=shop)
    home = Path(prepared.folder)
    files = {
        who: Path(converters.convert(prepared, "tflite", recipes.parse(what), workshop=shop).path)
        for who, what in ((FLOAT, "fp32"), ("pocketbench", "dynamic_wi8_afp32"))
    }
    files["TensorFlow"] = _by_tensorflow(home, folder / f"{name}-tensorflow.tflite")
    files["LiteRT, all layers"] = _all_layers(files[FLOAT], folder / f"{name}-all.tflite")
    took = keras_quantizers.times(files, home, rounds, CALLS)
    return {who: _figures(path, home, np.divide(took[who], took[FLOAT])) for who, path in files.items()}


def _figures(path: Path, home: Path, ratios: np.ndarray) -> dict[str, Any]:
    low, high = quantile_interval(ratios, 0.5, CONFIDENCE)
    return {
        "file_bytes": path.stat().st_size,
        "cosine": keras_quantizers.cosine(path, home),
        "time_to_float": [round(float(each), 4) for each in (np.median(ratios), low, high)],
    }


def _by_tensorflow(home: Path, target: Path) -> Path:
    converter = tf.lite.TFLiteConverter.from_saved_model(str(home / keras_export.SAVED_MODEL))
    keras_quantizers.dynamic(converter, home)
    target.write_bytes(converter.convert())
    return target


def _all_layers(source: Path, target: Path) -> Path:
    """By the quantizer's own recipe for this."""
    target.unlink(missing_ok=True)
    tool = quantizer.Quantizer(str(source), recipe.dynamic_wi8_afp32())
    tool.quantize(enable_progress_report=False).export_model(str(target))
    return target


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 40)
