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

# A network that has learned which of four corners of a picture is bright (learn() writes its weights, and is called
# once), and the data to train it further.
LEARNER = """
import torch
from torch import nn


class Learner(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8, bias=False)
        self.second = nn.BatchNorm2d(8)
        self.pointwise = nn.Conv2d(8, 16, 1)
        self.head = nn.Linear(256, 4)

    def forward(self, image):
        image = torch.relu(self.norm(self.stem(image)))
        image = torch.relu(self.second(self.depthwise(image)))
        return self.head(torch.relu(self.pointwise(image)).flatten(1))


def pictures(count, seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(4, (count,), generator=generator)
    images = torch.randn(count, 1, 8, 8, generator=generator)
    for image, label in zip(images, labels):
        row, column = divmod(int(label), 2)
        image[0, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] += 1.2
    return images, labels


def learn(path):
    torch.manual_seed(0)
    model = Learner()
    images, labels = pictures(400, seed=1)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(12):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    torch.save(model.state_dict(), path)


def get_model():
    model = Learner()
    model.load_state_dict(torch.load("learned.pt", weights_only=True))
    return model.eval()


def get_args():
    return (torch.zeros(1, 1, 8, 8),)


def get_training_data():
    return pictures(400, seed=1)


def get_calibration_data():
    return [image[None] for image in pictures(32, seed=3)[0]]


def get_evaluation_data():
    return [(image[None], int(label)) for image, label in zip(*pictures(40, seed=2))]
"""

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
