"""What goes wrong in a worker, for real: the run has an error with a reason, and the next run goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

from device_runners.host import WORKER, HostRunner, HostSession
from device_runners.wire import PlannedBlock, Response, Timing
from harness.errors import ProcessCrashed, ProcessMemory, ProcessTimeout, RunnerError
from harness.process import Bounds
from tests.device_runners.conftest import TIMING, Ask, build_of

BOUNDS = Bounds(timeout_secs=120, memory_limit_mb=4000)
PLAN = tuple(PlannedBlock(build=0, calls=20) for _ in range(4))
LONG = msgspec.structs.replace(TIMING, min_secs=60.0, max_secs=60.0)
HANG = "import time; print('thinking', flush=True); time.sleep(60)"

pytestmark = pytest.mark.runtimes


def run(request: object, folder: Path, bounds: Bounds = BOUNDS) -> Response:
    return HostRunner().run(request, folder=folder, bounds=bounds)  # type: ignore[arg-type]


def wait_for(text: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while not (log.exists() and text in log.read_text()):
        assert time.monotonic() < deadline, f"{text!r} never came"
        time.sleep(0.02)


def workers_of(folder: Path) -> list[int]:
    """Process ids of the workers that serve requests of `folder`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes().split(b"\0")
            if b"device_runners.host_worker" in command and f"{folder}/request.json".encode() in command:
                found.append(int(entry.name))
    return found


def changed(path: Path, folder: Path, data: bytes) -> Path:
    """A file of the same kind with other bytes."""
    other = folder / f"changed{path.suffix}"
    other.write_bytes(data)
    return other


def test_a_worker_killed_while_it_times_is_a_crash_that_says_where(
    tflite_files: Path, ask: Ask, tmp_path: Path
) -> None:
    def kill() -> None:
        wait_for("timing", tmp_path / "worker.log")
        (pid,) = workers_of(tmp_path)
        os.kill(pid, signal.SIGKILL)

    threading.Thread(target=kill).start()
    with pytest.raises(ProcessCrashed, match=r"host_worker was ended by SIGKILL .* while timing tflite/dense"):
        run(ask(tflite_files / "dense.tflite", timing=LONG), tmp_path)
    assert run(ask(tflite_files / "dense.tflite"), tmp_path).results[0].failure == ""


def test_a_worker_that_takes_too_long_is_stopped(tflite_files: Path, ask: Ask, tmp_path: Path) -> None:
    request = ask(tflite_files / "dense.tflite", timing=LONG)
    with pytest.raises(ProcessTimeout, match="limit of 3 s and was stopped"):
        run(request, tmp_path, Bounds(timeout_secs=3))
    assert workers_of(tmp_path) == []


def test_a_worker_that_hangs_is_stopped_and_its_output_kept(tflite_files: Path, ask: Ask, tmp_path: Path) -> None:
    runner = HostRunner((sys.executable, "-c", HANG))
    with pytest.raises(ProcessTimeout) as caught:
        runner.run(ask(tflite_files / "dense.tflite"), folder=tmp_path, bounds=Bounds(timeout_secs=2))
    assert caught.value.output_tail == "thinking\n"


def test_a_build_that_needs_too_much_memory_is_stopped(tflite_files: Path, ask: Ask, tmp_path: Path) -> None:
    request = ask(tflite_files / "hungry.tflite", timing=LONG)
    with pytest.raises(ProcessMemory, match="above its limit of 300 MB"):
        run(request, tmp_path, Bounds(timeout_secs=60, memory_limit_mb=300))
    assert workers_of(tmp_path) == []


@pytest.mark.parametrize("kind", ["tflite", "pte"])
def test_a_changed_file_is_refused_before_it_is_opened(
    request: pytest.FixtureRequest, ask: Ask, tmp_path: Path, kind: str
) -> None:
    good: Path = request.getfixturevalue(f"{kind}_files") / f"dense.{kind}"
    bad = changed(good, tmp_path, good.read_bytes()[:-1] + b"?")
    build = msgspec.structs.replace(build_of(bad), sha256=build_of(good).sha256)
    (result,) = run(ask(good, builds=(build,)), tmp_path).results
    assert "is not the file that was asked for: sha256" in result.failure


