"""The task metric: the user's own get_metric(), else accuracy where the labels are classes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from converters import userfile
from converters.job import Answer, ScoreJob
from converters.workshop import read_facts
from harness.errors import ConversionError, SourceError
from harness.metrics import ACCURACY, METRICS
from harness.records import Record, TensorSpec

_SHAPE = "let get_metric() return (name, function(outputs, labels) -> float, 'higher' or 'lower')"
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class OwnMetric(Record, frozen=True, kw_only=True):
    """What get_metric() gave. function: (list of output arrays [N, ...], labels [N, ...] or None) -> float."""

    name: str
    function: Callable[..., Any]
    higher_is_better: bool
    path: Path


def own(module: ModuleType | None, path: Path) -> OwnMetric | None:
    """The user's metric, or None. Raises SourceError when get_metric() gives something else."""
    get = userfile.function(module, "get_metric") if module is not None else None
    if get is None:
        return None
    with userfile.blaming(path, "in get_metric()"):
        given = get()
    if not isinstance(given, (tuple, list)) or len(given) != 3:
        raise SourceError(f"get_metric() returned {type(given).__name__}, not three values", remedy=_SHAPE)
    name, function, direction = given
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in METRICS:
        remedy = "use lower-case letters, digits and _, and no name that pocketbench itself uses (size_mb, cosine ...)"
        raise SourceError(f"get_metric() names its metric {name!r}", remedy=remedy)
    if not callable(function) or direction not in ("higher", "lower"):
        raise SourceError(f"get_metric() returned ({name!r}, {function!r}, {direction!r})", remedy=_SHAPE)
    return OwnMetric(name=name, function=function, higher_is_better=direction == "higher", path=path)


def name_for(own: OwnMetric | None, labels: Any, outputs: tuple[TensorSpec, ...]) -> tuple[str, str]:
    """Name of the task metric ("" for parity only), and a note where one might have expected accuracy.

    Raises SourceError when a label is no class of the first output.
    """
    if own is not None:
        return own.name, ""
    if labels is None or labels.dtype.kind != "i" or labels.ndim != 1:
        return "", "" if labels is None else "the labels are no classes and there is no get_metric(): parity only"
    shape = outputs[0].shape
    if len(shape) != 2 or shape[1] < 2:
        return "", f"the first output {list(shape)} holds no class scores: parity only, unless get_metric() is given"
    wrong = np.flatnonzero((labels < 0) | (labels >= shape[1]))
    if wrong.size:
        raise SourceError(
            f"the label {labels[wrong[0]]} of evaluation sample {wrong[0]} is outside of 0 to {shape[1] - 1}, "
            f"the classes of the first output",
            remedy="number the classes from 0",
        )
    return ACCURACY, ""


def judge(metric: OwnMetric, prepared: Path, outputs: Path) -> float:
    """What the user's metric says of output_<j>.npy in `outputs`. Raises SourceError naming the user's line."""
    files = sorted(outputs.glob("output_*.npy"), key=lambda file: int(file.stem.rpartition("_")[2]))
    arrays = [np.load(file, allow_pickle=False) for file in files]
    if not arrays:
        raise ConversionError(f"there are no outputs in {outputs}", remedy="measure the build with its outputs kept")
    labels = prepared / "evaluation" / "labels.npy"
    with userfile.blaming(metric.path, f"in the metric `{metric.name}`"):
        value = float(metric.function(arrays, np.load(labels, allow_pickle=False) if labels.exists() else None))
    if not math.isfinite(value):
        raise SourceError(f"the metric `{metric.name}` is {value}", remedy="correct the function in get_metric()")
    return value


def score(job: ScoreJob) -> Answer:
    """The child's side of converters.score()."""
    path = Path(job.path)
    facts = read_facts(Path(job.prepared))
    userfile.check_unchanged(path, facts.code)
    metric = own(userfile.load(path, required=userfile.REQUIRED[:1]), path)
    if metric is None:
        raise ConversionError("get_metric() has gone from the model's file", remedy="run again")
    return Answer(score=judge(metric, Path(job.prepared), Path(job.outputs)))
