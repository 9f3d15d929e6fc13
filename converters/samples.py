"""The user's data items, checked one by one against the model's inputs and written as .npy files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.lib import format as npy

from harness.errors import SourceError
from harness.records import TensorSpec

Arrays = list[np.ndarray[Any, Any]]
_RANDOM_SAMPLES = 8


class Writer:
    """Appends samples of equal shape to one .npy file, whose header is completed on leaving the `with` block.

    Files hold [N, *shape] without ever being whole in memory: numpy's header keeps room for a growing first axis.
    """

    def __init__(self, path: Path, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
        self._shape, self._dtype, self._count = tuple(shape), dtype, 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = open(path, "wb")  # noqa: SIM115  closed in __exit__
        self._write_header()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._file.seek(0)
        self._write_header()
        self._file.close()

    def add(self, array: np.ndarray[Any, Any]) -> None:
        self._file.write(np.ascontiguousarray(array, self._dtype).tobytes())
        self._count += 1

    def _write_header(self) -> None:
        shape = (self._count, *self._shape)
        description = npy.dtype_to_descr(self._dtype)
        npy.write_array_header_1_0(self._file, {"descr": description, "fortran_order": False, "shape": shape})


def arrays_of(item: object, what: str) -> Arrays:
    """A tensor, an array, or a tuple or list of them, as numpy arrays; `what` names it in the error."""
    parts = item if isinstance(item, (tuple, list)) else (item,)
    return [_array(part, f"input {index} of {what}") for index, part in enumerate(parts)]


def check(arrays: Arrays, specs: Sequence[TensorSpec], what: str) -> None:
    """Raise SourceError when a sample does not fit the model's inputs, saying got and expected."""
    if len(arrays) != len(specs):
        raise SourceError(
            f"{what} has {len(arrays)} inputs, the model takes {len(specs)}",
            remedy="give each sample as a tuple like the one that get_args() returns",
        )
    for index, (array, spec) in enumerate(zip(arrays, specs, strict=True)):
        if array.shape != spec.shape or array.dtype.name != spec.dtype:
            raise SourceError(
                f"{what}, input {index} (`{spec.name}`) is {array.dtype.name} {list(array.shape)}, "
                f"expected {spec.dtype} {list(spec.shape)}",
                remedy=_remedy(array, spec),
            )
        if not _finite(array):
            raise SourceError(f"{what}, input {index} (`{spec.name}`) holds NaN or Inf", remedy="clean the data")


def _remedy(array: np.ndarray[Any, Any], spec: TensorSpec) -> str:
    if array.dtype.name != spec.dtype:
        return f"convert it with .astype({spec.dtype!r}), or change get_args()"
    if array.shape == spec.shape[1:]:
        return "add the batch dimension: x[None]"
    return "give every sample the shape of get_args(), batch included"


def check_outputs(outputs: Arrays, specs: Sequence[TensorSpec], what: str) -> None:
    """Raise SourceError when what the model returns is not finite, or of another shape than for get_args()."""
    shapes = [tuple(output.shape) for output in outputs]
    expected = [spec.shape for spec in specs]
    if shapes != expected:
        raise SourceError(
            f"the outputs of {what} are {shapes}, those of get_args() {expected}: their shape depends on the data",
            remedy="make the model return tensors of one fixed shape",
        )
    for index, output in enumerate(outputs):
        if not _finite(output):
            kind = "NaN" if np.isnan(output).any() else "Inf"
            raise SourceError(
                f"the model returns {kind} for {what} (output {index})",
                remedy="check the weights and the scale of the inputs; builds of such a model cannot be judged",
            )


def of_noise(specs: Sequence[TensorSpec], example: Arrays | None, count: int = _RANDOM_SAMPLES) -> list[Arrays]:
    """Seeded random samples for inputs of which no data is known.

    Floats have the example's mean and spread (without one: uniform in -1 to 1, the range most models are fed with);
    integers repeat the example, because any other index may be out of range (without one: 0 and 1, or, where a
    scale tells that they are quantized, the whole range of the dtype).
    """
    generator = np.random.default_rng(0)
    return [
        [_noise(generator, spec, example[index] if example else None) for index, spec in enumerate(specs)]
        for _ in range(count)
    ]


def write_all(folder: Path, prefix: str, samples: Sequence[Arrays]) -> None:
    """Write samples as `<prefix>_<i>.npy`, each [N, *shape]."""
    for index in range(len(samples[0])):
        first = samples[0][index]
        with Writer(folder / f"{prefix}_{index}.npy", first.shape, first.dtype) as writer:
            for sample in samples:
                writer.add(sample[index])


def read(folder: Path, prefix: str, count: int) -> list[Arrays]:
    """The first `count` samples of a folder that write_all() or Writer filled; empty when there are none."""
    files = sorted(folder.glob(f"{prefix}_*.npy"), key=lambda file: int(file.stem.rpartition("_")[2]))
    columns = [np.load(file, mmap_mode="r", allow_pickle=False) for file in files]
    rows = min((len(column) for column in columns), default=0)
    return [[np.array(column[row]) for column in columns] for row in range(min(rows, count))]


def digest(arrays: Arrays) -> bytes:
    """To find the same sample in two sets."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(np.ascontiguousarray(array).tobytes())
    return total.digest()


def _array(part: Any, what: str) -> np.ndarray[Any, Any]:
    if hasattr(part, "detach"):  # a torch.Tensor, without importing torch
        part = part.detach().cpu().resolve_conj().resolve_neg()
        if "bfloat16" in str(part.dtype):
            raise SourceError(f"{what} is bfloat16, which numpy does not know", remedy="convert it to float32")
        part = part.numpy()
    if not isinstance(part, (np.ndarray, np.generic)):
        raise SourceError(
            f"{what} is {type(part).__name__}, not a tensor or an array", remedy="give torch tensors or numpy arrays"
        )
    array = np.asarray(part)
    if array.dtype.kind not in "fiub":
        raise SourceError(f"{what} has the dtype {array.dtype}", remedy="use floats, integers or booleans")
    return array


def _finite(array: np.ndarray[Any, Any]) -> bool:
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _noise(
    generator: np.random.Generator, spec: TensorSpec, example: np.ndarray[Any, Any] | None
) -> np.ndarray[Any, Any]:
    dtype = np.dtype(spec.dtype)
    if dtype.kind == "f":
        if example is None or not example.size:
            return generator.uniform(-1, 1, spec.shape).astype(dtype)
        return generator.normal(example.mean(), example.std() or 1.0, spec.shape).astype(dtype)
    if example is not None:
        return example
    if dtype.kind in "iu" and spec.scale is not None:
        limits = np.iinfo(dtype)
        return generator.integers(limits.min, limits.max, spec.shape, dtype=dtype, endpoint=True)
    return generator.integers(0, 2, spec.shape).astype(dtype)
