"""Two convolutions on 28 x 28 pixels: microseconds, so that whatever a harness adds to a call shows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

EDGE = 28


def get_model() -> nn.Module:
    """float32 [1, 1, 28, 28] -> [1, 10]."""
    torch.manual_seed(0)
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))
    return nn.Sequential(nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(), *head).eval()


def get_args() -> tuple[torch.Tensor]:
    return (torch.zeros(1, 1, EDGE, EDGE),)


def get_calibration_data() -> Iterator[tuple[np.ndarray]]:
    random = np.random.default_rng(0)
    for _ in range(8):
        yield (random.uniform(-1, 1, (1, 1, EDGE, EDGE)).astype(np.float32),)
