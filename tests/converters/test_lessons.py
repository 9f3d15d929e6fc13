"""Training data in every form that a user may give, and what is said about the other forms."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from converters.compress import lessons  # noqa: E402
from harness.errors import SourceError  # noqa: E402
from harness.records import TensorSpec, Training  # noqa: E402

pytestmark = pytest.mark.runtimes

SPECS = (TensorSpec(name="image", shape=(1, 3), dtype="float32"),)
INPUTS = np.arange(60, dtype=np.float32).reshape(20, 3)
LABELS = np.arange(20, dtype=np.int32) % 4


def read(given: Any, **changes: Any) -> lessons.Lessons:
    found = lessons.read(
        SimpleNamespace(get_training_data=lambda: given), Path("model.py"), SPECS, Training(**changes), seed=0
    )
    assert found is not None
    return found


def batches(size: int) -> Any:
    for start in range(0, 20, size):
        yield torch.from_numpy(INPUTS[start : start + size]), torch.from_numpy(LABELS[start : start + size])


@pytest.mark.parametrize(
    "given",
    [
        (INPUTS, LABELS),
        ((torch.from_numpy(INPUTS),), torch.from_numpy(LABELS)),
        batches(8),
        list(batches(10)),
        [((row[None],), int(label)) for row, label in zip(INPUTS, LABELS, strict=True)],
    ],
    ids=["arrays", "tensors", "batches", "two batches", "samples"],
)
def test_arrays_batches_and_single_samples_are_the_same_data(given: Any) -> None:
    found = read(given)
    inputs, labels = found.batch(np.arange(20))
    assert torch.equal(inputs[0], torch.from_numpy(INPUTS))
    assert torch.equal(labels, torch.from_numpy(LABELS).long())
    assert found.digest == read((INPUTS, LABELS)).digest


def test_a_fifth_at_most_is_kept_apart_the_same_for_the_same_seed() -> None:
    found = read((INPUTS, LABELS))
    assert len(found.validation) == 4 and len(found.training) == 16
    assert set(found.validation) | set(found.training) == set(range(20))
    assert np.array_equal(found.validation, read((INPUTS, LABELS)).validation)
    assert len(read((INPUTS, LABELS), validation_samples=2).validation) == 2


def test_without_labels_there_are_none() -> None:
    assert read((INPUTS, None)).labels is None
    assert read([(row[None], None) for row in INPUTS]).labels is None


def test_a_stream_without_end_is_cut_and_it_is_said() -> None:
    def stream() -> Any:
        while True:
            yield INPUTS[:8], LABELS[:8]

    found = read(stream(), samples=20)
    assert len(found.inputs[0]) == 20
    assert "first 20 training samples" in found.notes[0]


def test_a_file_without_training_data_has_none() -> None:
    assert lessons.read(SimpleNamespace(), Path("model.py"), SPECS, Training(), seed=0) is None


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (7, "cannot be iterated"),
        ([], "gave no samples"),
        ([INPUTS], "not a pair"),
        ((INPUTS[:, :2], LABELS), r"float32 \[20, 2\], expected float32 \[N, 3\]"),
        ((INPUTS.astype(np.float64), LABELS), "float64"),
        ((INPUTS, LABELS[:7]), r"\[7, 20\] rows"),
        ((np.full_like(INPUTS, np.nan), LABELS), "NaN or Inf"),
        (((INPUTS, INPUTS), LABELS), "have 2 inputs, the model takes 1"),
        ((INPUTS[:1], LABELS[:1]), "are one sample"),
        ([(INPUTS[:8], LABELS[:8]), (INPUTS[8:], None)], "batch 1 has no labels"),
        ([(INPUTS[:8], LABELS[:7])], "8 rows and labels of shape"),
        ([(INPUTS[:8], LABELS[:8]), (INPUTS[8:, :2], LABELS[8:])], "differ in shape"),
    ],
)
def test_other_forms_are_refused_with_what_was_found(given: Any, fault: str) -> None:
    with pytest.raises(SourceError, match=fault) as refused:
        read(given)
    assert refused.value.remedy


def test_a_function_that_fails_is_blamed() -> None:
    module = SimpleNamespace(get_training_data=lambda: 1 / 0)
    with pytest.raises(SourceError, match=r"failed in get_training_data\(\)"):
        lessons.read(module, Path("model.py"), SPECS, Training(), seed=0)


def test_an_epoch_takes_every_row_once_in_an_order_of_its_seed() -> None:
    rows = np.arange(100, 120)
    first = list(lessons.epoch(rows, 5, (0, 1)))
    assert sorted(np.concatenate(first)) == list(rows)
    assert np.array_equal(np.concatenate(first), np.concatenate(list(lessons.epoch(rows, 5, (0, 1)))))
    assert not np.array_equal(np.concatenate(first), np.concatenate(list(lessons.epoch(rows, 5, (0, 2)))))
    assert lessons.batches_of(rows, 6) == len(list(lessons.epoch(rows, 6, (0, 1)))) == 3
    assert lessons.batches_of(rows, 64) == len(list(lessons.epoch(rows, 64, (0, 1)))) == 1
