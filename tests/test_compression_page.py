"""docs/compression.md: its tables are what the benchmarks' results say, and each step of the grammar is explained."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from converters import recipes

PROJECT = Path(__file__).resolve().parent.parent
PAGE = PROJECT / "docs" / "compression.md"


def script(name: str) -> ModuleType:
    """A benchmark, as a module."""
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", PROJECT / "benchmarks" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    return script("compression_tables")


def test_the_tables_are_those_of_the_results(tables: ModuleType) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert tables.filled(page, tables.RESULTS) == page, "run benchmarks/compression_tables.py"


def test_every_step_has_its_section_and_every_recipe_that_is_shown_can_be_read() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert all(re.search(rf"^## .*\b{name}\b", page, re.MULTILINE) for name in recipes.COMPRESSIONS)
    for name in re.findall(r"^  - ([^ #\n]+)", page, re.MULTILINE):
        assert recipes.parse(name).name == name


def test_a_table_without_results_says_which_script_makes_them(tables: ModuleType, tmp_path: Path) -> None:
    page = tables.filled(PAGE.read_text(encoding="utf-8"), tmp_path)
    assert "Not measured yet: `benchmarks/combinations.py` leaves the figures." in page


def test_a_page_without_a_place_for_a_table_is_refused(tables: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no place for the table"):
        tables.filled("# Compression\n", tmp_path)


def test_figures_gains_and_failures_of_a_run_become_rows(tables: ModuleType, tmp_path: Path) -> None:
    figures = {name: [2048.0, 2048.0, 2048.0] for name in ("size_bytes", "download_bytes", "packed_bytes")}
    figures |= {"on_cpu_ms.p50": [0.05, 0.049, 0.052], "accuracy": [0.9, 0.88, 0.92]}
    gains = {"size_bytes": [2.0, 2.0, 2.0], "time": [1.5, 1.4, 1.6]}
    build = {"figures": figures, "gains": gains, "outcome": "helped"}
    found = {
        "device": "a machine",
        "builds": {"tflite/channels(0.3)+fp32": build, "executorch/fp32": {"failure": "no kernel"}},
        "combinations": [],
        "pairs_held": 1,
        "pairs_wanted": 9,
    }
    (tmp_path / "combinations.json").write_text(json.dumps(found))
    page = tables.filled(PAGE.read_text(encoding="utf-8"), tmp_path)
    row = "| `channels(0.3)+fp32` | 2.0 (2.00 ×) | 2.0 | 2.0 | 50.0 [49.0, 52.0] (1.50 ×) | 0.900 ± 0.020 | yes |"
    assert row in page
    assert "| `fp32` | – | – | – | – | – | failed: no kernel |" in page
    assert "1 of the 9 that were asked for in pairs side by side" in page


@pytest.mark.parametrize(
    ("lost", "times", "shown"),
    [((0.1, 0.5), (41.0, 43.0), "**42.0**"), ((0.1, 0.6), (41.0, 43.0), "42.0"), ((0.1, 0.1), (39.0, 43.0), "41.0")],
)
def test_the_papers_mark_is_for_the_average_loss_and_for_the_size_of_every_seed(
    tables: ModuleType, tmp_path: Path, lost: tuple[float, float], times: tuple[float, float], shown: str
) -> None:
    one = {"network": "lenet-300-100", "data": "garments", "steps": "prune", "runtime": "tflite"}
    one |= {"recipe": "prune+fp32", "packed_file_bytes": 2048, "file_times": 40.0, "sparsity": 0.91, "accuracy": 0.89}
    rows = [{**one, "lost_points": less, "weights_times": size} for less, size in zip(lost, times, strict=True)]
    (tmp_path / "deep_compression.json").write_text(json.dumps(rows))
    page = tables.filled(PAGE.read_text(encoding="utf-8"), tmp_path)
    (row,) = [line for line in page.splitlines() if line.startswith("| lenet-300-100, garments")]
    assert f"| {shown} | 2.0 | 40.0 | 91.0% | 0.8900 | {sum(lost) / 2:+.2f} | {lost[0]:+.2f}, {lost[1]:+.2f} |" in row


@pytest.mark.parametrize(
    ("recipe", "parts"),
    [
        ("prune(0.5)+static_wi8_ai8", ["prune(0.5)+fp32", "static_wi8_ai8"]),
        ("prune(0.5)+cluster(16)+fp32", ["prune(0.5)+fp32", "cluster(16)+fp32"]),
        (
            "prune(0.5)+cluster(16)+qat+static_wi8_ai8",
            ["prune(0.5)+fp32", "cluster(16)+fp32", "qat+static_wi8_ai8", "static_wi8_ai8"],
        ),
    ],
)
def test_a_combination_is_held_against_each_of_its_parts_alone(recipe: str, parts: list[str]) -> None:
    assert script("combinations").parts_of(recipe) == parts


@pytest.mark.parametrize("recipe", ["fp32", "static_wi8_ai8", "prune(0.5)+fp32", "qat+static_wi8_ai8"])
def test_what_has_no_parts_is_no_combination(recipe: str) -> None:
    assert len([part for part in script("combinations").parts_of(recipe) if part != recipe]) < 2
