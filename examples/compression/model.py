"""A small image classifier to compress, with data to train, to calibrate and to judge with, for `pocketbench run`.

`get_training_data` is what sets this file apart from the other examples: with it, pruning, channel removal, low rank,
clustering and simulated quantization are followed by fine-tuning; without it they are one-shot, with a caveat.
`distill(model.py)` names this very file: its get_model() is the teacher.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pictures
import torch
from torch import nn

HERE = Path(__file__).resolve().parent
CLASSES = 10
TRAINING_IMAGES = 20_000
EVALUATION_PER_CLASS = 100
CALIBRATION_PER_CLASS = 10
SEED = 20260101


class Network(nn.Module):
    """3x3, depthwise and 1x1 convolutions and a dense layer: 78,000 weights, 4.7 million multiply-adds."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _layer(1, 16, kernel=3, stride=2)
        self.wide = _layer(16, 48, kernel=3)
        self.depthwise = _layer(48, 48, kernel=3, stride=2, groups=48)
        self.point = _layer(48, 96, kernel=1)
        self.deep = _layer(96, 64, kernel=3)
        self.last = _layer(64, 128, kernel=1)
        self.head = nn.Linear(128, CLASSES)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        features = self.point(self.depthwise(self.wide(self.stem(image))))
        features = self.last(self.deep(features))
        return self.head(features.mean(dim=(2, 3)))


def get_model() -> nn.Module:
    """The trained network: float32 [N, 1, 28, 28] (see `pictures.to_inputs`) to class scores [N, 10]."""
    return trained(pictures.name())


def trained(name: str) -> Network:
    """The network as it was trained on `fashion` or on `digits`."""
    network = Network()
    weights = np.load(HERE / f"{name}.npz")
    state = {key: torch.from_numpy(weights[key]) for key in weights.files}
    network.load_state_dict({key: each.float() if each.is_floating_point() else each for key, each in state.items()})
    return network.eval()


def get_args() -> tuple[torch.Tensor]:
    """One set of inputs, as `get_model()(*get_args())` takes them."""
    return (torch.zeros(1, 1, 28, 28),)


def get_training_data() -> tuple[np.ndarray, np.ndarray]:
    """Inputs and labels to fine-tune with; none of them calibrates or judges."""
    images, labels = pictures.training(pictures.name())
    chosen = np.setdiff1d(np.arange(len(labels)), _calibration(labels))[:TRAINING_IMAGES]
    return pictures.to_inputs(images[chosen]), labels[chosen]


def get_calibration_data() -> Iterator[tuple[np.ndarray]]:
    """Inputs of 100 training images, ten of each class, for the ranges of the quantized builds."""
    images, labels = pictures.training(pictures.name())
    for image in pictures.to_inputs(images[_calibration(labels)]):
        yield (image[None],)


def get_evaluation_data() -> Iterator[tuple[tuple[np.ndarray], int]]:
    """Inputs and label of test images, at most a hundred of each class: accuracy is counted on these."""
    images, labels = pictures.testing(pictures.name())
    per_class = min(EVALUATION_PER_CLASS, int(np.bincount(labels).min()))
    chosen = pictures.balanced(labels, per_class, SEED)
    for image, label in zip(pictures.to_inputs(images[chosen]), labels[chosen], strict=True):
        yield (image[None],), int(label)


def _calibration(labels: np.ndarray) -> np.ndarray:
    return pictures.balanced(labels, CALIBRATION_PER_CLASS, SEED)


def _layer(inputs: int, outputs: int, *, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution, batch norm and ReLU6: three operators here, one in the finished file."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU6())
