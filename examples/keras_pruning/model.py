"""The network of the pruning guides: Flatten, Dense, Dense on 28x28 images, here Fashion-MNIST, in plain Keras.

Images: Debian package dataset-fashion-mnist (`apt-get install dataset-fashion-mnist`). Weights: `weights.npz`, made by
`python train.py`.
"""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np

WEIGHTS = Path(__file__).with_name("weights.npz")
FOLDER = Path(os.environ.get("FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
TRAINING, CALIBRATION, EVALUATION = 20_000, 200, 2_000


def build():
    import keras

    return keras.Sequential(
        [
            keras.Input((28, 28), name="image"),
            keras.layers.Flatten(),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dense(10),
        ]
    )


def get_model():
    model = build()
    with np.load(WEIGHTS) as kept:
        model.set_weights([kept[name] for name in kept.files])
    return model


def get_training_data():
    """Images [N, 28, 28] from 0 to 1 and their classes; the compression steps train on these."""
    images, labels = read("train", TRAINING)
    return images, labels


def get_calibration_data():
    images, _ = read("train", TRAINING + CALIBRATION)
    return [image[None] for image in images[TRAINING:]]


def get_evaluation_data():
    for image, label in zip(*read("t10k", EVALUATION), strict=True):
        yield image[None], int(label)


def read(split, count):
    images = _idx(FOLDER / f"{split}-images-idx3-ubyte.gz", 16, count * 784).reshape(-1, 28, 28)
    return images.astype("float32") / 255, _idx(FOLDER / f"{split}-labels-idx1-ubyte.gz", 8, count).astype("int64")


def _idx(path, header, count):
    """IDX files are a header and then bytes; the sizes are known."""
    if not path.is_file():
        raise SystemExit(f"{path} is missing: apt-get install dataset-fashion-mnist, or set FASHION_MNIST to a folder")
    return np.frombuffer(gzip.decompress(path.read_bytes())[header : header + count], np.uint8)
