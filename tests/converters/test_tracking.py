"""What the user's code depends on: distributions that any process finds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from converters.tracking import Tracker


@pytest.fixture
def distributed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """A distribution with one module, in a folder that is put on the path."""

    def make(folder: str, name: str) -> None:
        info = tmp_path / folder / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "top_level.txt").write_text(f"{name}\n")
        (tmp_path / folder / f"{name}.py").write_text("")
        monkeypatch.syspath_prepend(str(tmp_path / folder))

    return make


def test_a_distribution_counts_by_its_version_unless_another_one_carries_it(
    distributed: Callable[[str, str], None], tmp_path: Path
) -> None:
    distributed("site", "pb_ordinary")
    distributed("tool/_vendor", "pb_bundled")
    tracker = Tracker(ignore=tmp_path / "nothing")
    with tracker.watching():
        __import__("pb_ordinary")
        __import__("pb_bundled")
    found = tracker.distributions()
    for name in ("pb_ordinary", "pb_bundled"):
        del sys.modules[name]
    assert found == {"pb_ordinary": "1.0"}
