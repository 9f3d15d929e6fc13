"""docs/keras.md: its tables are what the benchmarks' results say, and what it shows can be read."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from converters import recipes

PROJECT = Path(__file__).resolve().parent.parent
PAGE = PROJECT / "docs" / "keras.md"


@pytest.fixture
def keras_page(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(PROJECT / "benchmarks"))
    spec = importlib.util.spec_from_file_location("benchmark_keras_page", PROJECT / "benchmarks" / "keras_page.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_are_those_of_the_results(keras_page: ModuleType) -> None:
    assert keras_page.put(PAGE, keras_page.TABLES, check=True) == 0, "run benchmarks/keras_page.py"
    assert "Not measured yet" not in PAGE.read_text(encoding="utf-8")


def test_a_page_with_another_figure_is_out_of_date(keras_page: ModuleType, tmp_path: Path) -> None:
    other = tmp_path / "keras.md"
    other.write_text(PAGE.read_text(encoding="utf-8").replace("| 0.9910 |", "| 0.9999 |"), encoding="utf-8")
    assert keras_page.put(other, keras_page.TABLES, check=True) == 1
    assert keras_page.put(other, keras_page.TABLES, check=False) == 0
    assert other.read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8")


def test_every_recipe_that_is_shown_can_be_read() -> None:
    shown = re.findall(r"`((?:prune|cluster)\([^`]*|qat)`", PAGE.read_text(encoding="utf-8"))
    assert len(shown) > 8
    for name in shown:
        if "..." not in name:
            recipes.parse(f"{name}+static_wi8_ai8")
