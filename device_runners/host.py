"""This machine as a device: every request is served by a fresh light child process (see host_worker.py)."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from device_runners import energy_meter, linux, wire
from harness.errors import ProcessError, RunnerError
from harness.process import Bounds, Child, execute
from harness.records import Device

WORKER = (sys.executable, "-m", "device_runners.host_worker")
_LOG = "worker.log"
_REQUEST, _RESPONSE = "request.json", "response.json"
_MAX_LOG_BYTES = 2**20
_ROOT = Path(__file__).resolve().parents[1]


class HostRunner:
    """Serves requests on this machine's CPU. worker: the command that is given the request and the response file."""

    def __init__(self, worker: Sequence[str] = WORKER) -> None:
        self._worker = tuple(worker)
        self._live: list[HostSession] = []

    def device(self) -> Device:
        system = f"{platform.system()} {platform.release()}"
        model = linux.cpu_model() or platform.processor() or platform.machine()
        return Device(
            kind="host",
            name=model,
            soc=model,
            abi=platform.machine(),
            os_build=system,
            cores=linux.usable_cores(),
            memory_mb=linux.memory_mb(),
            facts=linux.machine_facts() | {"energy": energy_meter.told()},
        )

    def run(self, request: wire.Request, *, folder: Path, bounds: Bounds) -> wire.Response:
        """One fresh process; its request, response and log stay in `folder`.

        Raises RunnerError or ProcessError that say at which stage of which build the process ended.
        """
        argv = _prepared(self._worker, request, folder)
        with _located(folder / _LOG, _size_of(folder / _LOG)):
            execute(argv, bounds=bounds, log=folder / _LOG, env=_environment())
        return _response(folder, request)

    def start(self, request: wire.Request, *, folder: Path, bounds: Bounds) -> HostSession:
        """A live process for a paced request; bounds.timeout_secs is the longest silence allowed.

        Sessions that live at the same time take turns, so those of one thread share one processor, drawn at random:
        on a virtual machine two idle processors were seen to differ by up to half for a while, either way, and each
        process would stay where it is and take that difference for the build's.
        """
        if not request.paced:
            raise RunnerError(f"request {request.run_id} is not paced, so it cannot be started as a session")
        session = HostSession(_prepared(self._worker, request, folder), request, folder=folder, bounds=bounds)
        self._live = [one for one in self._live if one.live]
        if request.timing.num_threads == 1:
            kept = [one.processor for one in self._live if one.processor is not None]
            session.processor = linux.keep_on(session.pid, kept[0] if kept else None)
        self._live.append(session)
        return session

    def close(self) -> None:
        """Nothing is held between requests."""


class HostSession:
    """A live worker that times a block when it is told to; see `device_runners.Session`. processor: the only one
    that it runs on, None for any."""

    def __init__(self, argv: Sequence[str], request: wire.Request, *, folder: Path, bounds: Bounds) -> None:
        self._request, self._folder, self._bounds = request, folder, bounds
        self._log = folder / _LOG
        self._log_start = _size_of(self._log)
        limit = bounds.memory_limit_mb
        self._child = Child(argv, log=self._log, env=_environment(), memory_limit_mb=limit)
        self.processor: int | None = None
        self.live = True

    def __enter__(self) -> HostSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        return self._child.pid

    def ready(self) -> None:
        self._expect(wire.READY)

    def block(self) -> None:
        with _located(self._log, self._log_start):
            self._child.send(wire.GO)
        self._expect(wire.DONE)

    def finish(self) -> wire.Response:
        with _located(self._log, self._log_start):
            self._child.finish(timeout_secs=self._bounds.timeout_secs)
        self.live = False
        return _response(self._folder, self._request)

    def close(self) -> None:
        self.live = False
        self._child.close()

    def _expect(self, word: str) -> None:
        with _located(self._log, self._log_start):
            answer = self._child.receive(timeout_secs=self._bounds.timeout_secs)
        if answer == word:
            return
        verb, _, reason = answer.partition(" ")
        if verb == wire.FAILED:
            raise RunnerError(reason)
        raise RunnerError(f"the worker said {answer[:100]!r} where {word!r} was due", remedy="see its log")


def _prepared(worker: Sequence[str], request: wire.Request, folder: Path) -> list[str]:
    """Write the request; what an earlier one left in the folder must not be taken for its answer."""
    folder = folder.resolve()
    wire.write(folder / _REQUEST, request)
    (folder / _RESPONSE).unlink(missing_ok=True)
    return [*worker, str(folder / _REQUEST), str(folder / _RESPONSE)]


def _environment() -> dict[str, str]:
    """numpy's own threads would show among the runtime's, and nothing in the user's folder may pose as a module."""
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**single, "PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"}


def _response(folder: Path, request: wire.Request) -> wire.Response:
    response = wire.read_response(folder / _RESPONSE)
    asked, answered = [b.id for b in request.builds], [r.build for r in response.results]
    if response.run_id != request.run_id or asked != answered:
        raise RunnerError(f"{folder / _RESPONSE} answers another request: {response.run_id} for {answered}")
    return response


def _size_of(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


@contextmanager
def _located(log: Path, start: int) -> Iterator[None]:
    """Adds to a process's end what it was doing, as its log says from byte `start` on; a worker that ended because
    it refused the request gave its reason there."""
    try:
        yield
    except ProcessError as error:
        stage = _last_stage(log, start)
        if stage.startswith(wire.REFUSED):
            raise RunnerError(stage.removeprefix(wire.REFUSED).strip(), remedy=f"see {log}") from error
        if stage:
            error.message = f"{error.message} while {stage}"
            error.args = (error.message,)
        error.remedy = error.remedy or f"see {log}"
        raise


def _last_stage(log: Path, start: int) -> str:
    with open(log, "rb") as file:
        file.seek(max(start, log.stat().st_size - _MAX_LOG_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    stages = [line.removeprefix(wire.STAGE).strip() for line in lines if line.startswith(wire.STAGE)]
    return stages[-1] if stages else ""
