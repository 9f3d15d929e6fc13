"""Builds run in the benchmark app, as an instrumentation of itself; see app_package.py for how it gets there.

The job is a wire request below /data/local/tmp/pocketbench, which an app may read and not write; the response and the
outputs come back in the app's media folder, which the shell may read. What the app hands back as a result are the size
and the sha256 of its response, so that a torn one is noticed; paths are never taken from the phone.

::

    am instrument -w -r -e run_id R -e job ROOT/jobs/R/job.json -e deadline_secs S PACKAGE/CLASS.BenchInstrumentation
    MEDIA/runs/R/response.json, MEDIA/runs/R/outputs/<name>
    INSTRUMENTATION_RESULT: response_bytes=N  response_sha256=H  reason=why it was refused (code 0)
    INSTRUMENTATION_STATUS: stage=what it is doing
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from pathlib import Path

import msgspec

from device_runners import app_package, dumps, instrument, routes, wire
from device_runners.adb.errors import PullFailed
from device_runners.adb.files import ROOT
from device_runners.adb.link import Link, checked
from device_runners.routes import Errand, Finished, Handset, how_ended
from device_runners.wire import Response, TensorFile
from harness.errors import RunnerError
from harness.records import Phone, Runtime

OUTPUTS = "outputs"
_FILE = re.compile(rf"{OUTPUTS}/[A-Za-z0-9_][A-Za-z0-9_.-]{{0,200}}")
_PULL_SECS, _SHORT_SECS = 300.0, 30.0
_MOST_OUTPUT_BYTES = 4 * 2**30
_LOGCAT_LINES = "400"
_BEGINNING = "beginning run "  # Job.java says so before all else
_OWN_WORDS = re.compile(r"\bpocketbench *(?:\( *\d+\))?: ")  # its tag in the log, in whatever form a phone prints
_OWN_DEADLINE = 0.9  # of the time allowed: the app ends by itself, and tells what it has, before it is ended
# "$1" our folder, "$2" the job's. The app takes a job that nobody but the shell can have written, and adb's daemon
# gives everybody the rights that the owner has.
_OWN = 'chmod 755 "$1" "${2%/*}" "$2" && chmod 644 "$2/job.json"'


class AppRoute:
    """Serves requests with the apps on the phone, one for each runtime; those that `phone` names are put there first,
    relative to `root`."""

    name = "app"
    plans = True

    def __init__(self, phone: Phone | None = None, root: Path = Path()) -> None:
        phone = phone or Phone()
        named: dict[Runtime, str] = {"tflite": phone.tflite_app, "executorch": phone.executorch_app}
        self._files = {runtime: root / name if name else None for runtime, name in named.items()}
        self._facts: dict[Runtime, dict[str, str]] = {}

    def prepare(self, phone: Handset) -> dict[str, str]:
        """Which app is needed shows when it is: a session may need one alone."""
        return {"route": "app"}

    def serve(self, phone: Handset, errand: Errand) -> Response:
        """The app's process is stopped in every ending: it outlives the command that started it."""
        facts = self._ready(phone, errand)
        request, package = errand.request, facts["app"]
        place = f"{app_package.media(package)}/runs/{request.run_id}"
        wire.write(errand.folder / "job.json", request)
        phone.link.push(errand.folder / "job.json", f"{errand.place}/job.json", timeout_secs=_PULL_SECS)
        checked(phone.link.script(_OWN, [ROOT, errand.place], timeout_secs=_SHORT_SECS), f"chmod of {errand.place}")
        argv = ["am", "instrument", "-w", "-r", "-e", "run_id", request.run_id, "-e", "job", f"{errand.place}/job.json"]
        deadline_secs = _OWN_DEADLINE * errand.bounds.timeout_secs
        argv += ["-e", "deadline_secs", f"{deadline_secs:.1f}", app_package.component(package)]
        try:
            done = phone.execute(argv, errand)
            response = _pulled(phone.link, package, errand, _ended(done, package).results)
        except RunnerError as error:
            _cleaned(phone.link, ["am", "force-stop", package])
            _explain(error, _own_part(_logcat(phone.link, errand.folder), request.run_id), package)
            raise
        finally:
            _cleaned(phone.link, ["rm", "-rf", place])
        told = _facts(done) | _limited(response, errand) | facts
        return msgspec.structs.replace(response, facts=response.facts | told)

    def _ready(self, phone: Handset, errand: Errand) -> dict[str, str]:
        """The app of the request's runtime, looked at once per session."""
        runtimes = {build.runtime for build in errand.request.builds}
        if len(runtimes) != 1:
            raise RunnerError(
                f"one app has one runtime, the request names {', '.join(sorted(runtimes))}",
                remedy="ask for the builds of each runtime by themselves",
            )
        (runtime,) = runtimes
        if runtime not in self._facts:
            self._facts[runtime] = app_package.ensure(phone, runtime, self._files[runtime])
            _cleaned(phone.link, ["rm", "-rf", f"{app_package.media(app_package.PACKAGES[runtime])}/runs"])
        return self._facts[runtime]


def _cleaned(link: Link, argv: list[str]) -> None:
    """Tidying up does not replace the reason why something went wrong; what stays is cleaned by the next session,
    before its first run in the app."""
    with contextlib.suppress(RunnerError):
        link.shell(argv, timeout_secs=30)


def _ended(done: Finished, package: str) -> instrument.Ended:
    ended = instrument.parse(done.output)
    if done.code and ended.code is None and not ended.failed:
        raise RunnerError(f"`am instrument` {how_ended(done.code)}", remedy="see the log")
    instrument.check(ended, app_package.component(package))
    return ended


def _facts(done: Finished) -> dict[str, str]:
    return {} if done.ended_s is None else {"ended_uptime_s": f"{done.ended_s:.2f}"}


