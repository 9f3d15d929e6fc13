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
from tests.fakes.model_files import TINY


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


def write_tiny(folder: Path) -> None:
    (folder / "tiny.py").write_text(TINY)
    (folder / "seed.txt").write_text("1")


class Everything:
    """The tiny model in every build that there is."""

    def __init__(self, folder: Path) -> None:
        write_tiny(folder)
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
