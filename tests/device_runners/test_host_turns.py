"""Live workers that take turns are kept on one processor, so that a processor is not taken for a build."""

from __future__ import annotations

import os
import tempfile
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from device_runners.host import HostRunner, HostSession
from device_runners.wire import PlannedBlock
from harness.process import Bounds
from tests.device_runners.conftest import TIMING, Ask

pytestmark = pytest.mark.runtimes
PLAN = (PlannedBlock(build=0, calls=10),)
BOUNDS = Bounds(timeout_secs=60)


def start(runner: HostRunner, ask: Ask, build: Path, threads: int = 1) -> HostSession:
    timing = msgspec.structs.replace(TIMING, num_threads=threads)
    request = ask(build, plan=PLAN, paced=True, timing=timing)
    folder = tempfile.mkdtemp(dir=build.parent)
    return runner.start(request, folder=Path(folder), bounds=BOUNDS)


def test_two_that_live_at_a_time_share_one_processor(tflite_files: Path, ask: Ask) -> None:
    runner, build = HostRunner(), tflite_files / "dense.tflite"
    with closing(start(runner, ask, build)) as one, closing(start(runner, ask, build)) as other:
        one.ready()
        other.ready()
        allowed = os.sched_getaffinity(one.pid)
        assert len(allowed) == 1 and os.sched_getaffinity(other.pid) == allowed
        one.block()
        assert one.finish().facts["usable_cores"] == "1"


def test_the_processor_is_drawn_anew_for_every_pair(tflite_files: Path, ask: Ask) -> None:
    runner, build, drawn = HostRunner(), tflite_files / "dense.tflite", set()
    for _ in range(40):
        with closing(start(runner, ask, build)) as session:
            drawn |= os.sched_getaffinity(session.pid)
    allowed = os.sched_getaffinity(0)
    assert drawn <= allowed and len(drawn) >= min(2, len(allowed))


def test_a_build_of_several_threads_keeps_all_processors(tflite_files: Path, ask: Ask) -> None:
    with closing(start(HostRunner(), ask, tflite_files / "dense.tflite", threads=2)) as session:
        session.ready()
        assert os.sched_getaffinity(session.pid) == os.sched_getaffinity(0)
