"""Data items: what fits the model, what does not, and how they lie on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from converters import samples
from harness.errors import SourceError
from harness.records import TensorSpec

IMAGE = TensorSpec(name="image", shape=(1, 3, 4, 4), dtype="float32")
TOKENS = TensorSpec(name="tokens", shape=(1, 5), dtype="int64")


def _image(value: float = 0.5) -> np.ndarray:
    return np.full(IMAGE.shape, value, np.float32)


def test_single_arrays_tuples_and_lists_are_the_same_to_the_caller() -> None:
    for item in (_image(), (_image(),), [_image()]):
        (array,) = samples.arrays_of(item, "sample 0")
        assert array.shape == IMAGE.shape


@pytest.mark.parametrize("item", [None, "path.png", {"image": 1}, (_image(), "text")])
def test_what_is_no_tensor_is_refused_by_its_type(item: object) -> None:
    with pytest.raises(SourceError, match=r"input \d of sample 7 is (NoneType|str|dict)"):
        samples.arrays_of(item, "sample 7")


def test_a_wrong_shape_says_which_sample_which_input_got_and_expected() -> None:
    arrays = [_image(), np.zeros((1, 6), np.int64)]
    with pytest.raises(SourceError) as refused:
        samples.check(arrays, (IMAGE, TOKENS), "calibration sample 3")
    expected = "calibration sample 3, input 1 (`tokens`) is int64 [1, 6], expected int64 [1, 5]"
    assert refused.value.message == expected


@pytest.mark.parametrize(
    ("array", "remedy"),
    [
        (_image().astype(np.float64), "astype('float32')"),
        (_image()[0], "x[None]"),
        (np.repeat(_image(), 8, axis=0), "batch included"),
    ],
)
def test_the_remedy_fits_the_fault(array: np.ndarray, remedy: str) -> None:
    with pytest.raises(SourceError) as refused:
        samples.check([array], (IMAGE,), "evaluation sample 0")
    assert remedy in refused.value.remedy


def test_a_wrong_number_of_inputs_is_refused() -> None:
    with pytest.raises(SourceError, match="has 1 inputs, the model takes 2"):
        samples.check([_image()], (IMAGE, TOKENS), "evaluation sample 0")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_data_that_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(SourceError, match="holds NaN or Inf"):
        samples.check([_image(bad)], (IMAGE,), "calibration sample 0")


@pytest.mark.parametrize(("bad", "word"), [(np.nan, "NaN"), (-np.inf, "Inf")])
def test_a_model_that_returns_no_number_is_refused(bad: float, word: str) -> None:
    with pytest.raises(SourceError, match=f"returns {word} for evaluation sample 2"):
        samples.check_outputs([_image(bad)], (IMAGE,), "evaluation sample 2")


def test_an_output_whose_shape_follows_the_data_is_refused() -> None:
    with pytest.raises(SourceError, match="depends on the data"):
        samples.check_outputs([np.zeros((4, 2))], (IMAGE,), "evaluation sample 0")


def test_any_number_of_samples_is_written_one_by_one_and_read_by_numpy(tmp_path: Path) -> None:
    path = tmp_path / "input_0.npy"
    with samples.Writer(path, IMAGE.shape, np.dtype(np.float32)) as writer:
        for value in range(12):
            writer.add(_image(value))
    stored = np.load(path)
    assert stored.shape == (12, *IMAGE.shape)
    assert stored[:, 0, 0, 0, 0].tolist() == list(range(12))


def test_a_file_written_one_by_one_is_the_file_that_numpy_writes_at_once(tmp_path: Path) -> None:
    with samples.Writer(tmp_path / "ours.npy", (2,), np.dtype(np.float32)) as writer:
        for _ in range(1000):
            writer.add(np.ones(2, np.float32))
    np.save(tmp_path / "numpys.npy", np.ones((1000, 2), np.float32))
    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "numpys.npy").read_bytes()


def test_reading_keeps_the_order_of_inputs_beyond_ten(tmp_path: Path) -> None:
    written = [[np.full((1,), index, np.int64) for index in range(12)]]
    samples.write_all(tmp_path, "input", written)
    (row,) = samples.read(tmp_path, "input", 8)
    assert [int(array[0]) for array in row] == list(range(12))
    assert samples.read(tmp_path / "absent", "input", 8) == []


def test_noise_is_seeded_and_fits_the_model() -> None:
    first, second = samples.of_noise((IMAGE, TOKENS), None), samples.of_noise((IMAGE, TOKENS), None)
    for left, right in zip(first, second, strict=True):
        samples.check(left, (IMAGE, TOKENS), "noise")
        assert all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))
    assert not np.array_equal(first[0][0], first[1][0])


def test_noise_around_an_example_keeps_its_integers_and_its_scale() -> None:
    tokens = np.array([[7, 0, 3, 9, 1]], np.int64)
    pixels = np.linspace(100, 200, 48, dtype=np.float32).reshape(IMAGE.shape)
    noise = samples.of_noise((IMAGE, TOKENS), [pixels, tokens], count=4)
    assert all(np.array_equal(row[1], tokens) for row in noise)
    assert 140 < np.mean([row[0] for row in noise]) < 160


def test_noise_for_a_quantized_input_covers_the_range_of_its_dtype() -> None:
    quantized = TensorSpec(name="q", shape=(1, 1000), dtype="int8", scale=0.1, zero_point=3)
    noise = samples.of_noise((quantized,), None, count=1)[0][0]
    assert noise.min() < -120
    assert noise.max() > 120
