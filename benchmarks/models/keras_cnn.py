"""A small depthwise-separable network on Fashion-MNIST, written as a Keras user would; `python keras_cnn.py` trains it.

It reads and writes `keras_cnn.keras` in the working folder. Images: Debian's package dataset-fashion-mnist.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import keras
import numpy as np
from keras import layers

KEPT = Path("keras_cnn.keras")
FOLDER = Path("/usr/share/datasets/fashion-mnist")
TRAINING, CALIBRATION, EVALUATION = 20_000, 200, 2_000


def build():
    x = image = keras.Input((28, 28, 1), name="image")
    x = _block(layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False), x)
    for channels, stride in ((32, 1), (64, 2), (64, 1), (128, 2)):
        x = _block(layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False), x)
        x = _block(layers.Conv2D(channels, 1, use_bias=False), x)
    return keras.Model(image, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


def _block(layer, x):
    return layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.9)(layer(x)))


def get_model():
    return keras.models.load_model(KEPT)


def get_training_data():
    return read("train", TRAINING)


def get_calibration_data():
    return list(read("train", TRAINING + CALIBRATION)[0][TRAINING:, None])


def get_evaluation_data():
    for image, label in zip(*read("t10k", EVALUATION), strict=True):
        yield image[None], int(label)


def read(split, count):
    images = _idx(FOLDER / f"{split}-images-idx3-ubyte.gz", 16, count * 784).reshape(-1, 28, 28, 1)
    return images.astype("float32") / 255, _idx(FOLDER / f"{split}-labels-idx1-ubyte.gz", 8, count).astype("int64")


def _idx(path, header, count):
    return np.frombuffer(gzip.decompress(path.read_bytes())[header : header + count], np.uint8)


def learn():
    keras.utils.set_random_seed(0)
    model = build()
    rate = keras.optimizers.schedules.CosineDecay(3e-3, 8 * TRAINING // 128)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss)
    model.fit(*read("train", TRAINING), batch_size=128, epochs=8, verbose=2)
    model.save(KEPT)


if __name__ == "__main__":
    learn()