@pytest.mark.parametrize("kind", ["tflite", "pte"])
def test_an_empty_file_is_refused_by_its_runtime(
    request: pytest.FixtureRequest, ask: Ask, tmp_path: Path, kind: str
) -> None:
    good: Path = request.getfixturevalue(f"{kind}_files") / f"dense.{kind}"
    (result,) = run(ask(changed(good, tmp_path, b"")), tmp_path).results
    assert "refused the file" in result.failure


def test_a_truncated_pte_is_refused_by_its_runtime(pte_files: Path, ask: Ask, tmp_path: Path) -> None:
    good = pte_files / "dense.pte"
    (result,) = run(ask(changed(good, tmp_path, good.read_bytes()[:1000])), tmp_path).results
    assert "ExecuTorch refused the file" in result.failure


def test_a_truncated_tflite_does_not_come_back_with_numbers(tflite_files: Path, ask: Ask, tmp_path: Path) -> None:
    good = tflite_files / "dense.tflite"
    bad = changed(good, tmp_path, good.read_bytes()[:300])
    try:
        (result,) = run(ask(bad), tmp_path).results
    except ProcessCrashed as error:
        assert "while loading tflite/changed" in error.message
    else:
        assert "refused the file" in result.failure


def test_random_bytes_that_abort_the_runtime_are_a_crash_while_loading(
    pte_files: Path, ask: Ask, tmp_path: Path
) -> None:
    bad = changed(pte_files / "dense.pte", tmp_path, np.random.default_rng(0).bytes(5000))
    with pytest.raises(ProcessCrashed, match="SIGABRT while loading executorch/changed") as caught:
        run(ask(bad), tmp_path)
    assert caught.value.returncode == -signal.SIGABRT
    assert "terminate called" in caught.value.output_tail


def test_random_bytes_are_no_tflite_file(tflite_files: Path, ask: Ask, tmp_path: Path) -> None:
    bad = changed(tflite_files / "dense.tflite", tmp_path, np.random.default_rng(0).bytes(5000))
    (result,) = run(ask(bad), tmp_path).results
    assert "LiteRT refused the file" in result.failure


def test_operators_that_no_library_has_are_named(pte_files: Path, ask: Ask, tmp_path: Path) -> None:
    data = (pte_files / "int8_without_delegate.pte").read_bytes()
    renamed = data.replace(b"quantized_decomposed::quantize_per_tensor", b"quantized_decomposed::magical_per_tensor_")
    assert renamed != data
    (result,) = run(ask(changed(Path("x.pte"), tmp_path, renamed)), tmp_path).results
    assert "'quantized_decomposed::magical_per_tensor_.out', which ExecuTorch does not have" in result.failure


def test_a_file_that_is_not_there_is_named(tflite_files: Path, ask: Ask, tmp_path: Path) -> None:
    build = msgspec.structs.replace(build_of(tflite_files / "dense.tflite"), path="elsewhere.tflite")
    (result,) = run(ask(tflite_files / "dense.tflite", builds=(build,)), tmp_path).results
    assert "elsewhere.tflite cannot be read: No such file" in result.failure


def test_a_request_that_the_worker_refuses_ends_it_with_a_reason(tflite_files: Path, ask: Ask, tmp_path: Path) -> None:
    request = ask(tflite_files / "dense.tflite", plan=(PlannedBlock(build=5, calls=1),))
    with pytest.raises(RunnerError, match=r"request\.json: a planned block asks for build 5 of 1$"):
        run(request, tmp_path)


def paced(ask: Ask, path: Path, timing: Timing = TIMING, **changes: object) -> object:
    return ask(path, plan=PLAN, paced=True, timing=timing, **changes)


def start(request: object, folder: Path, bounds: Bounds = BOUNDS, worker: tuple[str, ...] = WORKER) -> HostSession:
    folder.mkdir(exist_ok=True)
    return HostRunner(worker).start(request, folder=folder, bounds=bounds)  # type: ignore[arg-type]


