"""Writes the tables of docs/compression.md from results/*.json, between their markers. `--check` only looks.

A table whose benchmark has not left its results yet says which script would. Exit code with --check: 1 when the page is
not what the results say.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
PAGE = HERE.parent / "docs" / "compression.md"
NAMES = {"tflite": "TFLite", "executorch": "ExecuTorch"}
ANSWERS = {"helped": "yes", "at a price": "at a price", "sending only": "only to send", "no benefit": "no", "": ""}
TIME = "on_cpu_ms.p50"
KB = 1024
PAPER, MOST_LOST = {"lenet-300-100": 40, "lenet-5": 39}, 0.3  # times smaller; points


class Table(NamedTuple):
    """source: name of a file in results/ and of the script that writes it."""

    source: str
    make: Callable[[Any], str]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; 1 when the page is out of date")
    options = parser.parse_args()
    return put(PAGE, TABLES, check=options.check)


def put(path: Path, tables: dict[str, Table], *, check: bool) -> int:
    """Make the tables of a page anew, or only look whether they are what the results say; the exit code."""
    before = path.read_text(encoding="utf-8")
    after = filled(before, RESULTS, tables)
    if check:
        print("up to date" if after == before else f"{path.name} is not what {RESULTS} says: run this without --check")
        return int(after != before)
    path.write_text(after, encoding="utf-8")
    print(f"{path}: {', '.join(tables)}")
    return 0


def filled(page: str, results: Path, tables: dict[str, Table] | None = None) -> str:
    """The page with every table made anew; ValueError for a table whose markers are not there."""
    for name, table in (TABLES if tables is None else tables).items():
        pattern = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        if not pattern.search(page):
            raise ValueError(f"the page has no place for the table {name!r}")
        text = _made(table, results / f"{table.source}.json")
        page = pattern.sub(lambda found, text=text: f"{found[1]}{text}\n{found[2]}", page)  # type: ignore[misc]
    return page


def _made(table: Table, path: Path) -> str:
    if not path.exists():
        return f"Not measured yet: `benchmarks/{table.source}.py` leaves the figures.\n"
    return table.make(json.loads(path.read_text(encoding="utf-8")))


def rows_of(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column is words, the others are figures."""
    lines = [f"| {' | '.join(headings)} |", f"|---|{'--:|' * (len(headings) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


# --- one function for each table ----------------------------------------------------------------------


def benefits(found: Any) -> str:
    """Every build of examples/compression against its parent, a table per runtime."""
    pairs = f"{found['pairs_held']} of the {found['pairs_wanted']} that were asked for in pairs side by side."
    parts = [f"On {found['device']}, one thread; gains in brackets are against the build's parent, {pairs}\n"]
    for runtime, title in NAMES.items():
        mine = {name: held for name, held in found["builds"].items() if name.startswith(f"{runtime}/")}
        headings = (title, "on disk KB", "zipped KB", "packed KB", "time µs", "accuracy", "helped?")
        parts.append(rows_of(headings, (_benefit(name, held) for name, held in mine.items())))
    return "\n".join(parts)


def _benefit(name: str, held: Any) -> tuple[str, ...]:
    recipe = f"`{name.partition('/')[2]}`"
    if "failure" in held:
        return (recipe, *["–"] * 5, f"failed: {held['failure']}")
    figures, gains = held["figures"], held["gains"]
    return (
        recipe,
        *(_size(figures, gains, key) for key in ("size_bytes", "download_bytes", "packed_bytes")),
        _time(figures, gains),
        _score(figures),
        ANSWERS.get(held["outcome"], held["outcome"]),
    )


def _size(figures: Any, gains: Any, key: str) -> str:
    if key not in figures:
        return "–"
    gain = f" ({gains[key][0]:.2f} ×)" if key in gains else ""
    return f"{figures[key][0] / KB:.1f}{gain}"


def _time(figures: Any, gains: Any) -> str:
    value, low, high = figures[TIME]
    interval = f" [{low * 1e3:.1f}, {high * 1e3:.1f}]" if low is not None and high is not None else ""
    gain = f" ({gains['time'][0]:.2f} ×)" if "time" in gains else ""
    return f"{value * 1e3:.1f}{interval}{gain}"


def _score(figures: Any) -> str:
    value, low, high = figures["accuracy"]
    half = max(high - value, value - low) if low is not None and high is not None else None
    return f"{value:.3f} ± {half:.3f}" if half else f"{value:.3f}"


def combinations(found: Any) -> str:
    """Each combination under its parts alone."""
    builds, rows = found["builds"], []
    for combination in found["combinations"]:
        for name in combination["parts"]:
            rows.append(_alone(name, builds[name], ""))
        verdict = ("smallest, " if combination["smaller"] else "not the smallest, ") + (
            "slower" if combination["slower"] else "no slower"
        )
        rows.append(_alone(f"**{combination['id']}**", builds[combination["id"]], verdict))
    return rows_of(("build", "on disk KB", "zipped KB", "packed KB", "time µs", "accuracy", "against its parts"), rows)


def _alone(name: str, held: Any, verdict: str) -> tuple[str, ...]:
    figures = held["figures"]
    sizes = (_size(figures, {}, key) for key in ("size_bytes", "download_bytes", "packed_bytes"))
    return (name, *sizes, _time(figures, {}), _score(figures), verdict)


def widths(found: Any) -> str:
    """Time per multiply-add of channel counts that are no multiple of 16, against 64 channels."""
    rows = [row for row in found["rows"] if row["layer"] == "width"]
    counts = sorted({row["channels"] for row in rows})
    lines = []
    for runtime, title in NAMES.items():
        for kind in ("fp32", "int8"):
            mine = {row["channels"]: row for row in rows if (row["runtime"], row["kind"]) == (runtime, kind)}
            ratios = (mine[count]["time_ratio"]["value"] / mine[count]["macs_ratio"] for count in counts)
            lines.append((f"{title} {kind}", *(f"{ratio:.2f}" for ratio in ratios)))
    return rows_of(("channels", *(str(count) for count in counts)), lines)


def splits(found: Any) -> str:
    """Time of a layer split in thinner ones, against the whole one, by the share of multiply-adds that is left."""
    rows = [row for row in found["rows"] if row["rank"]]
    keys = sorted({(row["layer"], row["channels"], row["rank"], round(row["macs_ratio"], 3)) for row in rows})
    lines = []
    for layer, channels, rank, share in keys:
        cells = []
        for runtime in NAMES:
            for kind in ("fp32", "int8"):
                same = (layer, channels, rank, runtime, kind)
                ratio = next(
                    row["time_ratio"]
                    for row in rows
                    if (row["layer"], row["channels"], row["rank"], row["runtime"], row["kind"]) == same
                )
                cells.append(f"{ratio['value']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]")
        lines.append((f"{layer}, {channels} channels, rank {rank}", f"{share:.2f}", *cells))
    heads = [f"{title} {kind}" for title in NAMES.values() for kind in ("fp32", "int8")]
    return rows_of(("layer", "multiply-adds left", *heads), lines)


def deep_compression(found: Any) -> str:
    """LeNets as in Han, Mao and Dally, packed: counted as the paper does, and as a user sees it; seeds averaged."""
    headings = (
        "network, data, build",
        "weights, times smaller",
        "packed KB",
        "whole file",
        "zeros",
        "accuracy",
        "points lost",
        "each seed",
    )
    groups: dict[tuple[str, ...], list[Any]] = {}
    for row in found:
        key = tuple(row[name] for name in ("network", "data", "steps", "runtime", "recipe"))
        groups.setdefault(key, []).append(row)
    return rows_of(headings, (_packed(rows) for rows in groups.values()))


def _packed(rows: Sequence[Any]) -> tuple[str, ...]:
    """One build over its seeds."""

    def mean(name: str) -> float:
        return sum(row[name] for row in rows) / len(rows)

    first, lost = rows[0], [row["lost_points"] for row in rows]
    times, smallest = mean("weights_times"), min(row["weights_times"] for row in rows)
    bold = "**" if smallest >= PAPER[first["network"]] and mean("lost_points") <= MOST_LOST else ""
    return (
        f"{first['network']}, {first['data']}, {NAMES[first['runtime']]} `{first['recipe']}`",
        f"{bold}{times:.1f}{bold}",
        f"{mean('packed_file_bytes') / KB:.1f}",
        f"{mean('file_times'):.1f}",
        f"{mean('sparsity'):.1%}",
        f"{mean('accuracy'):.4f}",
        f"{mean('lost_points'):+.2f}",
        ", ".join(f"{each:+.2f}" for each in lost) if len(rows) > 1 else "one seed",
    )


def channel_pruning(found: Any) -> str:
    """The quick-start network, thinned by the product and by Torch-Pruning used plainly."""
    headings = (
        "build",
        "multiply-adds gone",
        "before training",
        "accuracy",
        "speed-up",
        "accuracy over plain",
        "speed over plain",
    )
    rows = []
    for row in found["rows"]:
        who = {"whole": "whole", "plain": "plain Torch-Pruning", "ours": f"`channels({row['share']})`"}
        gain, faster = row.get("accuracy_gain"), row.get("speed_up_over_plain")
        rows.append(
            (
                f"{NAMES[row['runtime']]} {row['kind']}, {who[row['side']]}",
                f"{row['removed_share']:.1%}",
                f"{row['untrained']:.3f}",
                f"{row['accuracy']:.4f}",
                f"{row['speed_up']['value']:.2f} ×",
                _between(gain, "+.3f") if gain else "–",
                f"{_between(faster, '.2f')} ×" if faster else "–",
            )
        )
    return rows_of(headings, rows)


def _between(found: Any, form: str) -> str:
    if found["low"] is None or found["high"] is None:
        return f"{found['value']:{form}}"
    return f"{found['value']:{form}} [{found['low']:{form}}, {found['high']:{form}}]"


def qat_recovery(found: Any) -> str:
    """A network that suffers from plain int8, with and without the quantization simulated in training."""
    headings = ("runtime", "fp32", "int8", "int8 with `qat`", "int8 after as much float training", "recovered")
    names = ("float", "int8", "int8_with_qat", "int8_more_training")
    rows = (
        (
            NAMES[row["runtime"]],
            *(f"{row[name]:.4f}" for name in names),
            f"{row['recovered']:.0%} [{row['recovered_low']:.0%}, {row['recovered_high']:.0%}]",
        )
        for row in found["rows"]
    )
    return rows_of(headings, rows)


TABLES = {
    "benefits": Table("combinations", benefits),
    "combinations": Table("combinations", combinations),
    "widths": Table("layer_costs", widths),
    "splits": Table("layer_costs", splits),
    "deep-compression": Table("deep_compression", deep_compression),
    "channel-pruning": Table("channel_pruning", channel_pruning),
    "qat-recovery": Table("qat_recovery", qat_recovery),
}


if __name__ == "__main__":
    sys.exit(main())
