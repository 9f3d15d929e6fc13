"""Samples on disk <-> what a build takes and gives: shapes checked, dtypes cast only where nothing is lost.

Imported by the worker, so it needs numpy alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from device_runners.wire import TensorFile
from harness.errors import RunnerError, StoreError
from harness.records import TensorSpec

Array = npt.NDArray[np.generic]
_INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
DTYPES = ("bool", *_INTEGERS, "float16", "float32", "float64")


def samples_of(file: TensorFile, folder: Path) -> Array:
    """All samples, [samples, *shape], read from disk as they are used; RunnerError where the file does not fit."""
    path = folder / file.path
    if file.dtype not in DTYPES:
        raise RunnerError(f"{path} is of dtype {file.dtype!r}, known are {', '.join(DTYPES)}")
    dtype = np.dtype(file.dtype).newbyteorder("<")
    wanted = file.samples * math.prod(file.shape) * dtype.itemsize
    try:
        size = path.stat().st_size
    except OSError as error:
        raise RunnerError(f"input {path} cannot be read: {error.strerror}") from error
    if size != wanted:
        raise RunnerError(f"{path} is {size} bytes, {file.samples} x {spelled(file.dtype, file.shape)} are {wanted}")
    if size == 0:
        return np.empty((file.samples, *file.shape), dtype)
    return np.memmap(path, dtype, mode="r", shape=(file.samples, *file.shape))


def zeros_for(specs: Sequence[TensorSpec]) -> list[Array]:
    """One sample of zeros; a dynamic dimension is 1."""
    shapes = [tuple(1 if n < 0 else n for n in spec.shape) for spec in specs]
    return [np.zeros(shape, stored_dtype(spec)) for shape, spec in zip(shapes, specs, strict=True)]


def stored_dtype(spec: TensorSpec) -> np.dtype[np.generic]:
    """The numpy dtype that carries a tensor; numpy has no bfloat16, float32 holds all of its values."""
    return np.dtype("float32" if spec.dtype == "bfloat16" else spec.dtype)


def check_count(given: int, specs: Sequence[TensorSpec]) -> None:
    if given != len(specs):
        names = ", ".join(spec.name for spec in specs)
        raise RunnerError(f"the request has {given} inputs, the build takes {len(specs)} ({names})")


def check_shape(shape: Sequence[int], dtype: object, spec: TensorSpec) -> None:
    """-1 in the build's shape fits anything."""
    if len(shape) != len(spec.shape) or any(n not in (m, -1) for n, m in zip(spec.shape, shape, strict=True)):
        raise _misfit(str(dtype), shape, spec)


def fitted(values: Array, spec: TensorSpec) -> Array:
    """One sample in the build's own dtype, contiguous and owned.

    A build with quantized inputs gets round(value / scale) + zero_point, cut off at the ends of its range. Floats
    become other floats, and integers other integers when they fit; anything else is a RunnerError naming both.
    """
    wanted = stored_dtype(spec)
    if values.dtype == wanted:
        return np.array(values, dtype=wanted, order="C")
    if is_quantized(spec) and values.dtype.kind == "f":
        return _quantized(values, spec)
    if values.dtype.kind == "f" and wanted.kind == "f":
        return np.array(values, dtype=wanted, order="C")
    if values.dtype.kind in "iu" and wanted.kind in "iu":
        return _narrowed(values, wanted, spec)
    raise _misfit(str(values.dtype), values.shape, spec)


def restored(values: Array, spec: TensorSpec) -> Array:
    """A quantized output as the float32 it stands for; others as they are."""
    if not is_quantized(spec) or values.dtype.kind not in "iu":
        return values
    return ((values.astype(np.float64) - (spec.zero_point or 0)) * (spec.scale or 1.0)).astype(np.float32)


def is_quantized(spec: TensorSpec) -> bool:
    """An integer tensor that stands for real numbers."""
    return bool(spec.scale) and stored_dtype(spec).kind in "iu"


def _quantized(values: Array, spec: TensorSpec) -> Array:
    numbers = np.asarray(values, np.float64)
    if not np.isfinite(numbers).all():
        raise RunnerError(f"input {spec.name!r} holds NaN or infinity, which {spec.dtype} cannot say")
    limits = np.iinfo(spec.dtype)
    codes = np.rint(numbers / (spec.scale or 1.0)) + (spec.zero_point or 0)
    return np.array(np.clip(codes, limits.min, limits.max), dtype=spec.dtype, order="C")


def _narrowed(values: Array, wanted: np.dtype[np.generic], spec: TensorSpec) -> Array:
    limits = np.iinfo(str(wanted))
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    if low < limits.min or high > limits.max:
        raise RunnerError(
            f"input {spec.name!r} holds {low} to {high} as {values.dtype}, which the build's {wanted} cannot hold"
        )
    return np.array(values, dtype=wanted, order="C")


def _misfit(dtype: str, shape: Sequence[int], spec: TensorSpec) -> RunnerError:
    return RunnerError(
        f"input {spec.name!r} is {spelled(dtype, shape)}, the build wants {spelled(spec.dtype, spec.shape)}",
        remedy="give data of the shape and dtype that get_args() has",
    )


def spelled(dtype: str, shape: Sequence[int]) -> str:
    return f"{dtype} [{', '.join(map(str, shape))}]"


class OutputWriter:
    """One raw file per output, grown sample by sample.

    The files are named `<stem>output_<j>.bin` in `folder` and called by `named`, the folder's name in the request.
    """

    def __init__(self, folder: Path, *, named: str, stem: str = "") -> None:
        self._folder, self._named, self._stem = folder, named, stem
        self._files: list[TensorFile] = []
        self.non_finite = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{folder} cannot be written: {error.strerror}") from error

    def add(self, outputs: Sequence[Array]) -> None:
        """One sample's outputs; RunnerError when they are of another shape than before."""
        found = [self._described(number, values) for number, values in enumerate(outputs)]
        for before, now in zip(self._files, found, strict=False):
            if (before.dtype, before.shape) != (now.dtype, now.shape):
                shapes = f"{spelled(before.dtype, before.shape)}, then {spelled(now.dtype, now.shape)}"
                raise RunnerError(f"the outputs change with the sample: {shapes}")
        mode = "ab" if self._files else "wb"
        for file, values in zip(found, outputs, strict=True):
            self._append(self._folder / Path(file.path).name, mode, values)
        samples = self._files[0].samples + 1 if self._files else 1
        self._files = [TensorFile(path=f.path, dtype=f.dtype, shape=f.shape, samples=samples) for f in found]

    @property
    def files(self) -> tuple[TensorFile, ...]:
        return tuple(self._files)

    def _described(self, number: int, values: Array) -> TensorFile:
        path = f"{self._named}/{self._stem}output_{number}.bin"
        return TensorFile(path=path, dtype=values.dtype.name, shape=values.shape, samples=1)

    def _append(self, path: Path, mode: str, values: Array) -> None:
        if values.dtype.kind == "f":
            self.non_finite += int(values.size - np.isfinite(values).sum())
        try:
            with open(path, mode) as file:
                file.write(values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes())
        except OSError as error:
            raise StoreError(f"{path} cannot be written: {error.strerror}") from error
