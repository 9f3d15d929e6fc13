"""converters/compress/ledger.py: the floor and the notes, for every framework alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from converters.compress import jury, ledger
from converters.job import ShapeJob
from converters.samples import Arrays
from harness.errors import ConversionError
from harness.metrics import ACCURACY
from harness.records import Training


class FakeJury(jury.Jury):
    """A model is its own score."""

    def score(self, model: Any) -> float | None:
        return model

    def _outputs(self, model: Any) -> Arrays:
        return (np.asarray(model),)

    def _loss(self, model: Any) -> float:
        return -float(model)


def opened(floor: str, *, baseline: float | None, metric: str = ACCURACY) -> ledger.Ledger:
    """A ledger whose source model has this score."""
    job = ShapeJob(
        path="model.py",
        format="keras-python",
        prepared="",
        steps=(),
        training=Training(floor=floor),
        seed=0,
        folder="",
        checkpoints="",
        store="",
    )
    book = ledger.Ledger(job)
    book.reference, book._jury = baseline, FakeJury(None, None)
    book._jury.name = metric
    book._limit = book._floor()
    return book


def test_a_score_is_held_against_the_floor_and_said_in_the_metrics_own_unit() -> None:
    book = opened("baseline - 0.05", baseline=0.9)
    assert book.below_floor(0.84) and not book.below_floor(0.86) and not book.below_floor(None)
    assert (book.spelled(0.84), book.spelled_floor()) == ("accuracy 0.84", "accuracy 0.85")


@pytest.mark.parametrize(("floor", "limit"), [("90", "90"), ("-0.1", "-0.1"), ("2 x baseline", "1.8")])
def test_a_floor_that_no_accuracy_can_have_is_refused(floor: str, limit: str) -> None:
    with pytest.raises(ConversionError, match=f"is an accuracy of {limit}, and they lie between 0 and 1"):
        opened(floor, baseline=0.9)


def test_other_metrics_have_floors_of_any_size() -> None:
    assert opened("90", baseline=120.0, metric="psnr").below_floor(89.0)


def test_a_floor_without_a_score_is_noted_and_not_watched() -> None:
    book = opened("0.9", baseline=None)
    assert book.notes == ["the floor `0.9` was not watched: there is no training data with labels"]
    assert not book.below_floor(0.1) and book.spelled_floor() == "none"


def test_the_same_doubt_is_noted_once() -> None:
    book = opened("", baseline=0.9)
    book.note("pruned in one shot")
    book.note("pruned in one shot")
    assert book.notes == ["pruned in one shot"]
