"""A tiny model, written as a user would, and every build of it, made once per session."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import pytest

import converters
from converters import recipes
from harness.records import Limits, ModelSource, Runtime, Variant

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
    return _images(16, seed=1)


def get_evaluation_data():
    for number, image in enumerate(_images(12, seed=2)):
        yield image, number % 10
'''


@pytest.fixture(scope="session")
def tiny_source() -> str:
    """The text of a model file that has all but a metric."""
    return TINY


@pytest.fixture
def workshop(tmp_path: Path) -> converters.Workshop:
    """A cache and a log folder of the test's own, with limits that a test reaches soon."""
    return converters.Workshop(
        cache=str(tmp_path / "cache"), logs=str(tmp_path / "logs"), limits=Limits(timeout_secs=300)
    )


@pytest.fixture
def prepare(tmp_path: Path, workshop: converters.Workshop) -> Callable[..., converters.Prepared]:
    """Write the text of a model file and prepare it."""

    def prepared(text: str, name: str = "model.py", **options: object) -> converters.Prepared:
        (tmp_path / name).write_text(text)
        source = ModelSource(source=name, **options)
        return converters.prepare(source, root=tmp_path, workshop=workshop)

    return prepared


class Everything:
    """The tiny model in every build that there is."""

    def __init__(self, folder: Path) -> None:
        (folder / "tiny.py").write_text(TINY)
        self.folder = folder
        self.workshop = converters.Workshop(cache=str(folder / "cache"), logs=str(folder / "logs"))
        self.source = ModelSource(source="tiny.py")
        self.prepared = converters.prepare(self.source, root=folder, workshop=self.workshop)
        pairs = [(runtime, name) for runtime in get_args(Runtime) for name in recipes.RECIPES]
        with ThreadPoolExecutor(2) as pool:
            variants = pool.map(lambda pair: self.convert(*pair), pairs)
            self.variants: dict[str, Variant] = {variant.id: variant for variant in variants}

    def convert(self, runtime: Runtime, recipe: str, **changes: object) -> Variant:
        shop = converters.Workshop(cache=self.workshop.cache, logs=self.workshop.logs, **changes)
        return converters.convert(self.prepared, runtime, recipes.parse(recipe), workshop=shop)


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Everything:
    return Everything(tmp_path_factory.mktemp("tiny"))
