"""Every combination of compression steps against each of its parts alone: size, time and accuracy, in one run.

The example's experiment (examples/compression) goes through the product itself, and what is read here is its
results.json: the builds of one run, measured in turns. `--run RUN` reads a finished run instead of making one, such as
one that was made in pieces with `pocketbench run --resume`: twenty minutes of training and conversion, which a busy
machine may do, and then, on a quiet one, five minutes of measuring and ten of pairs side by side. Writes
results/combinations.json, from which compression_tables.py makes the tables of docs/compression.md; an unfinished run
is told as such.

Goal: packed, every combination is smaller than each of its parts, and it is not slower than the fastest of them beyond
the noise. Exit code 0: met, 1: missed, 2: there was no run to read.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from converters import recipes
from harness import regression, store
from harness.errors import PocketbenchError
from harness.metrics import CHANGE
from harness.records import Report, Step

HERE = Path(__file__).resolve().parent
BENCH = HERE.parent / "examples" / "compression" / "bench.yaml"
RESULTS = HERE / "results" / "combinations.json"
TIME = "on_cpu_ms.p50"
FIGURES = ("size_bytes", "download_bytes", "packed_bytes", TIME, "latency_ms.p50", "peak_rss_mb", "accuracy")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="a finished run of examples/compression/bench.yaml")
    options = parser.parse_args()
    try:
        report = store.load(options.run or _made())
    except (PocketbenchError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 2
    found = {"device": report.devices[0].soc or report.devices[0].name, "tools": report.environment}
    found |= {"builds": _builds(report), "combinations": list(_combinations(report))}
    held, wanted = len(report.comparisons), len(regression.duels(report.experiment, report.variants))
    found |= {"pairs_held": held, "pairs_wanted": wanted, "complete": report.complete}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for combination in found["combinations"]:
        print(_told(combination, found["builds"]))
    print(
        f"{held} of {wanted} builds were compared side by side{'' if report.complete else '; the run is not complete'}"
    )
    met = [one["id"] for one in found["combinations"] if one["met"]]
    print(f"{len(met)} of {len(found['combinations'])} combinations are smaller, packed, than each part, and no slower")
    return 0 if found["combinations"] and len(met) == len(found["combinations"]) else 1


def _made() -> Path:
    """A new run; gates are not what this is about, so any exit code of a finished run will do."""
    command = [sys.executable, "-c", "from harness.cli import main; main()", "run", str(BENCH), "--json"]
    done = subprocess.run(command, cwd=HERE.parent, check=False, stdout=subprocess.PIPE)
    if done.returncode not in (0, 1, 3):
        raise subprocess.CalledProcessError(done.returncode, command)
    return BENCH.parent / "runs" / json.loads(done.stdout)["id"]


def _builds(report: Report) -> dict[str, dict[str, Any]]:
    """Figures by build: [value, low, high] of each, what it gained over its parent, its caveats."""
    benefits = {benefit.variant: benefit for benefit in report.benefits}
    found: dict[str, dict[str, Any]] = {}
    for standing in report.standings:
        if standing.failure is not None:
            found[standing.variant] = {"failure": standing.failure.reason}
            continue
        names = [name for name in (*FIGURES, f"accuracy{CHANGE}") if name in standing.metrics]
        figures = {name: standing.metrics[name] for name in names}
        benefit = benefits.get(standing.variant)
        found[standing.variant] = {
            "figures": {name: [one.value, one.low, one.high] for name, one in figures.items()},
            "parent": benefit.parent if benefit else "",
            "gains": {name: [one.value, one.low, one.high] for name, one in benefit.gains.items()} if benefit else {},
            "outcome": benefit.outcome if benefit else "",
            "verdict": benefit.verdict if benefit else "",
            "caveats": [caveat.id for caveat in standing.caveats],
        }
    return found


def _combinations(report: Report) -> Iterator[dict[str, Any]]:
    """Every build of two or more parts that were all made alone as well."""
    metrics = {standing.variant: standing.metrics for standing in report.standings if standing.failure is None}
    for variant in report.variants:
        parts = [f"{variant.runtime}/{name}" for name in parts_of(variant.recipe)]
        if len(parts) < 2 or not {variant.id, *parts} <= set(metrics):
            continue
        own, others = metrics[variant.id], [metrics[part] for part in parts]
        smaller = all(own["packed_bytes"].value < other["packed_bytes"].value for other in others)
        fastest = min(others, key=lambda other: other[TIME].value)[TIME]
        slower = own[TIME].low is not None and fastest.high is not None and own[TIME].low > fastest.high
        yield {"id": variant.id, "parts": parts, "smaller": smaller, "slower": slower, "met": smaller and not slower}


def parts_of(recipe: str) -> list[str]:
    """`prune(0.5)+static_wi8_ai8` -> `prune(0.5)+fp32`, `static_wi8_ai8`; `qat` stays with its integers."""
    parsed = recipes.parse(recipe)
    quantization = recipes.quantization(parsed)
    alone = [_alone(step, quantization) for step in recipes.compressions(parsed)]
    alone = [name for name in alone if name != parsed.name]
    return [*alone, quantization] if alone and quantization != "fp32" else alone


def _alone(step: Step, quantization: str) -> str:
    spelled = f"{step.name}({','.join(step.arguments)})" if step.arguments else step.name
    return f"{spelled}+{quantization if step.name == 'qat' else 'fp32'}"


def _told(combination: dict[str, Any], builds: dict[str, Any]) -> str:
    lines = [f"{combination['id']}: {'met' if combination['met'] else 'MISSED'}"]
    for name in (*combination["parts"], combination["id"]):
        figures = builds[name]["figures"]
        sizes = " ".join(f"{figures[key][0] / 1024:8.1f}" for key in ("size_bytes", "download_bytes", "packed_bytes"))
        lines.append(f"  {name:60} {sizes} KB  {figures[TIME][0] * 1e3:7.1f} us  accuracy {figures['accuracy'][0]:.4f}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
