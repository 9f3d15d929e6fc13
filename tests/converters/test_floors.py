"""How the floor of a gradual compression is spelled."""

from __future__ import annotations

import pytest

from converters import floors
from harness.errors import ExperimentError


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        (0.9, 0.9),
        ("0.9", 0.9),
        ("-3", -3.0),
        ("baseline", 0.95),
        ("baseline - 0.01", 0.94),
        ("baseline+.02", 0.97),
        ("0.98 x baseline", 0.931),
        ("2 x baseline - 1e-1", 1.8),
    ],
)
def test_a_floor_is_a_number_or_hangs_on_the_baseline(text: str | float, limit: float) -> None:
    floor = floors.parse(text)
    assert floor is not None
    assert floor.limit(0.95) == pytest.approx(limit)


def test_without_a_floor_there_is_none() -> None:
    assert floors.parse("") is None


@pytest.mark.parametrize("text", ["accuracy - 0.01", "baseline - ", "baseline * 2", "0.9 baseline"])
def test_a_floor_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ExperimentError, match=r"training\.floor") as refused:
        floors.parse(text)
    assert "baseline - 0.01" in refused.value.remedy
