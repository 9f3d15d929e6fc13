"""A phone as a device: requests are carried there, served by a route, and their answers brought back.

Around each request the phone's state is read; before it, the phone is waited for until it is as cool as at the start.
While a session lasts the phone is held awake and at fixed performance (see hold.py), and given back in every ending.
"""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

import msgspec

from device_runners import Session, hold, identity, state
from device_runners.adb import runs
from device_runners.adb.link import Link, checked
from device_runners.drain import Drain
from device_runners.handset import PhoneHandset
from device_runners.routes import ERRANDS, Errand, Route
from device_runners.state import Patience, State
from device_runners.wire import Request, Response, TensorFile
from harness.errors import RunnerError
from harness.process import Bounds
from harness.records import Device, EnergyTrace, Phone, Record

_SPARE_SECS = 180.0  # for what happens around a process: pushing, pulling, cooling is told apart
_SHORT_SECS = 30.0
_MAKE = 'umask 022; mkdir -p "$1"'


class Ears(Record, frozen=True, kw_only=True):
    """Who hears from a phone. tell: one line about whatever takes long; pulse: called now and then while it works, may
    raise to end that; after: called when the phone was let go of."""

    tell: Callable[[str], None]
    pulse: Callable[[], None] = lambda: None
    after: Callable[[], None] | None = None


class AndroidRunner:
    """Serves requests on the phone behind `link`, by a route."""

    def __init__(self, link: Link, route: Route, phone: Phone, ears: Ears) -> None:
        self.plans = route.plans
        self._ears = ears
        self._plain = link
        self._handset = PhoneHandset(link, store_mb=phone.store_mb, tell=ears.tell, pulse=ears.pulse)
        self._link = self._handset.link
        self._route, self._phone = route, phone
        self._hold = hold.Hold(self._link, fixed_performance=phone.fixed_performance)
        self._drain = Drain(self._handset)
        self._identity: Device | None = None
        self._start: State | None = None
        self._route_facts: dict[str, str] = {}

    def device(self) -> Device:
        if self._identity is None:
            self._hold.check()
            self._identity = identity.look(self._link)
        return identity.with_state(self._identity, state.read(self._link))

    def run(self, request: Request, *, folder: Path, bounds: Bounds) -> Response:
        """Serve one request in one fresh process on the phone; raises RunnerError, or RunnerLost when it is gone."""
        self._begin(bounds)
        before, facts = self._cooled(bounds)
        facts |= state.facts(before, "before")
        run_id = f"r{uuid.uuid4().hex[:20]}"
        errand = self._errand(request, run_id, folder, bounds)
        try:
            response = self._route.serve(self._handset, errand)
        finally:
            with contextlib.suppress(RunnerError):  # what stays is removed by the next session
                self._link.shell(["rm", "-rf", errand.place], timeout_secs=_SHORT_SECS)
        after = state.read(self._link)
        state.same_boot(before, after)
        facts |= state.facts(after, "after") | self._handset.seen_meanwhile()
        facts |= {**self._route_facts, "fixed_performance": self._hold.mode}
        return _answer(request, errand, response, facts)

    def start(self, request: Request, *, folder: Path, bounds: Bounds) -> Session:
        """There is one app, and one process of it: builds that take turns share a plan instead (`plans`)."""
        raise RunnerError(
            f"a phone has no live sessions, so {request.run_id} cannot be started as one",
            remedy="hand over one request with a plan",
        )

    def drain(self, request: Request, *, idle_secs: float, folder: Path, bounds: Bounds) -> EnergyTrace:
        """One group of idle, load, load, idle, as an EnergyTrace; RunnerError where it cannot be told."""
        self._begin(bounds)

        def load() -> Response:
            response = self.run(request, folder=folder, bounds=bounds)
            if failed := response.results[0].failure:
                raise RunnerError(failed)
            self._hold.beat(bounds.timeout_secs + idle_secs + _SPARE_SECS)
            return response

        self._hold.beat(idle_secs + _SPARE_SECS)
        return self._drain.group(load, idle_secs=idle_secs, folder=folder, bounds=bounds)

    def close(self) -> None:
        """Give the phone back as it was, and let go of it; a phone that is out of reach does that by itself."""
        try:
            with contextlib.suppress(RunnerError):
                self._hold.end(self._plain)
        finally:
            self._handset.close()
            if self._ears.after:
                self._ears.after()

    def _begin(self, bounds: Bounds) -> None:
        """Once: hold it, clear what an interrupted session left, see that the route can be taken."""
        if self._start is not None:
            self._hold.beat(bounds.timeout_secs + _SPARE_SECS)
            return
        self._hold.begin(bounds.timeout_secs + self._phone.cool_down_secs + _SPARE_SECS)
        runs.stop_all(self._link)
        checked(self._link.shell(["rm", "-rf", ERRANDS], timeout_secs=60), f"clearing {ERRANDS}")
        self._route_facts = self._route.prepare(self._handset)
        self._start = state.read(self._link)

    def _cooled(self, bounds: Bounds) -> tuple[State, dict[str, str]]:
        """The phone's state once it is as at the start; while waiting it is still held."""
        assert self._start is not None

        def look() -> State:
            self._hold.beat(bounds.timeout_secs + _SPARE_SECS)
            return state.read(self._link)

        patience = Patience(most_secs=self._phone.cool_down_secs, tell=self._ears.tell)
        return state.cooled(look, self._start, patience)

    def _errand(self, request: Request, run_id: str, folder: Path, bounds: Bounds) -> Errand:
        """The request as it reads on the phone, with its builds and inputs there."""
        place = f"{ERRANDS}/{run_id}"
        output = self._link.script(_MAKE, [place], timeout_secs=_SHORT_SECS)
        checked(output, f"making {place}", remedy="free some space on the phone")
        moved = msgspec.structs.replace(
            request,
            run_id=run_id,
            builds=tuple(
                msgspec.structs.replace(build, path=self._handset.stored(folder / build.path, mode=0o644))
                for build in request.builds
            ),
            inputs=tuple(
                msgspec.structs.replace(file, path=self._handset.stored(folder / file.path, mode=0o644))
                for file in request.inputs
            ),
            outputs="outputs" if request.outputs else "",
        )
        return Errand(request=moved, place=place, folder=folder, bounds=bounds)


def _answer(request: Request, errand: Errand, response: Response, facts: dict[str, str]) -> Response:
    """The response as the asker reads it: its own run id, outputs where it wanted them, the phone's state beside."""
    asked, answered = [one.id for one in request.builds], [one.build for one in response.results]
    if response.run_id != errand.request.run_id or asked != answered:
        raise RunnerError(
            f"the phone answered another request: {response.run_id[:80]!r} for {', '.join(answered)[:200]}",
            remedy="use the app of this version",
        )
    results = []
    for result in response.results:
        kept = tuple(_kept(file, request, errand) for file in result.output_files)
        results.append(msgspec.structs.replace(result, output_files=kept))
    told = response.facts | {name: value for name, value in facts.items() if value}
    return msgspec.structs.replace(response, run_id=request.run_id, results=tuple(results), facts=told)


def _kept(file: TensorFile, request: Request, errand: Errand) -> TensorFile:
    target = errand.folder / request.outputs / Path(file.path).name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(file.path, target)
    return msgspec.structs.replace(file, path=str(target))
