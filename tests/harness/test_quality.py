"""harness/quality.py: parity and agreement, on outputs that models really give."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest

from harness import quality
from harness.errors import RunnerError, SourceError
from harness.quality import SNR_CAP_DB, compare, parity
from harness.records import Quality, TensorSpec

RANDOM = np.random.default_rng(0)
SCORES = RANDOM.normal(size=(50, 1, 10)).astype("float32")


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_figures_follow_their_formulas() -> None:
    want = RANDOM.normal(size=(20, 7)).astype("float32")
    got = want + RANDOM.normal(0, 0.1, want.shape).astype("float32")
    w, g = want.astype(float).ravel(), got.astype(float).ravel()
    found = parity(got, want)
    assert found.cosine == pytest.approx(w @ g / np.linalg.norm(w) / np.linalg.norm(g))
    assert found.snr_db == pytest.approx(10 * np.log10((w @ w) / ((g - w) @ (g - w))))
    assert found.max_abs_diff == pytest.approx(np.abs(g - w).max())
    assert found.max_rel_diff == pytest.approx(np.abs(g - w).max() / np.abs(w).max())
    assert found.non_finite == 0


def test_outputs_longer_than_a_chunk_are_summed_without_a_seam() -> None:
    want = RANDOM.normal(size=(2, quality.CHUNK_ELEMENTS // 2 + 3)).astype("float32")
    got = want.copy()
    got[-1, -1] += 5 * np.abs(want).max()  # only the last element of the second chunk differs
    found = parity(got, want)
    w, g = want.astype(float).ravel(), got.astype(float).ravel()
    assert found.max_rel_diff == pytest.approx(5, rel=1e-6)
    assert found.snr_db == pytest.approx(10 * np.log10((w @ w) / ((g - w) @ (g - w))))


def test_equal_outputs_are_perfect_and_can_be_stored() -> None:
    found = compare([SCORES], [SCORES], None)
    assert (found.cosine, found.snr_db, found.max_abs_diff, found.top1_agreement) == (1.0, SNR_CAP_DB, 0.0, 1.0)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Quality) == found


@pytest.mark.parametrize(
    ("got", "want", "cosine", "snr_db", "rel"),
    [
        (0.0, 0.0, 1.0, SNR_CAP_DB, 0.0),
        (0.0, 2.0, 0.0, 0.0, 1.0),
        (2.0, 0.0, 0.0, -SNR_CAP_DB, 1.0),
        (-2.0, 2.0, -1.0, -10 * np.log10(4), 2.0),
        (1e300, -1e300, -1.0, -10 * np.log10(4), 2.0),
        (3e38, 1e-38, 1.0, -SNR_CAP_DB, 3e76),
        (1e300, 1e-300, 0.0, -SNR_CAP_DB, np.finfo(float).max),
    ],
)
def test_zeros_and_extremes_stay_finite(got: float, want: float, cosine: float, snr_db: float, rel: float) -> None:
    found = parity(np.full((3, 4), got), np.full((3, 4), want))
    assert (found.cosine, found.snr_db) == pytest.approx((cosine, snr_db))
    assert found.max_rel_diff == pytest.approx(rel)
    json.dumps(msgspec.structs.asdict(found), allow_nan=False)


def test_the_output_that_comes_off_worst_counts() -> None:
    good, bad = RANDOM.normal(size=(10, 4)), RANDOM.normal(size=(10, 2, 3))
    found = compare([good, -bad], [good, bad], None)
    assert found.cosine == -1.0 and found.snr_db < 0 and found.samples == 10
    assert found.max_abs_diff == pytest.approx(2 * np.abs(bad).max())


def test_outputs_of_different_shapes_types_and_axes_of_length_one_go_together() -> None:
    boxes, classes = RANDOM.normal(size=(6, 3, 4)), RANDOM.integers(0, 9, (6, 1, 3))
    found = compare([boxes.astype("float16")[:, None], classes[:, 0].astype("int8")], [boxes, classes], None)
    assert found.cosine > 0.999 and 0 < found.max_abs_diff < 0.01
    assert found.non_finite == 0


def test_agreement_and_accuracy_are_counted_per_sample() -> None:
    labels = SCORES[:, 0].argmax(axis=1)
    labels[:5] = (labels[:5] + 1) % 10  # the model itself is wrong on five
    got = SCORES.copy()
    got[40:] = -got[40:]  # the build is wrong on ten more
    found = compare([got], [SCORES], labels)
    assert found.top1_agreement == pytest.approx(0.8)
    assert (found.score, found.reference_score) == pytest.approx((0.7, 0.9))
    assert found.correct == "0" * 5 + "1" * 35 + "0" * 10


def test_a_sample_with_nan_among_its_scores_is_wrong_and_counted() -> None:
    got = SCORES.copy()
    got[0, 0, 3] = np.nan
    found = compare([got], [SCORES], SCORES[:, 0].argmax(axis=1))
    assert found.non_finite == 1
    assert found.top1_agreement == found.score == 0.98
    assert found.cosine < 1.0


def test_a_build_that_returns_only_nan_is_as_bad_as_it_gets_and_stays_storable() -> None:
    found = compare([np.full_like(SCORES, np.nan)], [SCORES], None)
    assert (found.cosine, found.snr_db, found.non_finite) == (0.0, 0.0, SCORES.size)
    assert found.top1_agreement == 0.0
    assert msgspec.json.decode(msgspec.json.encode(found), type=Quality) == found


def test_the_same_infinity_on_both_sides_is_a_mask_and_no_fault() -> None:
    want = SCORES.copy()
    want[:, :, 0] = -np.inf
    assert compare([want], [want], None).non_finite == 0
    got = want.copy()
    got[0, 0, 0] = -1e30  # finite where the model masks
    assert compare([got], [want], None).non_finite == 1


def test_a_model_that_returns_nan_itself_is_refused() -> None:
    broken = SCORES.copy()
    broken[3] = np.nan
    with pytest.raises(SourceError, match="itself returns NaN in output 0"):
        compare([SCORES], [broken], None)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ([], "gives 0 outputs, the model 1"),
        ([SCORES, SCORES], "gives 2 outputs, the model 1"),
        ([SCORES[:49]], r"shape \(49, 1, 10\), the model's has \(50, 1, 10\)"),
        ([SCORES[:, :, :9]], r"shape \(50, 1, 9\)"),
        ([SCORES.reshape(50, 2, 5)], r"shape \(50, 2, 5\)"),
        ([SCORES.astype("complex64")], "complex64"),
    ],
)
def test_outputs_that_cannot_be_compared_are_refused_in_words(outputs: list, message: str) -> None:
    with pytest.raises(RunnerError, match=message):
        compare(outputs, [SCORES], None)


def test_nothing_to_compare_with_is_refused() -> None:
    with pytest.raises(SourceError, match="no reference"):
        compare([], [], None)
    with pytest.raises(SourceError, match="no reference"):
        compare([SCORES[:0]], [SCORES[:0]], None)


def test_labels_choose_the_output_that_they_fit() -> None:
    boxes, labels = RANDOM.normal(size=(50, 4)), SCORES[:, 0].argmax(axis=1)
    assert labels.max() > 3
    found = compare([boxes, SCORES], [boxes, SCORES], labels)
    assert found.score == 1.0


@pytest.mark.parametrize("labels", [RANDOM.normal(size=50), np.full(50, 10), np.full(50, -1), np.zeros(7, int)])
def test_labels_that_are_no_classes_of_any_output_give_no_score(labels: np.ndarray) -> None:
    found = compare([SCORES], [SCORES], labels)
    assert found.score is found.reference_score is None and found.correct == ""
    assert found.top1_agreement == 1.0


def test_one_label_per_row_is_scored_but_rows_are_not_taken_for_samples() -> None:
    tokens = RANDOM.normal(size=(8, 6, 5))
    found = compare([tokens], [tokens], tokens.argmax(axis=-1))
    assert found.score == 1.0 and found.correct == "" and found.samples == 8


def test_pictures_and_single_numbers_are_no_class_scores() -> None:
    for output in (RANDOM.normal(size=(5, 4, 6)), RANDOM.normal(size=(5, 1)), RANDOM.normal(size=5)):
        assert compare([output], [output], None).top1_agreement is None


def test_quantized_outputs_are_turned_into_real_values() -> None:
    spec = TensorSpec(name="y", shape=(1, 2), dtype="int8", scale=0.5, zero_point=-10)
    assert quality.real_values(np.array([[-10, 20]], dtype="int8"), spec).tolist() == [[0.0, 15.0]]
    floats = np.array([[0.25]], dtype="float32")
    assert quality.real_values(floats, spec) is floats
