"""The quick-start network with data to train it further: EfficientNet-Lite0 at 96 x 96 on Fashion-MNIST."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

QUICKSTART = Path(__file__).resolve().parents[2] / "examples" / "quickstart"
sys.path.insert(0, str(QUICKSTART))

from fashion_mnist import balanced, read  # noqa: E402
from model import (  # noqa: E402, F401
    get_args,
    get_calibration_data,
    get_evaluation_data,
    get_model,
    preprocess,
)

SEED, TRAINING_IMAGES, TEST_IMAGES = 11, 3000, 2000


def get_training_data() -> tuple[np.ndarray, np.ndarray]:
    """Images [3000, 3, 96, 96] of the training split, as many of each class, and their labels."""
    return _drawn("train", TRAINING_IMAGES)


def get_test_data() -> tuple[np.ndarray, np.ndarray]:
    """Images [2000, 3, 96, 96] of the test split, which nothing is trained or chosen with."""
    return _drawn("t10k", TEST_IMAGES)


def _drawn(split: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    images, labels = read(split)  # type: ignore[arg-type]
    rng = np.random.default_rng(SEED)
    chosen = rng.permutation(balanced(labels, count // 10, rng))
    return preprocess(images[chosen]), labels[chosen].astype(np.int64)
