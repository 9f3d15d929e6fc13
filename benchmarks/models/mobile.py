"""A MobileNet-like network of a few milliseconds, with random weights: what it answers does not matter here."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

EDGE = 192
CHANNELS, STRIDES = (24, 48, 96, 96, 192, 192, 384, 384, 384, 384, 384, 768, 768), (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 2, 1)


def get_model() -> nn.Module:
    """float32 [1, 3, 192, 192] -> [1, 100]: depthwise-separable convolutions (arXiv:1704.04861, width 0.75)."""
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Conv2d(3, CHANNELS[0], 3, 2, 1), nn.ReLU6()]
    for ins, outs, stride in zip(CHANNELS, CHANNELS[1:], STRIDES, strict=False):
        layers += [nn.Conv2d(ins, ins, 3, stride, 1, groups=ins), nn.ReLU6(), nn.Conv2d(ins, outs, 1), nn.ReLU6()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS[-1], 100)).eval()


def get_args() -> tuple[torch.Tensor]:
    return (torch.zeros(1, 3, EDGE, EDGE),)


def get_calibration_data() -> Iterator[tuple[np.ndarray]]:
    random = np.random.default_rng(0)
    for _ in range(8):
        yield (random.uniform(-1, 1, (1, 3, EDGE, EDGE)).astype(np.float32),)
