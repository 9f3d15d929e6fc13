"""One Keras network in many builds: what quantization, pruning, clustering and their combinations leave of it.

    python benchmarks/keras_table.py WORK_FOLDER [PATTERN]

The network (models/keras_cnn.py) is trained once into WORK_FOLDER; everything made there is found again by the next
run, so that the table may be made in pieces: PATTERN picks builds, as in `executorch/*`. A row says the file's bytes,
what a store download of it costs, the accuracy on 2,000 test images (standard error about 0.7 points), the share of
zeros and the most distinct values in any dense or convolution kernel. Prints the table of docs/keras.md.
"""

from __future__ import annotations

import fnmatch
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import converters
from converters import engines, recipes
from harness.records import ModelSource, Runtime, Schedule, Training, Variant

SOURCE = Path(__file__).parent / "models" / "keras_cnn.py"
TRAINING = Training(epochs=3, batch_size=64, learning_rate=1e-3, schedule=Schedule(end=0.6))
COMPRESSED = (
    "prune(0.8)",
    "prune(2:4)",
    "cluster(16)",
    "prune(0.8)+cluster(16)",
    "qat",
    "prune(0.8)+qat",
    "cluster(16)+qat",
    "prune(0.8)+cluster(16)+qat",
)
RECIPES: tuple[tuple[Runtime, str], ...] = (
    ("tflite", "fp32"),
    ("tflite", "fp16"),
    ("tflite", "dynamic_wi8_afp32"),
    ("tflite", "static_wi8_ai8"),
    ("tflite", "static_wi8_ai16"),
    ("tflite", "weight_only_wi8_afp32"),
    ("tflite", "weight_only_wi4_afp32"),
    ("tflite", "prune(0.8)+fp32"),
    *(("tflite", f"{steps}+static_wi8_ai8") for steps in COMPRESSED),
    ("executorch", "fp32"),
    ("executorch", "static_wi8_ai8"),
    ("executorch", "prune(0.8)+static_wi8_ai8"),
    ("executorch", "prune(0.8)+cluster(16)+qat+static_wi8_ai8"),
)


def main(folder: Path, pattern: str = "*") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(SOURCE, folder / SOURCE.name)
    if not (folder / "keras_cnn.keras").exists():
        subprocess.run([sys.executable, SOURCE.name], cwd=folder, check=True)
    shop = converters.Workshop(cache=str(folder / "cache"), logs=str(folder / "logs"), training=TRAINING)
    source = ModelSource(source=SOURCE.name, calibration_samples=200, evaluation_samples=2000)
    prepared = converters.prepare(source, root=folder, workshop=shop)
    print("| build | file kB | download kB | accuracy | zeros | distinct values |\n|---|---|---|---|---|---|")
    for runtime, recipe in RECIPES:
        if fnmatch.fnmatchcase(f"{runtime}/{recipe}", pattern):
            variant = converters.convert(prepared, runtime, recipes.parse(recipe), workshop=shop)
            print(_row(variant, Path(prepared.folder)), flush=True)


def _row(variant: Variant, prepared: Path) -> str:
    if variant.failure is not None or variant.contents is None:
        return f"| {variant.id} | {variant.failure.reason if variant.failure else ''} | | | | |"
    held = variant.contents
    distinct = max((tensor.distinct for tensor in held.weights if 3 not in tensor.shape), default=0)
    return (
        f"| {variant.id} | {held.size_bytes / 1000:.1f} | {held.download_bytes / 1000:.1f} | "
        f"{_accuracy(Path(variant.path), prepared):.4f} | {held.sparsity:.2f} | {distinct} |"
    )


def _accuracy(path: Path, prepared: Path) -> float:
    engine = engines.open_build(path)
    right = [engine.run([image])[0].argmax() == label for image, label in _samples(prepared)]
    return float(np.mean(right))


def _samples(prepared: Path) -> Iterator[tuple[np.ndarray, int]]:
    images, labels = (np.load(prepared / "evaluation" / name) for name in ("input_0.npy", "labels.npy"))
    yield from zip(images, labels.tolist(), strict=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