def test_two_live_sessions_alternate_their_blocks(
    tflite_files: Path, pte_files: Path, ask: Ask, tmp_path: Path
) -> None:
    one = start(paced(ask, tflite_files / "dense.tflite"), tmp_path / "one")
    two = start(paced(ask, pte_files / "dense.pte"), tmp_path / "two")
    with one, two:
        for session in (one, two):
            session.ready()
        for number in range(len(PLAN)):
            for session in (one, two) if number % 2 == 0 else (two, one):
                session.block()
        answers = [one.finish(), two.finish()]
    for answer in answers:
        assert [len(block.wall_ns) > 0 for block in answer.results[0].blocks] == [True] * len(PLAN)
        assert answer.results[0].memory is not None


def test_a_session_times_nothing_until_it_is_told(tflite_files: Path, ask: Ask, tmp_path: Path) -> None:
    with start(paced(ask, tflite_files / "dense.tflite"), tmp_path) as session:
        session.ready()
        time.sleep(0.3)
        assert "timing" not in (tmp_path / "worker.log").read_text()
        session.block()
        assert (tmp_path / "worker.log").read_text().count("timing") == 1


def test_a_session_may_be_finished_before_its_plan(tflite_files: Path, ask: Ask, tmp_path: Path) -> None:
    with start(paced(ask, tflite_files / "dense.tflite"), tmp_path) as session:
        session.ready()
        session.block()
        assert len(session.finish().results[0].blocks) == 1


def test_chatter_of_a_runtime_does_not_reach_the_protocol(pte_files: Path, ask: Ask, tmp_path: Path) -> None:
    with start(paced(ask, pte_files / "dense.pte"), tmp_path) as session:
        session.ready()
        session.block()
        session.finish()
    assert "cpuinfo" in (tmp_path / "worker.log").read_text(), "the runtime was expected to say something"


def test_a_refused_build_ends_a_session_with_its_reason(tflite_files: Path, ask: Ask, tmp_path: Path) -> None:
    session = start(paced(ask, tflite_files / "custom.tflite"), tmp_path)
    with session, pytest.raises(RunnerError, match=r"tflite/custom: .* custom operator 'MagicFilter'"):
        session.ready()


def test_a_session_killed_between_blocks_is_a_crash(tflite_files: Path, ask: Ask, tmp_path: Path) -> None:
    with start(paced(ask, tflite_files / "dense.tflite"), tmp_path) as session:
        session.ready()
        session.block()
        os.kill(session.pid, signal.SIGKILL)
        with pytest.raises(ProcessCrashed, match="SIGKILL"):
            session.block()


def test_a_silent_session_is_stopped(tflite_files: Path, ask: Ask, tmp_path: Path) -> None:
    worker = (sys.executable, "-c", HANG.replace("thinking", "ready"))
    request = paced(ask, tflite_files / "dense.tflite")
    with start(request, tmp_path, Bounds(timeout_secs=2), worker) as session:
        session.ready()
        with pytest.raises(ProcessTimeout, match="limit of 2 s"):
            session.block()


def test_a_worker_that_speaks_out_of_turn_is_an_error(tflite_files: Path, ask: Ask, tmp_path: Path) -> None:
    session = start(paced(ask, tflite_files / "dense.tflite"), tmp_path, BOUNDS, ("/bin/echo", "hello"))
    with session, pytest.raises(RunnerError, match=r"said 'hello .* where 'ready' was due"):
        session.ready()


def test_a_closed_session_leaves_nothing_running(tflite_files: Path, ask: Ask, tmp_path: Path) -> None:
    session = start(paced(ask, tflite_files / "dense.tflite"), tmp_path)
    session.ready()
    session.close()
    session.close()
    assert workers_of(tmp_path) == []


def test_a_request_that_is_not_paced_is_no_session(tflite_files: Path, ask: Ask, tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match="not paced"):
        start(ask(tflite_files / "dense.tflite", plan=PLAN), tmp_path)
