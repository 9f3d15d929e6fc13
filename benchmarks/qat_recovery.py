"""How much of what int8 loses does `qat` bring back? Accuracy of the files, as each runtime executes them.

    python benchmarks/qat_recovery.py [--work FOLDER] [--seeds 0 1] [--limit-secs 3600]

A depthwise network with hard swish and channels of very uneven size (benchmarks/models/uneven.py) is trained on
Fashion-MNIST (Debian package dataset-fashion-mnist) and built as `fp32`, `static_wi8_ai8` and `qat+static_wi8_ai8` in
both runtimes. Each build is run on the 10,000 test images. For fairness the float network is also trained on for as
many steps on the same samples and then quantized plainly (`more training`): what that wins is not owed to `qat`.

Recovered: the share of the loss from fp32 to plain int8 that is gone with qat, over all seeds, with a 95 % bootstrap
interval over test images. Goal: at least half in each runtime. Exit code 0: met; 1: not; 2: not done (run it again,
trainings go on where they were). Kept in benchmarks/results/qat_recovery.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

import converters
from converters import recipes
from device_runners.engine_executorch import ExecuTorchRuntime
from device_runners.engine_litert import LiteRtRuntime
from harness.errors import PocketbenchError
from harness.records import Limits, ModelSource, Runtime, Training

sys.path.insert(0, str(Path(__file__).parent / "models"))
import uneven

RESULTS = Path(__file__).parent / "results" / "qat_recovery.json"
RUNTIMES = {"tflite": LiteRtRuntime, "executorch": ExecuTorchRuntime}
EPOCHS, MORE_EPOCHS, RATE = 3, 2, 3e-3
TRAINING = Training(epochs=MORE_EPOCHS, learning_rate=1e-3, batch_size=64)
GOAL = 0.5
Hits = np.ndarray  # one bool per test image: was the build right?


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/qat_recovery"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--limit-secs", type=float, default=3600.0, help="of one training or conversion in one go")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    try:
        hits = [_hits(seed, chosen.work.resolve() / str(seed), chosen.limit_secs) for seed in chosen.seeds]
    except (PocketbenchError, SystemExit) as error:
        print(f"not done: {error}")
        return 2
    rows = [_row(runtime, hits) for runtime in get_args(Runtime)]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"seeds": chosen.seeds, "images": 10_000, "rows": rows}, indent=1) + "\n")
    for row in rows:
        print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in row.items()))
    return 0 if all(row["recovered"] >= GOAL for row in rows) else 1


def _hits(seed: int, work: Path, limit_secs: float) -> dict[str, Hits]:
    """Which test images each build gets right, by `<runtime>/<what>`."""
    work.mkdir(parents=True, exist_ok=True)
    net = uneven.network(seed)
    plain = _weights(work / "plain.pt", net, (EPOCHS, RATE, seed))
    more = _weights(work / "more.pt", net, (MORE_EPOCHS, TRAINING.learning_rate, seed + 100))
    found = {}
    for name, weights, wanted in (
        ("plain", plain, {"float": "fp32", "int8": "static_wi8_ai8", "int8_with_qat": "qat+static_wi8_ai8"}),
        ("more", more, {"float_more_training": "fp32", "int8_more_training": "static_wi8_ai8"}),
    ):
        (work / f"{name}.py").write_text(uneven.describe(weights))
        shop = converters.Workshop(
            cache=str(work / "cache"),
            logs=str(work / "logs"),
            limits=Limits(timeout_secs=limit_secs),
            training=TRAINING,
            seed=seed,
        )
        source = ModelSource(source=f"{name}.py", calibration_samples=200, evaluation_samples=10_000)
        prepared = converters.prepare(source, root=work, workshop=shop)
        for what, recipe in wanted.items():
            for runtime in get_args(Runtime):
                found[f"{runtime}/{what}"] = _right(prepared, runtime, recipe, shop)
    return found


def _weights(path: Path, net: torch.nn.Module, how: tuple[int, float, int]) -> Path:
    """Train the network on, unless it was done before; it carries the weights on either way."""
    if not path.exists():
        uneven.train(net, *how)
        torch.save(net.state_dict(), path)
    net.load_state_dict(torch.load(path, weights_only=True))
    return path


def _right(prepared: converters.Prepared, runtime: Runtime, recipe: str, shop: converters.Workshop) -> Hits:
    variant = converters.convert(prepared, runtime, recipes.parse(recipe), workshop=shop)
    if variant.failure is not None:
        raise SystemExit(f"{variant.id}: {variant.failure.reason} ({variant.failure.log})")
    engine = RUNTIMES[runtime](1).load(Path(variant.path), [(1, 1, 28, 28)])
    right = []
    for image, label in zip(*uneven.test_data(), strict=True):
        engine.feeding([image[None]])()
        engine.invoke()
        right.append(int(np.argmax(engine.read()[0])) == int(label))
    print(f"{variant.id}: {np.mean(right):.4f}", *variant.warnings, flush=True)
    return np.array(right)


def _row(runtime: Runtime, hits: list[dict[str, Hits]]) -> dict[str, Any]:
    names = ("float", "int8", "int8_with_qat", "float_more_training", "int8_more_training")
    means = {name: float(np.mean([each[f"{runtime}/{name}"].mean() for each in hits])) for name in names}
    low, high = _interval(runtime, hits)
    recovered = (means["int8_with_qat"] - means["int8"]) / (means["float"] - means["int8"])
    return {
        "runtime": runtime,
        **{name: round(value, 4) for name, value in means.items()},
        "recovered": round(recovered, 3),
        "recovered_low": round(low, 3),
        "recovered_high": round(high, 3),
    }


def _interval(runtime: Runtime, hits: list[dict[str, Hits]]) -> tuple[float, float]:
    generator = np.random.default_rng(0)
    names = ("float", "int8", "int8_with_qat")
    columns = np.array([[each[f"{runtime}/{name}"] for name in names] for each in hits]).mean(axis=0)
    shares = []
    for _ in range(1000):
        chosen = columns[:, generator.integers(0, columns.shape[1], columns.shape[1])].mean(axis=1)
        shares.append((chosen[2] - chosen[1]) / (chosen[0] - chosen[1]))
    return tuple(np.quantile(shares, (0.025, 0.975)))  # type: ignore[return-value]


if __name__ == "__main__":
    sys.exit(main())
