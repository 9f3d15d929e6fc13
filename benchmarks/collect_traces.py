"""Freeze real comparisons of a build with itself, for tests/harness/test_traces.py and for whoever doubts the method.

    python benchmarks/collect_traces.py [--pairs 110] [--hogs 2] [--output tests/data/traces]

Per network one .npz with every timed sample of every pair (see traces.py), taken by `harness.compare` itself on this
machine, while processes that do nothing but use a processor compete for it: two to three seconds a pair.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import networks
import traces
from hogs import hogs

from device_runners import linux
from device_runners.host import HostRunner
from harness import compare, paired
from harness.sides import Side

WANTED = tuple(
    networks.Network(name=name, runtime="tflite", recipe=recipe)
    for name, recipe in (("mobile", "int8"), ("mobile", "fp32"), ("tiny", "fp32"))
)


def collect(side: Side, pairs: int, seed: int) -> traces.Trace:
    """One look, after the last pair: nothing ends it early."""
    with tempfile.TemporaryDirectory() as temporary:
        match = compare.Match(a=side, b=side, folder=Path(temporary), plan=paired.Plan(looks=(pairs,)), seed=seed)
        compare.compare(match, HostRunner(), lambda done, total: print(f"\r{done} of {total}", end="", flush=True))
        print()
        return traces.of_comparison(match.folder, pairs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=110)
    parser.add_argument("--hogs", type=int, default=2, help="competing processes")
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1] / "tests" / "data" / "traces")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    built = networks.built(WANTED)
    with tempfile.TemporaryDirectory() as logs, hogs(arguments.hogs, Path(logs)):
        for seed, (network, path) in enumerate(built.items()):
            target = arguments.output / f"{network.name}-{network.recipe}.npz"
            freeze(networks.side(network, path), arguments.pairs, seed, target)
    return 0


def freeze(side: Side, pairs: int, seed: int, path: Path) -> None:
    """Collect, save, and say what was going on meanwhile."""
    before = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load {linux.load_average()}"
    trace = collect(side, pairs, seed)
    traces.write(path, trace)
    after = f"{datetime.now(UTC):%H:%M} UTC, load {linux.load_average()}"
    told = f"wait share {trace.wait_share():.0%}, {path.stat().st_size} bytes"
    print(f"{path.name}: {pairs} pairs, {before} to {after}, {told}")


if __name__ == "__main__":
    sys.exit(main())
