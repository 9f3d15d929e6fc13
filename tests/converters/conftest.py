"""A tiny model, written as a user would, and every build of it, made once for all workers of a session."""

from __future__ import annotations

import os
import runpy
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from msgspec.structs import replace

import converters
from converters import cache, recipes
from harness.records import Limits, ModelSource, Runtime, Training, Variant
from tests.fakes.model_files import LEARNER, TINY


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
    """The first worker that asks makes the builds, the others find them; so leave them as they are."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "tiny"
    folder.mkdir(exist_ok=True)
    with cache.lock(folder, "everything"):
        return Everything(folder)


class Pupil:
    """A model with training data, prepared once; studios on it are cheap."""

    def __init__(self, folder: Path) -> None:
        (folder / "learner.py").write_text(LEARNER)
        self.folder = folder
        self.module = runpy.run_path(str(folder / "learner.py"))
        self.module["learn"](folder / "learned.pt")
        self.training = Training(epochs=2.0, batch_size=40, learning_rate=3e-3, validation_samples=80)
        self.workshop = converters.Workshop(
            cache=str(folder / "cache"), logs=str(folder / "logs"), training=self.training
        )
        self.source = ModelSource(source="learner.py", calibration_samples=32, evaluation_samples=40)
        self.prepared = converters.prepare(self.source, root=folder, workshop=self.workshop)

    def model(self) -> Any:
        import torch

        model = self.module["Learner"]()
        model.load_state_dict(torch.load(self.folder / "learned.pt", weights_only=True))
        return model.eval()

    def studio(
        self,
        steps: str,
        checkpoints: Path,
        functions: Mapping[str, Any] | None = None,
        model: Any = None,
        **changes: Any,
    ) -> Any:
        """A studio for the steps of a recipe; functions: of the model's file, None for one that it has not; model: what
        stands in for it; changes: of the training."""
        from converters import job
        from converters.compress.studio import Studio

        task = job.ShapeJob(
            path=str(self.folder / "learner.py"),
            format="python",
            prepared=self.prepared.folder,
            steps=recipes.compressions(recipes.parse(f"{steps}+static_wi8_ai8")),
            training=replace(self.training, **changes),
            seed=0,
            folder=str(checkpoints),
            checkpoints=str(checkpoints),
            store=str(checkpoints),
        )
        return Studio(task, model or self.model(), SimpleNamespace(**{**self.module, **(functions or {})}))


@pytest.fixture(scope="session")
def pupil(tmp_path_factory: pytest.TempPathFactory) -> Pupil:
    return Pupil(tmp_path_factory.mktemp("pupil"))
