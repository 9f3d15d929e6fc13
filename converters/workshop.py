"""The nouns of this room: where it works, and what a prepared model is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from harness.errors import StoreError
from harness.records import Limits, Model, Record, Training

PREPARED = "prepared.json"


class Progress(Record, frozen=True, kw_only=True):
    """How far a training is: optimizer steps done of all, and what is going on."""

    done: int
    total: int
    now: str


class Workshop(Record, frozen=True, kw_only=True):
    """Where and how work is done: absolute folders of the cache and of the logs. fresh: make anew what the cache holds.

    training, seed: for the compression steps. tell: called with the progress of a training, from any thread. remade:
    names of the trainings that `fresh` has already done anew, since several builds share one.
    """

    cache: str
    logs: str
    limits: Limits = Limits()
    fresh: bool = False
    training: Training = Training()
    seed: int = 0
    tell: Callable[[Progress], None] | None = None
    remade: set[str] = msgspec.field(default_factory=set)


class Prepared(Record, frozen=True, kw_only=True):
    """A source that was looked at; `folder` (in the cache) holds its data and weights.

    calibration/input_<i>.npy and evaluation/input_<i>.npy are [N, *spec.shape], evaluation/labels.npy is [N, ...],
    reference/output_<j>.npy is [N, *output shape]: what the source model itself gives for the evaluation inputs.
    state.pt holds the weights that every conversion loads (model.pt2 where the source is a .pt2). path: the source
    itself, absolute; root: the working directory of its code. warnings: damage found in the cache.
    """

    model: Model
    key: str
    folder: str
    cached: bool
    seconds: float
    path: str = ""
    root: str = ""
    warnings: tuple[str, ...] = ()


class Facts(Record, frozen=True, kw_only=True):
    """prepared.json. code: sha256 of the model's own files, by path from the source's folder.

    calibration, evaluation, reference: fingerprints of those folders. own_metric: the source has a get_metric();
    reference_score is then what it says about the reference outputs.
    """

    model: Model
    code: dict[str, str] = {}
    calibration: str = ""
    evaluation: str = ""
    reference: str = ""
    own_metric: bool = False
    reference_score: float | None = None


def read_facts(folder: Path) -> Facts:
    try:
        return msgspec.json.decode((folder / PREPARED).read_bytes(), type=Facts)
    except (OSError, msgspec.DecodeError) as error:
        raise StoreError(
            f"the prepared model in {folder} cannot be read", remedy="run again; the cache makes it anew"
        ) from error


def write_facts(folder: Path, facts: Facts) -> None:
    (folder / PREPARED).write_bytes(msgspec.json.encode(facts))
