"""The networks that the scripts here time, made by the project's own converters and kept in its cache.

`models/mobile.py` is MobileNet-like and takes a few milliseconds, `models/tiny.py` a few microseconds.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import converters
from converters import recipes
from harness.commands import default_cache
from harness.errors import ConversionError
from harness.records import ModelSource, Record, Runtime
from harness.sides import Side

MODELS = Path(__file__).with_name("models")
RECIPES = {"fp32": "fp32", "int8": "static_wi8_ai8"}


class Network(Record, frozen=True, kw_only=True):
    """A network by its name (a file of models/), in one runtime and one of RECIPES."""

    name: str
    runtime: Runtime
    recipe: str

    def __str__(self) -> str:
        return f"{self.runtime} {self.name} {self.recipe}"


def built(wanted: Sequence[Network]) -> dict[Network, Path]:
    """The file of each; a first call takes up to a minute, later ones find them in the cache.

    Raises SourceError or ConversionError where a converter is missing or fails.
    """
    with tempfile.TemporaryDirectory() as logs:
        workshop = converters.Workshop(cache=str(default_cache().resolve()), logs=logs)
        prepared = {
            name: converters.prepare(ModelSource(source=f"{name}.py"), root=MODELS, workshop=workshop)
            for name in dict.fromkeys(network.name for network in wanted)
        }

        def build(network: Network) -> Path:
            recipe = recipes.parse(RECIPES[network.recipe])
            variant = converters.convert(prepared[network.name], network.runtime, recipe, workshop=workshop)
            if variant.failure:
                raise ConversionError(f"{network}: {variant.failure.reason}", remedy=variant.failure.remedy)
            return Path(variant.path)

        with ThreadPoolExecutor(2) as pool:
            return dict(zip(wanted, pool.map(build, wanted), strict=True))


def side(network: Network, path: Path, label: str = "") -> Side:
    """A file as one side of a comparison."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Side(label=label or str(network), runtime=network.runtime, path=str(path), sha256=digest)
