"""A network that plain int8 hurts: depthwise blocks with hard swish, whose channels differ in size a hundredfold.

Real networks of this kind (MobileNetV1 to V3) end up like this by themselves after long training: some channels of a
layer carry values a hundred times larger than others, one scale per tensor serves the large ones, and the small ones
drown. Here training starts from batch-norm factors drawn between 1/16 and 16, so that minutes of it are enough; what
follows is ordinary training on Fashion-MNIST, and nothing is rescaled afterwards.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent))
import lenet

SPREAD = 16.0
SAMPLES = 12_000


class Block(nn.Module):
    """1x1, depthwise 3x3, 1x1; a sum where it fits."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        hidden = 4 * inputs
        self.wide = layer(inputs, hidden, 1)
        self.depthwise = layer(hidden, hidden, 3, stride=stride, groups=hidden)
        self.narrow = nn.Sequential(nn.Conv2d(hidden, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.sums = inputs == outputs and stride == 1

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        changed = self.narrow(self.depthwise(self.wide(image)))
        return image + changed if self.sums else changed


def layer(inputs: int, outputs: int, size: int, *, stride: int = 1, groups: int = 1) -> nn.Module:
    convolution = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.Hardswish())


def network(seed: int) -> nn.Module:
    """Untrained; 1x28x28 to 10 scores, 13 thousand weights."""
    torch.manual_seed(seed)
    blocks = [Block(8, 8, 1), Block(8, 16, 2), Block(16, 16, 1), Block(16, 16, 1)]
    head = [layer(16, 64, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
    net = nn.Sequential(layer(1, 8, 3, stride=2), *blocks, *head)
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.constant_(part.weight, SPREAD)
            part.weight.data **= torch.empty_like(part.weight).uniform_(-1, 1)
    return net


def train(net: nn.Module, epochs: int, rate: float, seed: int) -> None:
    """Adam along a cosine, on the same samples that the product trains with."""
    images, labels = training_data()
    generator = np.random.default_rng(seed)
    optimizer = torch.optim.Adam(net.parameters(), rate)
    steps = epochs * (len(labels) // 64)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    net.train()
    for _ in range(epochs):
        for rows in generator.permutation(len(labels))[: len(labels) // 64 * 64].reshape(-1, 64):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(torch.from_numpy(images[rows])), torch.from_numpy(labels[rows]))
            loss.backward()
            optimizer.step()
            falling.step()
    net.eval()


def load(weights: str) -> nn.Module:
    net = network(0)
    net.load_state_dict(torch.load(weights, weights_only=True))
    return net.eval()


def training_data() -> tuple[np.ndarray, np.ndarray]:
    images, labels = lenet.garments().training
    return images[:SAMPLES] - np.float32(0.5), labels[:SAMPLES]


def test_data() -> tuple[np.ndarray, np.ndarray]:
    images, labels = lenet.garments().test
    return images - np.float32(0.5), labels


MODEL = '''"""Written by a benchmark."""
import sys

import torch

sys.path.insert(0, {here!r})
import uneven


def get_model():
    return uneven.load({weights!r})


def get_args():
    return (torch.zeros(1, 1, 28, 28),)


def get_training_data():
    return uneven.training_data()


def get_calibration_data():
    return [(image[None],) for image in uneven.training_data()[0][:200]]


def get_evaluation_data():
    return [((image[None],), int(label)) for image, label in zip(*uneven.test_data(), strict=True)]
'''


def describe(weights: Path) -> str:
    """The text of a model file as pocketbench reads it."""
    return MODEL.format(here=str(Path(__file__).resolve().parent), weights=str(weights.resolve()))
