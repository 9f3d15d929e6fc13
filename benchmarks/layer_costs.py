"""What do rounded channel counts and split layers buy in the kernels? The constants of channel pruning and low rank.

    python benchmarks/layer_costs.py --make [--builds FOLDER] [--seconds 150]     (repeat until it says `complete`)
    python benchmarks/layer_costs.py [--builds FOLDER] [--seconds 60]

Two questions, in both runtimes, float and int8, one thread. *Widths*: four blocks of 1x1 and depthwise convolution with
64 to 96 channels; what does a width that is no multiple of 8 or 16 cost per multiply-add? *Splits*: four layers in a
row (1x1, dense, 3x3) whole and split at several ranks; at which share of the multiply-adds is the split one faster?
Rounds over all builds in random order, one block of calls each; a ratio is the median over rounds of two builds of the
same round, with a 95 % order-statistic interval. Written to results/layer_costs.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np

from device_runners import engines, linux, tensors
from harness.commands import default_cache
from harness.process import Bounds, execute
from harness.records import Record, Runtime
from harness.stats import quantile, quantile_interval

RESULTS = Path(__file__).with_name("results") / "layer_costs.json"
SUFFIXES: dict[str, Runtime] = {".tflite": "tflite", ".pte": "executorch"}
REPEATS, BLOCK_NS = 4, 2_000_000
WIDTHS = (64, 68, 72, 76, 80, 84, 88, 92, 96)
# kind, channels, edge of the image, ranks; rank 0 is the whole layer
SPLITS: tuple[tuple[str, int, int, tuple[int, ...]], ...] = (
    ("pointwise", 64, 28, (16, 24)),
    ("pointwise", 128, 14, (32, 48, 56)),
    ("pointwise", 256, 7, (64, 96, 112)),
    ("dense", 256, 1, (64, 96)),
    ("dense", 1024, 1, (256, 384)),
    ("spatial", 32, 28, (8, 16, 24)),
    ("spatial", 64, 14, (16, 32, 48, 56)),
)


class Case(Record, frozen=True, kw_only=True):
    """One network. macs: multiply-adds of one call."""

    kind: str
    channels: int
    edge: int
    rank: int = 0

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.channels}-{self.edge}-{self.rank}"

    @property
    def macs(self) -> int:
        c, r, pixels = self.channels, self.rank, REPEATS * self.edge**2
        if self.kind == "width":
            return pixels * c * (c + 9)
        kernel = 9 if self.kind == "spatial" else 1
        whole, split = c * c * kernel, 2 * c * r + (r * r * kernel if kernel > 1 else 0)
        return pixels * (split if r else whole)


CASES = [Case(kind="width", channels=width, edge=14) for width in WIDTHS]
CASES += [Case(kind=k, channels=c, edge=e, rank=r) for k, c, e, ranks in SPLITS for r in (0, *ranks)]


# --- making the builds (in a child process) --------------------------------------------------------------------------


def network(case: Case) -> Any:
    """The case as a torch module."""
    from torch import nn

    c, r = case.channels, case.rank
    layers: list[nn.Module] = []
    for _ in range(REPEATS):
        if case.kind == "width":
            layers += [nn.Conv2d(c, c, 1), nn.ReLU(), nn.Conv2d(c, c, 3, padding=1, groups=c)]
        elif case.kind == "dense":
            layers += [nn.Linear(c, r, bias=False), nn.Linear(r, c)] if r else [nn.Linear(c, c)]
        elif case.kind == "pointwise":
            layers += [nn.Conv2d(c, r, 1, bias=False), nn.Conv2d(r, c, 1)] if r else [nn.Conv2d(c, c, 1)]
        elif r:
            layers += [nn.Conv2d(c, r, 1, bias=False), nn.Conv2d(r, r, 3, padding=1, bias=False), nn.Conv2d(r, c, 1)]
        else:
            layers += [nn.Conv2d(c, c, 3, padding=1)]
        layers.append(nn.ReLU())
    return nn.Sequential(*layers).eval()


def make(folder: Path, seconds: float) -> bool:
    """Make missing files until the time is over; whether all are there."""
    started = time.monotonic()
    for case in CASES:
        if all((folder / f"{case.name}-{kind}{suffix}").exists() for kind in ("fp32", "int8") for suffix in SUFFIXES):
            continue
        if time.monotonic() - started > seconds:
            return False
        _make(case, folder)
    return True


def _make(case: Case, folder: Path) -> None:
    import litert_torch
    import torch
    from ai_edge_quantizer import quantizer, recipe
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import get_symmetric_quantization_config as config
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    torch.manual_seed(0)
    module = network(case)
    shape = (1, case.channels) if case.kind == "dense" else (1, case.channels, case.edge, case.edge)
    example = (torch.randn(shape),)
    source = folder / f"{case.name}-fp32.tflite"
    litert_torch.convert(module, example).export(str(source))
    tool = quantizer.Quantizer(str(source), recipe.static_wi8_ai8())
    ranges = tool.calibrate({"serving_default": [{"args_0": example[0].numpy()}]}, num_threads=1)
    tool.quantize(ranges, enable_progress_report=False).export_model(str(folder / f"{case.name}-int8.tflite"))
    observed = prepare_pt2e(
        torch.export.export(module, example).module(), XNNPACKQuantizer().set_global(config(is_per_channel=True))
    )
    observed(*example)
    for kind, variant in (("fp32", module), ("int8", convert_pt2e(observed))):
        (folder / f"{case.name}-{kind}.pte").write_bytes(_lowered(variant, example))


def _lowered(module: Any, example: Any) -> bytes:
    import executorch.kernels.quantized  # noqa: F401
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    program = torch.export.export(module, example)
    return bytes(to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).to_executorch().buffer)


# --- measuring -------------------------------------------------------------------------------------------------------


def measure(folder: Path, seconds: float) -> dict[str, list[float]]:
    """Nanoseconds per call of every build in every round."""
    calls, times = {}, {}
    for case in CASES:
        for kind in ("fp32", "int8"):
            for suffix, runtime in SUFFIXES.items():
                engine = engines.start(runtime, 1).load(folder / f"{case.name}-{kind}{suffix}", [])
                rng = np.random.default_rng(0)
                feed = [rng.normal(size=zeros.shape).astype(zeros.dtype) for zeros in tensors.zeros_for(engine.inputs)]
                engine.feeding(feed)()
                calls[f"{runtime} {kind} {case.name}"] = engine.invoke
    number = {name: max(1, round(BLOCK_NS / block_ns(invoke, 3))) for name, invoke in calls.items()}
    times = {name: [] for name in calls}
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        for name in random.sample(list(calls), len(calls)):
            times[name].append(block_ns(calls[name], number[name]))
    return times


def block_ns(invoke: Any, count: int) -> float:
    invoke()
    start = perf_counter_ns()
    for _ in range(count):
        invoke()
    return (perf_counter_ns() - start) / count


def ratio(times: dict[str, list[float]], upper: str, lower: str) -> dict[str, float | None]:
    values = [a / b for a, b in zip(times[upper], times[lower], strict=True)]
    low, high = quantile_interval(values, 0.5, 0.95)[:2]
    return {"value": round(quantile(values, 0.5), 4), "low": low and round(low, 4), "high": high and round(high, 4)}


def table(times: dict[str, list[float]]) -> list[dict[str, Any]]:
    """One row per build: microseconds, and its time over that of the whole layer (or of 64 channels)."""
    rows = []
    for name in times:
        runtime, kind, case_name = name.split(" ")
        case = next(case for case in CASES if case.name == case_name)
        whole = next(each for each in CASES if each.kind == case.kind and each.edge == case.edge and not each.rank)
        if case.kind != "width":
            whole = Case(kind=case.kind, channels=case.channels, edge=case.edge)
        row = {"runtime": runtime, "kind": kind, "layer": case.kind, "channels": case.channels, "rank": case.rank}
        row |= {"microseconds": round(quantile(times[name], 0.5) / 1e3, 2), "macs_ratio": case.macs / whole.macs}
        rows.append(row | {"time_ratio": ratio(times, name, f"{runtime} {kind} {whole.name}")})
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        spread = row["time_ratio"]
        print(
            f"{row['runtime']:10} {row['kind']} {row['layer']:9} {row['channels']:4} rank {row['rank']:3} "
            f"{row['microseconds']:8.1f} us  MACs {row['macs_ratio']:.3f}  time {spread['value']:.3f} "
            f"[{spread['low']}, {spread['high']}]"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--make", action="store_true", help="make the builds that are missing")
    parser.add_argument("--builds", type=Path, default=default_cache().resolve() / "benchmarks" / "layer-costs")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.builds.mkdir(parents=True, exist_ok=True)
    if options.child:
        print("complete" if make(options.builds, options.seconds) else "more to do: repeat")
        return 0
    if options.make:
        argv = [sys.executable, __file__, "--child", "--builds", str(options.builds), "--seconds", str(options.seconds)]
        log = options.builds / "log"
        execute(argv, bounds=Bounds(timeout_secs=options.seconds + 120), log=log, env={"OMP_NUM_THREADS": "1"})
        print(log.read_text().splitlines()[-1])
        return 0
    print(f"load {linux.load_average()}")
    times = measure(options.builds, options.seconds)
    rows = table(times)
    show(rows)
    RESULTS.parent.mkdir(exist_ok=True)
    facts = {"rounds": min(map(len, times.values())), "load": linux.load_average(), "rows": rows}
    RESULTS.write_text(json.dumps(facts, indent=1) + "\n")
    print(f"{facts['rounds']} rounds, written to {RESULTS.name}; load {linux.load_average()}")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
