"""Model files as a user would write them, as text."""

from __future__ import annotations

# Every kind of layer that a recipe treats in its own way. Its calibration data hang on seed.txt in the working folder.
TINY = '''
import torch
from torch import nn


class Tiny(nn.Module):
    """Every kind of layer that a recipe treats in its own way; weights drawn anew each time."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.pointwise = nn.Conv2d(16, 64, 1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(64, 10)

    def forward(self, image):
        image = nn.functional.relu6(self.norm(self.stem(image)))
        image = nn.functional.relu6(self.pointwise(torch.relu(self.depthwise(image))))
        return self.head(self.pool(image).flatten(1))


def get_model():
    return Tiny()


def get_args():
    return (torch.zeros(1, 3, 16, 16),)


def _images(count, seed):
    generator = torch.Generator().manual_seed(seed)
    return [3 * torch.randn(1, 3, 16, 16, generator=generator) for _ in range(count)]


def get_calibration_data():
    return _images(16, seed=int(open("seed.txt").read()))


def get_evaluation_data():
    for number, image in enumerate(_images(12, seed=2)):
        yield image, number % 10
'''

# One multiplication; small() fills in what a test is about.
_SMALL = """
import torch

class Double(torch.nn.Module):
    def forward(self, x):
        return {forward}

def get_model():
    {model}

def get_args():
    return (torch.ones(1, 4),)

{data}
"""

# Five labelled samples for small(data=...); .format(label=...) says what the labels are.
PAIRS = """
def get_evaluation_data():
    for number in range(5):
        yield torch.full((1, 4), float(number)), {label}
"""


def small(forward: str = "2 * x", model: str = "return Double().eval()", data: str = "") -> str:
    """The text of a small model file: what its forward() returns, the body of get_model(), more functions."""
    return _SMALL.format(forward=forward, model=model, data=data)
