"""What a sample becomes before a build sees it, and what an output becomes before it is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from device_runners import tensors
from device_runners.wire import TensorFile
from harness.errors import RunnerError, StoreError
from harness.records import TensorSpec


def spec(dtype: str, *shape: int, scale: float | None = None, zero: int | None = None) -> TensorSpec:
    return TensorSpec(name="x", shape=shape, dtype=dtype, scale=scale, zero_point=zero)


def test_samples_are_read_one_after_the_other_row_by_row(tmp_path: Path) -> None:
    values = np.arange(24, dtype="<f4").reshape(4, 2, 3)
    (tmp_path / "x.bin").write_bytes(values.tobytes())
    file = TensorFile(path="x.bin", dtype="float32", shape=(2, 3), samples=4)
    np.testing.assert_array_equal(tensors.samples_of(file, tmp_path), values)


@pytest.mark.parametrize(("size", "samples"), [(0, 1), (23, 1), (25, 1), (24, 2)])
def test_a_file_of_another_size_is_refused_with_both_sizes(tmp_path: Path, size: int, samples: int) -> None:
    (tmp_path / "x.bin").write_bytes(b"\0" * size)
    file = TensorFile(path="x.bin", dtype="float32", shape=(2, 3), samples=samples)
    with pytest.raises(RunnerError, match=rf"is {size} bytes, {samples} x float32 \[2, 3\] are {24 * samples}"):
        tensors.samples_of(file, tmp_path)


def test_a_file_that_is_missing_and_a_dtype_that_is_unknown_are_named(tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match=r"x\.bin cannot be read: No such file"):
        tensors.samples_of(TensorFile(path="x.bin", dtype="float32", shape=(1,), samples=1), tmp_path)
    with pytest.raises(RunnerError, match="'object'"):
        tensors.samples_of(TensorFile(path="x.bin", dtype="object", shape=(1,), samples=1), tmp_path)


def test_quantized_values_are_rounded_and_cut_off_at_the_ends() -> None:
    values = np.array([-100.0, -1.0, 0.0, 0.024, 0.026, 100.0], np.float32)
    fitted = tensors.fitted(values, spec("int8", 6, scale=0.05, zero=3))
    assert fitted.dtype == np.int8
    assert fitted.tolist() == [-128, -17, 3, 3, 4, 127]


def test_quantizing_and_restoring_is_right_to_half_a_step() -> None:
    values = np.linspace(-3, 3, 200, dtype=np.float32)
    for dtype, scale, zero in (("int8", 0.03, -7), ("uint8", 0.03, 120), ("int16", 2e-4, 0)):
        real = spec(dtype, 200, scale=scale, zero=zero)
        back = tensors.restored(tensors.fitted(values, real), real)
        assert back.dtype == np.float32
        assert np.abs(back - values).max() <= scale / 2 * 1.001


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_cannot_be_quantized(value: float) -> None:
    with pytest.raises(RunnerError, match="NaN or infinity, which int8 cannot say"):
        tensors.fitted(np.array([value], np.float32), spec("int8", 1, scale=0.1, zero=0))


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("float32", "float16"), ("float64", "float32"), ("int64", "int32"), ("int32", "int64"), ("uint8", "int8")],
)
def test_a_cast_that_loses_nothing_is_made(given: str, wanted: str) -> None:
    values = np.array([[1, 2], [3, 100]], given)
    fitted = tensors.fitted(values, spec(wanted, 2, 2))
    assert fitted.dtype == wanted and fitted.tolist() == values.tolist()


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (np.array([1.0], np.float32), "int32"),
        (np.array([1], np.int64), "float32"),
        (np.array([True]), "float32"),
        (np.array([1], np.int32), "bool"),
        (np.array([2**31], np.int64), "int32"),
        (np.array([-1], np.int32), "uint8"),
        (np.array([200], np.uint8), "int8"),
    ],
)
def test_a_cast_that_means_something_else_is_refused_naming_both(values: np.ndarray, wanted: str) -> None:
    with pytest.raises(RunnerError, match=rf"'x'.*{values.dtype}.*{wanted}"):
        tensors.fitted(values, spec(wanted, 1))


def test_a_bfloat16_input_is_carried_as_float32() -> None:
    assert tensors.fitted(np.array([1.5], np.float64), spec("bfloat16", 1)).dtype == np.float32


def test_a_fitted_sample_is_the_builds_own_copy_and_keeps_its_rank() -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3).T
    fitted = tensors.fitted(values, spec("float32", 3, 2))
    assert fitted.flags.c_contiguous and fitted.flags.writeable and not np.shares_memory(fitted, values)
    for dtype in ("float32", "float16", "int32"):
        given = np.array(3, "int64" if dtype == "int32" else "float32")
        assert tensors.fitted(given, spec(dtype)).shape == ()


@pytest.mark.parametrize("shape", [(1, 3), (3, 2), (1, 2, 1), (2,), ()])
def test_another_shape_is_refused_naming_both(shape: tuple[int, ...]) -> None:
    with pytest.raises(RunnerError, match=r"\[1, 2\]"):
        tensors.check_shape(shape, "float32", spec("float32", 1, 2))


def test_a_dynamic_dimension_fits_any_size() -> None:
    tensors.check_shape((7, 2), "float32", spec("float32", -1, 2))
    with pytest.raises(RunnerError, match=r"\[7, 3\], the build wants float32 \[-1, 2\]"):
        tensors.check_shape((7, 3), "float32", spec("float32", -1, 2))


def test_zeros_stand_in_for_inputs() -> None:
    (zeros,) = tensors.zeros_for([spec("int8", -1, 4, scale=0.1, zero=5)])
    assert (zeros.shape, zeros.dtype, zeros.any()) == ((1, 4), np.int8, False)


def test_outputs_of_all_samples_stand_in_one_file_each(tmp_path: Path) -> None:
    writer = tensors.OutputWriter(tmp_path / "out", named="out", stem="a-")
    for number in range(3):
        writer.add([np.full((1, 2), number, np.float32), np.array([number], np.int64)])
    first, second = writer.files
    assert first == TensorFile(path="out/a-output_0.bin", dtype="float32", shape=(1, 2), samples=3)
    assert tensors.samples_of(second, tmp_path).ravel().tolist() == [0, 1, 2]


def test_outputs_of_an_earlier_run_are_written_over(tmp_path: Path) -> None:
    for count in (3, 1):
        writer = tensors.OutputWriter(tmp_path, named=".")
        for _ in range(count):
            writer.add([np.zeros(2, np.float32)])
    assert (tmp_path / "output_0.bin").stat().st_size == 8


def test_numbers_that_are_none_are_counted(tmp_path: Path) -> None:
    writer = tensors.OutputWriter(tmp_path, named=".")
    writer.add([np.array([1, np.nan, np.inf], np.float32), np.array([1], np.int32)])
    writer.add([np.array([np.nan, 0, 0], np.float32), np.array([1], np.int32)])
    assert writer.non_finite == 3


def test_outputs_that_change_their_shape_are_refused(tmp_path: Path) -> None:
    writer = tensors.OutputWriter(tmp_path, named=".")
    writer.add([np.zeros((1, 2), np.float32)])
    with pytest.raises(RunnerError, match=r"float32 \[1, 2\], then float32 \[1, 3\]"):
        writer.add([np.zeros((1, 3), np.float32)])


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    (tmp_path / "output_0.bin").symlink_to("/dev/full")
    writer = tensors.OutputWriter(tmp_path, named=".")
    with pytest.raises(StoreError, match=r"output_0\.bin cannot be written: No space left"):
        writer.add([np.zeros(2, np.float32)])
