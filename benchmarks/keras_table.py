"""One Keras network in many builds: what quantization, pruning, clustering, training for int8 and their combinations
leave of it.

    python benchmarks/keras_table.py WORK_FOLDER [PATTERN]

The network (models/keras_cnn.py) is trained once into WORK_FOLDER; everything made there is found again by the next
run, so that the table may be made in pieces: PATTERN picks builds, as in `executorch/*`. Of each build: bytes of the
file, zipped and packed, accuracy on 2,000 test images (standard error about 0.7 points), the share of zeros and the
most distinct values in any pointwise or dense kernel. Leaves results/keras_table.json; keras_page.py makes of it what
stands in docs/keras.md. Half an hour on two cores.
"""

from __future__ import annotations

import fnmatch
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import converters
from converters import engines, recipes
from harness.records import ModelSource, Runtime, Schedule, Training, Variant

RESULTS = Path(__file__).parent / "results" / "keras_table.json"
SOURCE = Path(__file__).parent / "models" / "keras_cnn.py"
TRAINING = Training(epochs=2, batch_size=64, learning_rate=1e-3, schedule=Schedule(end=0.6))
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
ON_TORCH = ("prune(0.8,global)", "channels(0.3)", "lowrank(0.3)", "channels(0.3)+prune(0.5)+cluster(16)+qat")
RECIPES: tuple[tuple[Runtime, str], ...] = (
    ("tflite", "fp32"),
    ("tflite", "fp16"),
    ("tflite", "dynamic_wi8_afp32"),
    ("tflite", "static_wi8_ai8"),
    ("tflite", "static_wi8_ai16"),
    ("tflite", "weight_only_wi8_afp32"),
    ("tflite", "weight_only_wi4_afp32"),
    ("tflite", "prune(0.8)+fp32"),
    ("tflite", "channels(0.3)+fp32"),
    *(("tflite", f"{steps}+static_wi8_ai8") for steps in (*COMPRESSED, *ON_TORCH)),
    ("executorch", "fp32"),
    ("executorch", "static_wi8_ai8"),
    ("executorch", "channels(0.3)+fp32"),
    *(
        ("executorch", f"{steps}+static_wi8_ai8")
        for steps in ("prune(0.8)", "cluster(16)", "qat", COMPRESSED[-1], *ON_TORCH)
    ),
)


def main(folder: Path, pattern: str = "*") -> None:
    prepared, shop = prepare(folder)
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for runtime, recipe in RECIPES:
        if fnmatch.fnmatchcase(f"{runtime}/{recipe}", pattern):
            variant = converters.convert(prepared, runtime, recipes.parse(recipe), workshop=shop)
            kept[variant.id] = _figures(variant, Path(prepared.folder))
            print(variant.id, kept[variant.id], flush=True)
            _write(kept)


def _write(kept: dict[str, Any]) -> None:
    """In the table's order; builds that it has no more are left out."""
    ids = [f"{runtime}/{recipe}" for runtime, recipe in RECIPES]
    RESULTS.write_text(json.dumps({id_: kept[id_] for id_ in ids if id_ in kept}, indent=1) + "\n")


def prepare(folder: Path) -> tuple[converters.Prepared, converters.Workshop]:
    """The network, trained unless it was before, and looked at."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(SOURCE, folder / SOURCE.name)
    if not (folder / "keras_cnn.keras").exists():
        subprocess.run([sys.executable, SOURCE.name], cwd=folder, check=True)
    shop = converters.Workshop(cache=str(folder / "cache"), logs=str(folder / "logs"), training=TRAINING)
    source = ModelSource(source=SOURCE.name, calibration_samples=200, evaluation_samples=2000)
    return converters.prepare(source, root=folder, workshop=shop), shop


def _figures(variant: Variant, prepared: Path) -> dict[str, Any]:
    if variant.failure is not None or variant.contents is None:
        return {"failure": variant.failure.reason if variant.failure else "no contents"}
    held = variant.contents
    dense = [tensor for tensor in held.weights if 3 not in tensor.shape]
    return {
        "file_bytes": held.size_bytes,
        "zipped_bytes": held.download_bytes,
        "packed_bytes": held.packed_bytes,
        "accuracy": accuracy(Path(variant.path), prepared),
        "zeros": round(held.sparsity, 4),
        "distinct": max((tensor.distinct for tensor in dense), default=0),
        "notes": [*variant.warnings, *(result.stopped for result in variant.history if result.stopped)],
    }


def accuracy(path: Path, prepared: Path) -> float:
    """Share of the evaluation samples that a build gets right."""
    engine = engines.open_build(path)
    right = [engine.run([image])[0].argmax() == label for image, label in _samples(prepared)]
    return float(np.mean(right))


def _samples(prepared: Path) -> Iterator[tuple[np.ndarray, int]]:
    images, labels = (np.load(prepared / "evaluation" / name) for name in ("input_0.npy", "labels.npy"))
    yield from zip(images, labels.tolist(), strict=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), *sys.argv[2:])
