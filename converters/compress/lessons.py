"""The user's training data: taken from get_training_data(), checked, split, and cut into batches.

torch is imported for a batch of its tensors only. For child processes only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from converters import samples, userfile
from converters.samples import Arrays
from harness.errors import SourceError
from harness.records import Record, TensorSpec, Training

if TYPE_CHECKING:
    import torch

NAME = "get_training_data"
_FORMS = (
    "return (inputs, labels), arrays with one row per sample, or an iterable of such pairs, one per batch or sample"
)
Batch = tuple[tuple["torch.Tensor", ...], "torch.Tensor | None"]


class Lessons(Record, frozen=True, kw_only=True):
    """inputs: arrays [N, ...], one per model input; labels: array [N, ...] or None. training, validation: row numbers,
    without overlap. digest: of all the data."""

    inputs: list[Any]
    labels: Any
    training: Any
    validation: Any
    digest: str
    notes: tuple[str, ...] = ()

    def batch(self, rows: Any) -> Batch:
        import torch

        inputs = tuple(torch.from_numpy(np.ascontiguousarray(array[rows])) for array in self.inputs)
        labels = None if self.labels is None else torch.from_numpy(np.ascontiguousarray(self.labels[rows]))
        return inputs, labels


def read(
    module: ModuleType | None, path: Path, specs: Sequence[TensorSpec], settings: Training, seed: int
) -> Lessons | None:
    """None where the model's file has no get_training_data(). Raises SourceError for data that do not fit."""
    function = userfile.function(module, NAME)
    if function is None:
        return None
    with userfile.blaming(path, f"in {NAME}()"):
        given = function()
        columns, labels, cut = _collected(given, settings.samples)
    _check(columns, labels, specs)
    labels = None if labels is None else _whole_numbers(labels)
    order = np.random.default_rng(seed).permutation(len(columns[0]))
    kept = min(settings.validation_samples, len(order) // 5)
    notes = (f"only the first {settings.samples} training samples were used (training.samples)",) if cut else ()
    return Lessons(
        inputs=columns,
        labels=labels,
        training=order[kept:],
        validation=np.sort(order[:kept]),
        digest=_digest(columns, labels),
        notes=notes,
    )


def _collected(given: Any, limit: int) -> tuple[Arrays, Any, bool]:
    """Columns, labels and whether there was more."""
    if isinstance(given, tuple) and len(given) == 2 and (given[1] is None or hasattr(given[1], "shape")):
        columns = samples.arrays_of(given[0], "the training data")
        labels = None if given[1] is None else samples.arrays_of((given[1],), "the training labels")[0]
        return (
            [column[:limit] for column in columns],
            None if labels is None else labels[:limit],
            (bool(columns) and columns[0].ndim > 0 and len(columns[0]) > limit),
        )
    if not hasattr(given, "__iter__"):
        raise SourceError(f"{NAME}() returned {type(given).__name__}, which cannot be iterated", remedy=_FORMS)
    parts: list[tuple[Arrays, Any]] = []
    count = 0
    for index, item in enumerate(given):
        if count >= limit:
            return *_joined(parts, limit), True
        parts.append(_pair(item, index))
        count += len(parts[-1][0][0])
    return *_joined(parts, limit), count > limit


def _pair(item: Any, index: int) -> tuple[Arrays, Any]:
    what = f"training batch {index}"
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        raise SourceError(f"{what} is {type(item).__name__}, not a pair of inputs and labels", remedy=_FORMS)
    arrays = samples.arrays_of(item[0], what)
    rows = {array.shape[0] if array.ndim else 0 for array in arrays}
    if len(rows) != 1 or rows == {0}:
        raise SourceError(f"the inputs of {what} do not have one row per sample", remedy=_FORMS)
    return arrays, _label(item[1], rows.pop(), what)


def _label(label: Any, rows: int, what: str) -> Any:
    if label is None:
        return None
    array = np.asarray(label) if isinstance(label, (int, float)) else samples.arrays_of((label,), what)[0]
    if rows == 1 and array.shape[:1] != (1,):
        array = array[None]  # one sample with its label, as in get_evaluation_data()
    if array.ndim == 0 or len(array) != rows:
        raise SourceError(f"{what} has {rows} rows and labels of shape {list(array.shape)}", remedy=_FORMS)
    return array


def _joined(parts: list[tuple[Arrays, Any]], limit: int) -> tuple[Arrays, Any]:
    if not parts:
        raise SourceError(f"{NAME}() gave no samples", remedy="let it give some, or remove it")
    without = [index for index, (_, label) in enumerate(parts) if label is None]
    if without and len(without) < len(parts):
        raise SourceError(f"training batch {without[0]} has no labels, others have", remedy="label all, or none")
    try:
        columns = [np.concatenate(column)[:limit] for column in zip(*(arrays for arrays, _ in parts), strict=True)]
        labels = None if without else np.concatenate([label for _, label in parts])[:limit]
    except ValueError as error:
        raise SourceError(f"the training batches differ in shape: {error}", remedy=_FORMS) from error
    return columns, labels


def _check(columns: Arrays, labels: Any, specs: Sequence[TensorSpec]) -> None:
    if len(columns) != len(specs):
        raise SourceError(f"the training data have {len(columns)} inputs, the model takes {len(specs)}", remedy=_FORMS)
    for index, (column, spec) in enumerate(zip(columns, specs, strict=True)):
        if column.shape[1:] != spec.shape[1:] or column.dtype.name != spec.dtype:
            raise SourceError(
                f"the training data of input {index} (`{spec.name}`) are {column.dtype.name} {list(column.shape)}, "
                f"expected {spec.dtype} [N, {', '.join(map(str, spec.shape[1:]))}]",
                remedy="give them the type and shape of get_args(), with any number of rows",
            )
        if column.dtype.kind == "f" and not np.isfinite(column).all():
            raise SourceError(f"the training data of input {index} (`{spec.name}`) hold NaN or Inf", remedy="clean it")
    rows = {len(column) for column in columns} | (set() if labels is None else {len(labels)})
    if len(rows) != 1:
        raise SourceError(f"the training data have {sorted(rows)} rows", remedy="give as many labels as inputs")
    if rows.pop() < 2:
        raise SourceError("the training data are one sample", remedy="give more")


def _whole_numbers(labels: Any) -> Any:
    return labels.astype(np.int64) if labels.dtype.kind in "iub" else labels.astype(np.float32)


def _digest(columns: Arrays, labels: Any) -> str:
    total = hashlib.sha256()
    for array in [*columns, *([] if labels is None else [labels])]:
        total.update(f"{array.dtype}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def epoch(rows: Any, size: int, seed: Sequence[int]) -> Iterator[Any]:
    """Row numbers of the batches of one epoch, in an order drawn from `seed`; a rest below a batch is left out."""
    order = np.random.default_rng(list(seed)).permutation(rows)
    size = min(size, len(order))
    for start in range(0, len(order) - size + 1, size):
        yield order[start : start + size]


def batches_of(rows: Any, size: int) -> int:
    return max(1, len(rows) // min(size, len(rows)))
