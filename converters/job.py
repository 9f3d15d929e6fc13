"""One job for one child process, and how it is handed over: job.json in, answer.json out.

The child imports the heavy libraries and runs the user's code; whatever happens to it, this process goes on.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal

import msgspec

from converters import cache, keras_compress
from converters.manifest import Known
from converters.workshop import Workshop
from harness.errors import ProcessCrashed, ProcessError, ProcessMemory, ProcessTimeout
from harness.process import Bounds, execute
from harness.records import (
    Contents,
    Failure,
    Format,
    Model,
    ModelSource,
    Recipe,
    Record,
    Runtime,
    Step,
    StepResult,
    Training,
)

ANSWER = "answer.json"
SHAPE = "shape.json"
Stage = Literal["prepare", "convert", "quality"]

# Conversions are compared and cached: one thread, no hash seed and no network that differ from run to run.
_FIXED = {
    "CUDA_VISIBLE_DEVICES": "",
    "JAX_PLATFORMS": "cpu",
    "MKL_NUM_THREADS": "1",
    "MPLBACKEND": "Agg",
    "OMP_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONSAFEPATH": "1",
    "PYTHONUNBUFFERED": "1",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
_UNLESS_SET = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


class PrepareJob(Record, frozen=True, kw_only=True, tag="prepare"):
    """Look at a source, take its samples and weights; results go to `folder`. root: where depends_on starts.
    generation: which Keras tries to open a Keras file."""

    source: ModelSource
    path: str
    format: Format
    root: str
    folder: str
    generation: Literal["keras", "tf_keras"] = "keras"


class ConvertJob(Record, frozen=True, kw_only=True, tag="convert"):
    """Make one build in `folder`. float_build: the fp32 .tflite that TFLite's quantizations start from. shaped: folder
    of the model after the recipe's compression steps, "" without any."""

    path: str
    format: Format
    prepared: str
    runtime: Runtime
    recipe: Recipe
    folder: str
    float_build: str = ""
    shaped: str = ""


class ShapeJob(Record, frozen=True, kw_only=True, tag="shape"):
    """Do a recipe's compression steps; the float model goes to `folder`. checkpoints: folder where a training that was
    cut off is taken up again. store: the cache, whose own files are nothing that the user's code read."""

    path: str
    format: Format
    prepared: str
    steps: tuple[Step, ...]
    training: Training
    seed: int
    folder: str
    checkpoints: str
    store: str


class ScoreJob(Record, frozen=True, kw_only=True, tag="score"):
    """Let the user's own metric judge the arrays output_<j>.npy in `outputs`."""

    path: str
    prepared: str
    outputs: str
    folder: str


Job = PrepareJob | ConvertJob | ShapeJob | ScoreJob
_WHAT: dict[type[Record], str] = {
    PrepareJob: "preparing the model",
    ConvertJob: "the conversion",
    ShapeJob: "the compression",
    ScoreJob: "the model's own metric",
}


class Build(Record, frozen=True, kw_only=True):
    """What a conversion gave: build.json. file: name in the entry's folder."""

    file: str
    sha256: str
    contents: Contents
    warnings: tuple[str, ...] = ()


class Shape(Record, frozen=True, kw_only=True):
    """What the compression steps gave: shape.json. fingerprint: of the resulting model."""

    fingerprint: str
    history: tuple[StepResult, ...] = ()
    warnings: tuple[str, ...] = ()


class Answer(Record, frozen=True, kw_only=True):
    """What came of a job; the part that belongs to its kind is set, or `failure`. disk_errno: the failure was the
    store's, not the model's. elsewhere: the source should be looked at once more, as this format or by this generation
    of Keras."""

    failure: Failure | None = None
    model: Model | None = None
    known: Known | None = None
    build: Build | None = None
    score: float | None = None
    disk_errno: int = 0
    elsewhere: Literal["", "python", "keras-python", "tf_keras"] = ""


def run(job: Job, *, workshop: Workshop, log: Path, cwd: Path | None = None) -> Answer:
    """Do the job in a child process within the workshop's limits.

    Failures of every kind come back in the answer (crash, time and memory limits included), except that trouble
    with the store itself raises StoreError.
    """
    root = Path(workshop.cache)
    bounds = Bounds(timeout_secs=workshop.limits.timeout_secs, memory_limit_mb=workshop.limits.memory_limit_mb)
    with cache.draft(root) as desk:
        with cache.store_errors(root):
            (desk / "job.json").write_bytes(msgspec.json.encode(job))
        argv = [sys.executable, "-m", "converters.worker", str(desk / "job.json")]
        try:
            execute(argv, bounds=bounds, log=log, env=environment(job), cwd=cwd)
        except ProcessError as error:
            return Answer(failure=_killed(job, error, workshop, log))
        answer = _read(desk / ANSWER, job, log)
    if answer.disk_errno:
        raise cache.store_error(root, OSError(answer.disk_errno, os.strerror(answer.disk_errno)))
    if answer.failure is not None:
        return msgspec.structs.replace(answer, failure=msgspec.structs.replace(answer.failure, log=str(log)))
    return answer


def environment(job: Job) -> dict[str, str]:
    """What a child sees beside this process's own environment."""
    # Keras reads once, at its import, what it computes with.
    keras = {"KERAS_BACKEND": "torch" if _on_torch(job) else "tensorflow"}
    return {**_FIXED, **keras, **{name: os.environ.get(name, value) for name, value in _UNLESS_SET.items()}}


def _on_torch(job: Job) -> bool:
    if isinstance(job, ShapeJob):
        return not keras_compress.does(job.format, job.steps)
    return isinstance(job, ConvertJob) and job.runtime == "executorch"


def _read(path: Path, job: Job, log: Path) -> Answer:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Answer)
    except (OSError, msgspec.DecodeError):
        reason = "the model's code ended the process before the work was done (os._exit or the like)"
        return Answer(failure=Failure(stage=stage_of(job), reason=reason, remedy="see the log", log=str(log)))


def stage_of(job: Job) -> Stage:
    """The word that Failure.stage has for this kind of job."""
    if isinstance(job, PrepareJob):
        return "prepare"
    return "quality" if isinstance(job, ScoreJob) else "convert"


def _killed(job: Job, error: ProcessError, workshop: Workshop, log: Path) -> Failure:
    limits = workshop.limits
    if isinstance(error, ProcessTimeout):
        reason = f"was stopped after its limit of {limits.timeout_secs:g} s"
        remedy = "raise limits.timeout_secs in bench.yaml, or make the model or its data smaller"
        if isinstance(job, ShapeJob):
            remedy = "run again, the training goes on from its last checkpoint; or raise limits.timeout_secs"
    elif isinstance(error, ProcessMemory):
        reason = f"needed more memory than its limit of {limits.memory_limit_mb} MB and was stopped"
        remedy = "raise limits.memory_limit_mb in bench.yaml, or make the model or its data smaller"
    else:
        reason = f"crashed: its process {_how(error)}"
        remedy = "see the log; a damaged file or a fault in the converter are the usual causes"
    return Failure(stage=stage_of(job), reason=f"{_WHAT[type(job)]} {reason}", remedy=remedy, log=str(log))


def _how(error: ProcessError) -> str:
    if isinstance(error, ProcessCrashed):
        return error.message.partition(" ")[2]  # without the module's name in front
    return error.message
