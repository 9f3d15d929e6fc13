"""The tables of faults in docs/adb.md: each row names tests that exist, and no fault that is tested is left out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TABLED = "adb/test_link_faults.py"  # whatever is tested there stands in a table
# What a user is promised at least.
PROMISED = ("cut", "stall", "slow reader", "storage full", "read-only", "daemon killed", "restarted", "key unknown")
PROMISED += ("thermal status 3", "5 %", "charger plugged in", "signal 9", "CR LF", "second session", "memory")


@pytest.fixture(scope="module")
def rows(project: Path) -> list[list[str]]:
    """Cells of every row: the fault, what happens, the tests."""
    lines = (
        (project / "docs" / "adb.md").read_text().partition("\n## What the link has been put through\n")[2].splitlines()
    )
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [row for row in cells if row[0] != "fault" and not set(row[0]) <= {"-"}]


def defined(project: Path, pattern: str = "**/test_*.py") -> set[str]:
    texts = (path.read_text() for path in (project / "tests" / "device_runners").glob(pattern))
    return set(re.findall(r"^def (test_\w+)\(", "\n".join(texts), re.MULTILINE))


def test_every_row_says_what_happens_and_names_tests_that_exist(project: Path, rows: list[list[str]]) -> None:
    there = defined(project)
    assert len(rows) > 40
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row[-1])
        assert len(row) == 3 and row[1] and named, row
        assert [name for name in named if name not in there] == []


def test_no_fault_that_is_tested_is_left_out(project: Path, rows: list[list[str]]) -> None:
    named = {name for row in rows for name in re.findall(r"`(test_\w+)`", row[-1])}
    assert defined(project, TABLED) - named == set()
    told = "\n".join(row[0] for row in rows)
    assert [fault for fault in PROMISED if fault not in told] == []