def _limited(response: Response, errand: Errand) -> dict[str, str]:
    """The shell can neither limit an app's memory nor end it by that, so the limit is held when the app has ended."""
    used = [result.memory.total_peak_rss_mb for result in response.results if result.memory]
    return routes.within(max(used, default=0.0), errand.bounds, how=routes.TOLD if used else routes.NOT_TOLD)


def _pulled(link: Link, package: str, errand: Errand, results: dict[str, str]) -> Response:
    """The response and its outputs, checked: it comes from a device."""
    target, run = errand.folder / "response.json", errand.request.run_id
    target.unlink(missing_ok=True)
    _fetch(link, package, f"{run}/response.json", target, most_bytes=wire.MAX_JSON_BYTES)
    told = results.get("response_sha256", "")
    if told != hashlib.sha256(target.read_bytes()).hexdigest():
        wrote = "the one that the app wrote" if told else "known to be whole: the app told no sum of it"
        raise RunnerError(f"the response that arrived is not {wrote}", remedy="measure again")
    response = wire.read_response(target)
    results_ = []
    for result in response.results:
        files = tuple(_output(link, package, errand, file) for file in result.output_files)
        results_.append(msgspec.structs.replace(result, output_files=files))
    return msgspec.structs.replace(response, results=tuple(results_))


def _fetch(link: Link, package: str, name: str, target: Path, *, most_bytes: int) -> None:
    """By a pull, else through the app's own provider, where a phone does not let the shell into the media folder."""
    try:
        source = f"{app_package.media(package)}/runs/{name}"
        link.pull(source, target, most_bytes=most_bytes, timeout_secs=_PULL_SECS)
        return
    except PullFailed as error:
        argv = ["content", "read", "--uri", f"content://{package}.results/{name}"]
        output = link.shell(argv, timeout_secs=_PULL_SECS)
        if output.code or not output.stdout or len(output.stdout) > most_bytes:
            what = "the app's response" if name.endswith("/response.json") else name.partition("/")[2]
            raise RunnerError(f"{what} cannot be read: {error.message}", remedy="see the log") from error
    target.write_bytes(output.stdout)


def _output(link: Link, package: str, errand: Errand, file: TensorFile) -> TensorFile:
    """One file of outputs; its name and its size are what they may be, or it is refused."""
    if not _FILE.fullmatch(file.path):
        raise RunnerError(f"the app named {file.path[:100]!r} as an output file", remedy="use the app of this version")
    itemsize = _itemsize(file.dtype)
    expected = file.samples * itemsize
    for side in file.shape:
        expected *= side
    if not 0 <= expected <= _MOST_OUTPUT_BYTES:
        raise RunnerError(f"{file.path} would be {expected} bytes", remedy="judge with fewer evaluation samples")
    target = errand.folder / file.path
    target.parent.mkdir(exist_ok=True)
    _fetch(link, package, f"{errand.request.run_id}/{file.path}", target, most_bytes=max(expected, 1))
    if target.stat().st_size != expected:
        raise RunnerError(f"{file.path} has {target.stat().st_size} bytes where {expected} were told")
    return msgspec.structs.replace(file, path=str(target))


def _itemsize(dtype: str) -> int:
    sizes = {"float64": 8, "int64": 8, "uint64": 8, "float32": 4, "int32": 4, "uint32": 4, "float16": 2, "int16": 2}
    sizes |= {"uint16": 2, "int8": 1, "uint8": 1, "bool": 1}
    if dtype not in sizes:
        raise RunnerError(f"the app told outputs of type {dtype[:40]!r}", remedy="use the app of this version")
    return sizes[dtype]


# --- what a phone says about a crash ------------------------------------------------------------------------


def _logcat(link: Link, folder: Path) -> str:
    """The last lines of the phone's log, kept beside the others; "" where it cannot be had."""
    try:
        output = link.shell(["logcat", "-d", "-t", _LOGCAT_LINES], timeout_secs=60)
    except RunnerError as error:
        (folder / "logcat.txt").write_text(f"logcat: {error.message}\n")
        return ""
    text = dumps.text_of(output.stdout)
    (folder / "logcat.txt").write_text(text)
    return text


def _own_part(logcat: str, run: str) -> list[str]:
    """Its lines from the run's beginning on, where the app told that: what killed an earlier one did not kill this."""
    lines = [line.strip() for line in logcat.splitlines() if line.strip()]
    begun = [number for number, line in enumerate(lines) if line.endswith(f"{_BEGINNING}{run}")]
    return lines[begun[-1] :] if begun else lines


def _explain(error: RunnerError, lines: list[str], package: str) -> None:
    """Adds what the log says about the app's end: why, where it is one of the usual ones, else the app's last words,
    else the log's."""
    why = _why(lines, package)
    if lines and not why:
        own = [line for line in lines if _OWN_WORDS.search(line)]
        why = f"; its last words: {own[-1][:200]}" if own else f"; logcat ends with: {lines[-1][:200]}"
    error.message += why
    error.args = (error.message,)
    error.remedy = f"{error.remedy}; logcat.txt has more" if error.remedy else "see logcat.txt"


def _why(lines: list[str], package: str) -> str:
    """The low-memory killer before anything else, since what it kills may complain as well."""
    if any("lowmemorykiller" in line and package in line for line in lines):
        return "; the phone ran out of memory and killed it"
    for number, line in enumerate(lines):
        if "Fatal signal" in line and package.rpartition(".")[2] in line:
            return f"; logcat: {line[:200]}"
        if "FATAL EXCEPTION" in line and package in "".join(lines[number : number + 3]):
            return f"; logcat: {' '.join(''.join(lines[number + 2 : number + 3]).split())[:200]}"
    return ""
