"""What a shape is known by: the key of the result, and all that its training was seen to depend on."""

from __future__ import annotations

import sys
from pathlib import Path

from converters import digests, frameworks
from converters.compress.lessons import Lessons
from converters.job import ShapeJob
from converters.manifest import Known, beside
from converters.tracking import Tracker
from converters.workshop import read_facts


def known(job: ShapeJob, tracker: Tracker, lessons: Lessons | None) -> Known:
    """tracker: what the user's code was seen to read; lessons: the data that it gave."""
    path, facts = Path(job.path), read_facts(Path(job.prepared))
    files = {str(file): digests.of_tree(file) for file in sorted({path, *tracker.code(), *tracker.opened()})}
    asked = (job.steps, job.training, job.seed, facts.dynamic_batch, sys.version)
    by_name = sorted([Path(file).name, seen] for file, seen in files.items())
    data = lessons.digest if lessons else ""
    parts = [facts.model.fingerprint, facts.calibration, asked, data, by_name, tracker.distributions()]
    return Known(
        key=digests.of_record([*parts, digests.of_our_code()]),
        files=files,
        folders={str(folder): digests.of_names(folder) for folder in tracker.listed()},
        beside=beside(path) if job.format in frameworks.PYTHON_FORMATS else "",
        distributions=tracker.distributions(),
    )
