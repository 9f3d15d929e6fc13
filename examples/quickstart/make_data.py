"""Cuts `data/evaluation.npz` and `data/calibration.npz` out of Fashion-MNIST. `python make_data.py --help`

The draw is seeded, so the same files come out each time. Calibration images are training images that are not,
pixel for pixel, among the test images that are judged.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from fashion_mnist import DEBIAN_FOLDER, balanced, read

SEED = 20170825
EVALUATION_PER_CLASS = 50
CALIBRATION_PER_CLASS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEBIAN_FOLDER, help="folder with the four .gz files")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "data")
    options = parser.parse_args()
    rng = np.random.default_rng(SEED)
    images, labels = read("t10k", options.data)
    chosen = balanced(labels, EVALUATION_PER_CLASS, rng)
    judged = {image.tobytes() for image in images[chosen]}
    save(options.out / "evaluation.npz", images[chosen], labels[chosen])

    images, labels = read("train", options.data)
    unseen = np.array([image.tobytes() not in judged for image in images])
    images, labels = images[unseen], labels[unseen]
    chosen = balanced(labels, CALIBRATION_PER_CLASS, rng)
    save(options.out / "calibration.npz", images[chosen], labels[chosen])


def save(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    np.savez_compressed(path, images=images, labels=labels)
    print(f"{path}: {len(images)} images, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
