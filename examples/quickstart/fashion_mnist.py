"""Reads Fashion-MNIST as Debian's package dataset-fashion-mnist (or anybody's mirror) lays it out."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Literal

import numpy as np

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")


def read(split: Literal["train", "t10k"], folder: Path = DEBIAN_FOLDER) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [N, 28, 28] and labels uint8 [N]: 60,000 of `train`, 10,000 of `t10k`."""
    images = _idx(folder / f"{split}-images-idx3-ubyte.gz")
    labels = _idx(folder / f"{split}-labels-idx1-ubyte.gz")
    if len(images) != len(labels):
        raise ValueError(f"{folder}: {len(images)} images of {split} but {len(labels)} labels")
    return images, labels


def balanced(labels: np.ndarray, per_class: int, rng: np.random.Generator) -> np.ndarray:
    """Sorted indices of `per_class` samples of each class, drawn without replacement."""
    drawn = [rng.choice(np.flatnonzero(labels == label), per_class, replace=False) for label in np.unique(labels)]
    return np.sort(np.concatenate(drawn))


def _idx(path: Path) -> np.ndarray:
    """IDX of unsigned bytes: zero, zero, type 8, number of dimensions, each size as big-endian int32, data."""
    if not path.is_file():
        raise SystemExit(f"{path} is missing: apt-get install dataset-fashion-mnist, or name a folder with --data")
    raw = gzip.decompress(path.read_bytes())
    if raw[:3] != b"\0\0\x08":
        raise ValueError(f"{path} does not begin like an IDX file of unsigned bytes")
    shape = np.frombuffer(raw, ">i4", count=raw[3], offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)
