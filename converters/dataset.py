"""The data that comes with a model: calibration samples, and evaluation samples with the source model's own outputs.

Imports torch through torchmodel: for child processes only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from converters import samples, torchmodel, userfile
from converters.job import PrepareJob
from converters.samples import Arrays, Writer
from harness.errors import SourceError
from harness.records import Record, TensorSpec

LABELS = "labels.npy"


class Subject(Record, frozen=True, kw_only=True):
    """The torch model while it is looked at. arrays: its example inputs. operators: what one call of it runs."""

    job: PrepareJob
    network: Any
    arrays: list[Any]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...] = ()
    module: ModuleType | None = None
    notes: tuple[str, ...] = ()
    random_weights: bool = False
    operators: dict[str, int] = {}

    @property
    def path(self) -> Path:
        return Path(self.job.path)

    @property
    def folder(self) -> Path:
        return Path(self.job.folder)


class Collected(Record, frozen=True, kw_only=True):
    """Samples that were written. given: they are the user's, not noise. seen: a digest per sample."""

    count: int = 0
    given: bool = True
    seen: frozenset[bytes] = frozenset()
    labels: Any = None
    notes: tuple[str, ...] = ()


def calibration(subject: Subject) -> Collected:
    """Write calibration/input_<i>.npy; nothing where the source has no get_calibration_data(). Raises SourceError."""
    folder = subject.folder / "calibration"
    folder.mkdir()
    seen = []
    with ExitStack() as stack:
        writers = _writers(stack, folder, "input", subject.inputs) if _has(subject, "get_calibration_data") else []
        for index, item in _items(subject, "get_calibration_data", subject.job.source.calibration_samples):
            arrays = _checked(item, subject, f"calibration sample {index}")
            _write(writers, arrays)
            seen.append(samples.digest(arrays))
    return Collected(count=len(seen), seen=frozenset(seen))


def evaluation(subject: Subject) -> Collected:
    """Write evaluation/input_<i>.npy with labels, and reference/output_<j>.npy: what the model itself makes of them.

    Without get_evaluation_data() the inputs are the example and noise around it. Raises SourceError.
    """
    given = _has(subject, "get_evaluation_data")
    labels, seen = [], []
    with ExitStack() as stack:
        inputs = _writers(stack, subject.folder / "evaluation", "input", subject.inputs)
        outputs = _writers(stack, subject.folder / "reference", "output", subject.outputs)
        for index, (arrays, label) in enumerate(_pairs(subject) if given else _noise(subject)):
            what = f"evaluation sample {index}"
            with userfile.blaming(subject.path, f"when the model was run on {what}"):
                results = torchmodel.run(subject.network, arrays)
            samples.check_outputs(results, subject.outputs, what)
            _write(inputs, arrays)
            _write(outputs, results)
            labels.append(label)
            seen.append(samples.digest(arrays))
    notes = () if given else ("no evaluation data: builds are compared on seeded noise around the example inputs",)
    stacked = _labels(labels)
    if stacked is not None:
        np.save(subject.folder / "evaluation" / LABELS, stacked)
    return Collected(count=len(seen), given=given, seen=frozenset(seen), labels=stacked, notes=notes)


def overlap(calibration: Collected, evaluation: Collected) -> str:
    """A note when samples serve both, which flatters the quantized builds."""
    both = len(calibration.seen & evaluation.seen)
    return f"{both} of the calibration samples are evaluation samples too" if both else ""


def _has(subject: Subject, name: str) -> bool:
    return subject.module is not None and userfile.function(subject.module, name) is not None


def _items(subject: Subject, name: str, limit: int) -> Iterator[tuple[int, Any]]:
    """At most `limit` items of what the user's function gives, one at a time."""
    function = userfile.function(subject.module, name) if subject.module else None
    if function is None:
        return
    with userfile.blaming(subject.path, f"in {name}()"):
        data = function()
    if not hasattr(data, "__iter__") and not hasattr(data, "__getitem__"):
        raise SourceError(
            f"{name}() returned {type(data).__name__}, which cannot be iterated", remedy="return a list or a generator"
        )
    iterator = iter(data)
    for index in range(limit):
        with userfile.blaming(subject.path, f"in {name}(), sample {index}"):
            item = next(iterator, _END)
        if item is _END:
            limit = index
            break
        yield index, item
    if limit == 0:
        raise SourceError(f"{name}() gave no samples", remedy="let it give some, or remove it")


_END = object()


def _pairs(subject: Subject) -> Iterator[tuple[Arrays, Any]]:
    for index, item in _items(subject, "get_evaluation_data", subject.job.source.evaluation_samples):
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            raise SourceError(
                f"evaluation sample {index} is {type(item).__name__}, not a pair",
                remedy="let get_evaluation_data() give pairs (args, label); label None where there is none",
            )
        yield _checked(item[0], subject, f"evaluation sample {index}"), item[1]


def _noise(subject: Subject) -> Iterator[tuple[Arrays, Any]]:
    yield subject.arrays, None
    for arrays in samples.of_noise(subject.inputs, subject.arrays):
        yield arrays, None


def _checked(item: object, subject: Subject, what: str) -> Arrays:
    arrays = samples.arrays_of(item, what)
    samples.check(arrays, subject.inputs, what)
    return arrays


def _writers(stack: ExitStack, folder: Path, prefix: str, specs: tuple[TensorSpec, ...]) -> list[Writer]:
    return [
        stack.enter_context(Writer(folder / f"{prefix}_{index}.npy", spec.shape, np.dtype(spec.dtype)))
        for index, spec in enumerate(specs)
    ]


def _write(writers: list[Writer], arrays: Arrays) -> None:
    for writer, array in zip(writers, arrays, strict=True):
        writer.add(array)


def _labels(labels: list[Any]) -> np.ndarray[Any, Any] | None:
    """All labels as one array [N, ...], int64 where they are integers; None when there are none."""
    known = [label for label in labels if label is not None]
    if not known:
        return None
    if len(known) < len(labels):
        missing = next(index for index, label in enumerate(labels) if label is None)
        raise SourceError(f"evaluation sample {missing} has no label, others have", remedy="label all, or none")
    arrays = [_label(label, f"the label of evaluation sample {index}") for index, label in enumerate(labels)]
    shapes = sorted({array.shape for array in arrays})
    if len(shapes) > 1:
        raise SourceError(
            f"the evaluation labels differ in shape: {shapes[0]} and {shapes[1]}", remedy="make them equal"
        )
    stacked = np.stack(arrays)
    return stacked.astype(np.int64) if stacked.dtype.kind in "iub" else stacked


def _label(label: object, what: str) -> np.ndarray[Any, Any]:
    array = np.asarray(label) if isinstance(label, (int, float)) else samples.arrays_of((label,), what)[0]
    return array.reshape(()) if array.size == 1 else array
