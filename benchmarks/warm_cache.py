"""What a second identical run spends on making builds, against the first.

    python benchmarks/warm_cache.py

A small network is converted by three recipes for both runtimes into an empty cache, then five times more: what a run
goes through, looking at the model and one conversion per build. The ratio is the first time over the median of the
later ones. Last of all one byte of the model's file changes, and everything has to be made again: a cache that answers
then would be fast and wrong. Exit code 0: at least GOAL times faster, and the changed model made anew.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import converters
from converters import recipes
from harness.records import ModelSource, Runtime

GOAL = 20.0
RUNTIMES: tuple[Runtime, ...] = ("tflite", "executorch")
RECIPES = ("fp32", "fp16", "static_wi8_ai8")
MODEL = """
import torch

def get_model():
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(3, 32, 3, 2, 1), torch.nn.ReLU6()]
    for _ in range(6):
        layers += [torch.nn.Conv2d(32, 32, 3, 1, 1, groups=32), torch.nn.ReLU6(), torch.nn.Conv2d(32, 32, 1)]
    layers += [torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(32, 10)]
    return torch.nn.Sequential(*layers).eval()

def get_args():
    return (torch.zeros(1, 3, 96, 96),)

def get_calibration_data():
    return [(torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(i)),) for i in range(20)]
"""


def convert_all(model: Path, cache: Path) -> tuple[float, int]:
    """(seconds, builds that were made and not taken from the cache); raises where one cannot be made."""
    started = time.perf_counter()
    workshop = converters.Workshop(cache=str(cache), logs=str(cache.parent / "logs"))
    prepared = converters.prepare(ModelSource(source=str(model)), root=model.parent, workshop=workshop)
    made = 0
    for name in RECIPES:
        for runtime in RUNTIMES:
            variant = converters.convert(prepared, runtime, recipes.parse(name), workshop=workshop)
            if variant.failure is not None:
                raise SystemExit(f"{variant.id}: {variant.failure.reason}")
            made += not variant.cached
    return time.perf_counter() - started, made


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        model, cache = Path(folder, "model.py"), Path(folder, "cache")
        model.write_text(MODEL)
        first, made = convert_all(model, cache)
        print(f"first: {first:.1f} s, {made} builds made")
        again = []
        for _ in range(5):
            seconds, remade = convert_all(model, cache)
            again.append(seconds)
            if remade:
                print(f"{remade} builds were made again although nothing changed")
                return 1
        model.write_text(MODEL.replace("manual_seed(0)", "manual_seed(9)"))
        _, remade = convert_all(model, cache)
    print(f"again: {statistics.median(again):.3f} s, none made; one byte changed: {remade} of {made} made anew")
    ratio = first / statistics.median(again)
    print(f"warm cache: {ratio:.0f} times as fast (goal: {GOAL:.0f})")
    return 0 if ratio >= GOAL and remade == made else 1


if __name__ == "__main__":
    sys.exit(main())
