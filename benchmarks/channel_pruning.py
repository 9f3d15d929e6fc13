"""`channels(r)` against Torch-Pruning used plainly, on the quick-start network: accuracy after tuning, real speed-up.

    python benchmarks/channel_pruning.py --make [--seconds 150]     (repeat until it says `complete`: an hour)
    python benchmarks/channel_pruning.py [--seconds 60]

EfficientNet-Lite0 on Fashion-MNIST loses 30 % and 50 % of its multiply-adds. *Plainly* is what Torch-Pruning's examples
do: MagnitudePruner, group magnitudes, one ratio for all layers (the smallest that reaches the share), no rounding. Both
are fine-tuned by the same code on the same 2,700 images, as many epochs, the same seed, and both become builds of both
runtimes, float and int8; so is the whole network, trained on as long. Accuracy is that of the builds on 2,000 test
images; times are taken in turns, one thread, a ratio being the median over rounds of two builds of the same round with
a 95 % order-statistic interval. Goal: more accurate than the plain one, and faster than it, in every runtime. Exit code
0: met, 1: missed, 2: builds are missing. Written to results/channel_pruning.json. How builds are made: channel_builds.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from channel_builds import MODEL, RECIPES, SIDES, SUFFIXES, TRAINING, make, missing, path_of
from layer_costs import block_ns, ratio

from device_runners import engines, linux, tensors
from harness.commands import default_cache
from harness.errors import ProcessError
from harness.process import Bounds, execute
from harness.stats import quantile

RESULTS = Path(__file__).with_name("results") / "channel_pruning.json"
BLOCK_NS = 10_000_000


def accuracy(folder: Path) -> None:
    """Of every build, on the test images; kept beside it, so that a second call goes on where the first one ended."""
    sys.path.insert(0, str(MODEL.parent))
    from clothing import get_test_data

    images, labels = get_test_data()
    for side in SIDES:
        for kind in RECIPES:
            for runtime in SUFFIXES:
                path = path_of(folder, side, kind, runtime)
                target = Path(f"{path}.right.npy")
                if not target.exists():
                    engine = engines.start(runtime, 1).load(path, [])  # type: ignore[arg-type]
                    np.save(target, _right(engine, images, labels))


def _right(engine: Any, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    right = np.zeros(len(images), bool)
    for index, image in enumerate(images):
        engine.feeding([image[None]])()
        engine.invoke()
        right[index] = engine.read()[0].argmax() == labels[index]
    return right


def measure(folder: Path, seconds: float) -> dict[str, list[float]]:
    """Nanoseconds per call of every build in every round."""
    calls = {}
    for side in SIDES:
        for kind in RECIPES:
            for runtime in SUFFIXES:
                engine = engines.start(runtime, 1).load(path_of(folder, side, kind, runtime), [])  # type: ignore[arg-type]
                rng = np.random.default_rng(0)
                engine.feeding([rng.normal(size=z.shape).astype(z.dtype) for z in tensors.zeros_for(engine.inputs)])()
                calls[f"{runtime} {kind} {side}"] = engine.invoke
    number = {name: max(1, round(BLOCK_NS / block_ns(invoke, 2))) for name, invoke in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        for name in random.sample(list(calls), len(calls)):
            times[name].append(block_ns(calls[name], number[name]))
    return times


def judged(folder: Path, times: dict[str, list[float]]) -> list[dict[str, Any]]:
    """One row per build: what it is, how right, how fast, and against the whole network and its rival."""
    rows = []
    for name in times:
        runtime, kind, side = name.split(" ")
        known = json.loads((folder / f"{side}.json").read_text())
        file = path_of(folder, side, kind, runtime)
        right = np.load(f"{file}.right.npy")
        row = {"runtime": runtime, "kind": kind, "side": side.partition("-")[0], "share": side.partition("-")[2]}
        row |= {"removed_share": round(known["removed_share"], 4), "parameters": known["parameters"]}
        row |= {"accuracy": round(float(right.mean()), 4), "size_bytes": file.stat().st_size}
        row |= {"untrained": known["facts"].get("score_untrained")}  # on 300 validation images
        row |= {"milliseconds": round(quantile(times[name], 0.5) / 1e6, 3)}
        row["speed_up"] = ratio(times, f"{runtime} {kind} whole", name)
        if side.startswith("ours"):
            rival = side.replace("ours", "plain")
            row["speed_up_over_plain"] = ratio(times, f"{runtime} {kind} {rival}", name)
            other = np.load(f"{path_of(folder, rival, kind, runtime)}.right.npy")
            row["accuracy_gain"] = _paired(right, other)
        rows.append(row)
    return rows


def _paired(right: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """Difference of two accuracies on the same images, with a 95 % normal interval of the paired differences."""
    difference = right.astype(float) - other
    value, half = float(difference.mean()), 1.96 * float(difference.std()) / math.sqrt(len(difference))
    return {"value": round(value, 4), "low": round(value - half, 4), "high": round(value + half, 4)}


def show(rows: list[dict[str, Any]]) -> bool:
    """Print the rows; whether ours is more accurate and faster than the plain one everywhere."""
    met = True
    for row in rows:
        line = f"{row['runtime']:10} {row['kind']} {row['side']:5} {row['share']:4} MACs -{row['removed_share']:.1%} "
        line += f"accuracy {row['accuracy']:.4f}  {row['milliseconds']:.2f} ms  speed-up {row['speed_up']['value']:.2f}"
        if "accuracy_gain" in row:
            gain, speed = row["accuracy_gain"], row["speed_up_over_plain"]
            line += f"  against plain {gain['value']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}]"
            line += f" and {speed['value']:.2f} [{speed['low']}, {speed['high']}] times as fast"
            met = met and gain["low"] > 0 and (speed["low"] or 0) > 1
        print(line)
    return met


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--make", action="store_true", help="train and convert for so many seconds")
    parser.add_argument("--accuracy", action="store_true", help="only run the builds on the test images")
    parser.add_argument("--builds", type=Path, default=default_cache().resolve() / "benchmarks" / "channel-pruning")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    folder = options.builds
    folder.mkdir(parents=True, exist_ok=True)
    if options.child:
        while not make(folder):
            print("more to do: repeat", flush=True)
        print("complete")
        return 0
    if options.make:
        return _make_for(folder, options.seconds)
    if missing(folder):
        print("builds are missing: --make first")
        return 2
    accuracy(folder)
    if options.accuracy:
        return 0
    print(f"load {linux.load_average()}")
    rows = judged(folder, measure(folder, options.seconds))
    facts = {"training": {"images": 2700, "epochs": TRAINING.epochs}, "test_images": 2000, "rows": rows}
    RESULTS.write_text(json.dumps(facts | {"load": linux.load_average()}, indent=1) + "\n")
    met = show(rows)
    print(f"more accurate and faster than plain pruning in every runtime: {'met' if met else 'missed'}")
    return 0 if met else 1


def _make_for(folder: Path, seconds: float) -> int:
    """A training that is cut off is taken up from its checkpoint by the next call."""
    argv, log = [sys.executable, __file__, "--child", "--builds", str(folder)], folder / "log"
    try:
        execute(argv, bounds=Bounds(timeout_secs=seconds), log=log, env={"OMP_NUM_THREADS": "1"})
    except ProcessError as error:
        print(f"{error.message}; see {log}")
    print(log.read_text().splitlines()[-1] if log.exists() else "")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
