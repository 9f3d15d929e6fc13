"""What a user may put on one side of a comparison -> one file that one runtime can run.

A side is a `.tflite` or `.pte` file, a run folder (its recommended build, or its only one), or `RUN:BUILD` such as
`runs/20260101-120000-net:tflite/fp32`. A run keeps the files it measured, so an old run is a baseline that can be timed
again, side by side, today.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from harness import store
from harness.errors import ExperimentError
from harness.experiment import READY_SUFFIXES
from harness.records import Record, Report, Runtime, Variant
from harness.registry import nearest


class Side(Record, frozen=True, kw_only=True):
    """One build to compare. label: what the user called it; path: absolute."""

    label: str
    runtime: Runtime
    path: str
    sha256: str


def resolve(text: str) -> Side:
    """Raises ExperimentError saying what may stand on a side, or StoreError for a run that cannot be read."""
    path = Path(text)
    if path.is_file() and path.suffix.lower() in READY_SUFFIXES:
        return _side(text, READY_SUFFIXES[path.suffix.lower()], path)
    if path.is_dir():
        return _of_run(path, "")
    run, colon, build = text.rpartition(":")
    if colon and Path(run).is_dir():
        return _of_run(Path(run), build)
    raise ExperimentError(
        f"{text} is neither a build (.tflite, .pte) nor a run", remedy="name a file, a run folder, or RUN:tflite/fp32"
    )


def of_variant(folder: Path, variant: Variant) -> Side:
    """A build of a run as a side; raises ExperimentError when its file is gone or is another one by now."""
    side = _side(variant.id, variant.runtime, folder / variant.path)
    if side.sha256 != variant.sha256:
        raise ExperimentError(f"{side.path} is not the file that was measured", remedy="run the experiment again")
    return side


def _of_run(folder: Path, build: str) -> Side:
    report = store.load(folder)
    chosen = _chosen(report, folder, build)
    return of_variant(folder, chosen)


def _chosen(report: Report, folder: Path, build: str) -> Variant:
    made = {variant.id: variant for variant in report.variants if variant.failure is None}
    if not build:
        recommended = report.recommendation.variant if report.recommendation else ""
        build = recommended or (next(iter(made)) if len(made) == 1 else "")
        if not build:
            remedy = f"name one, as {folder}:BUILD: {', '.join(made) or 'none was made'}"
            raise ExperimentError(f"{folder} recommends no build", remedy=remedy)
    if build not in made:
        raise ExperimentError(
            f"{folder} has no build {build!r}{nearest(build, made)}", remedy=f"its builds: {', '.join(made)}"
        )
    return made[build]


def _side(label: str, runtime: Runtime, path: Path) -> Side:
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ExperimentError(f"{path} cannot be read: {error.strerror}") from error
    return Side(label=label, runtime=runtime, path=str(path.resolve()), sha256=digest)
