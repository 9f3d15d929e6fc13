"""The child process: `python -m converters.worker job.json` does one job and writes answer.json beside it.

Only here is every exception caught: a failing build is an answer with its reason, not a crash. The whole output,
traceback included, is in the log that the parent keeps.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from typing import Any

import msgspec

from converters import CONVERTERS, keras_compress, reasons
from converters.job import ANSWER, Answer, Job, PrepareJob, ScoreJob, ShapeJob, stage_of
from converters.recipes import AS_IS
from harness.records import Failure


def main(arguments: list[str]) -> int:
    """Exit code 0 whenever an answer was written, whatever it says."""
    path = Path(arguments[0])
    job = msgspec.json.decode(path.read_bytes(), type=Job)
    try:
        answer = _do(job)
    except (Exception, SystemExit) as error:  # noqa: BLE001  the child-process boundary
        traceback.print_exc()
        reason = reasons.explain(error)
        failure = Failure(stage=stage_of(job), reason=reason.reason, remedy=reason.remedy)
        answer = Answer(failure=failure, disk_errno=reasons.disk_errno(error))
    _write(path.with_name(ANSWER), answer)
    return 0


def _do(job: Job) -> Answer:
    if isinstance(job, PrepareJob):
        return _prepare(job)
    if isinstance(job, ScoreJob):
        return _load("converters.metric:score")(job)  # type: ignore[no-any-return]
    if isinstance(job, ShapeJob):
        room = "keras_compress" if keras_compress.does(job.format, job.steps) else "compress"
        return _load(f"converters.{room}.shape:shape")(job)  # type: ignore[no-any-return]
    name = AS_IS if job.recipe.name == AS_IS else job.runtime
    return Answer(build=_load(CONVERTERS[name])(job))


def _prepare(job: PrepareJob) -> Answer:
    ready = job.format in ("tflite", "pte")
    return _load("converters.passthrough:prepare" if ready else "converters.preparation:prepare")(job)  # type: ignore[no-any-return]


def _load(dotted: str) -> Any:
    """Import late: each kind of job needs other heavy libraries."""
    module, _, name = dotted.partition(":")
    return getattr(importlib.import_module(module), name)


def _write(path: Path, answer: Answer) -> None:
    """Whole or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(msgspec.json.encode(answer))
    temporary.replace(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
