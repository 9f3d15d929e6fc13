"""Builds run in the benchmark app, as an instrumentation of itself; see docs/phones.md for how it gets there.

The job is a wire request below /data/local/tmp/pocketbench, which an app may read and not write; the response and the
outputs come back in the app's media folder, which the shell may read. What the app hands back as a result are the size
and the sha256 of its response, so that a torn one is noticed; paths are never taken from the phone.

::

    am instrument -w -r -e run_id R -e job ROOT/runs/R/job.json PACKAGE/.BenchInstrumentation
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

from device_runners import dumps, instrument, wire
from device_runners.adb.errors import PullFailed
from device_runners.adb.link import Link
from device_runners.routes import Errand, Finished, Handset, how_ended
from device_runners.wire import Response, TensorFile
from harness.errors import RunnerError

PACKAGE = "org.pocketbench.app"
COMPONENT = f"{PACKAGE}/.BenchInstrumentation"
MEDIA = f"/sdcard/Android/media/{PACKAGE}"
OUTPUTS = "outputs"
_FILE = re.compile(rf"{OUTPUTS}/[A-Za-z0-9_][A-Za-z0-9_.-]{{0,200}}")
_PULL_SECS = 300.0
_MOST_OUTPUT_BYTES = 4 * 2**30
_LOGCAT_LINES = "400"


class AppRoute:
    """Serves requests with the app that is installed on the phone."""

    name = "app"
    plans = True

    def prepare(self, phone: Handset) -> dict[str, str]:
        output = phone.link.shell(["pm", "path", PACKAGE], timeout_secs=60)
        if output.code or not dumps.text_of(output.stdout).strip().startswith("package:"):
            raise RunnerError(
                f"the benchmark app ({PACKAGE}) is not installed on {phone.link.serial}",
                remedy="install it as docs/phones.md says, or name the runtimes' own programs (phone.route: binary)",
            )
        return {"route": "app"}

    def serve(self, phone: Handset, errand: Errand) -> Response:
        """The app's process is stopped in every ending: it outlives the command that started it."""
        request, place = errand.request, f"{MEDIA}/runs/{errand.request.run_id}"
        wire.write(errand.folder / "job.json", request)
        phone.link.push(errand.folder / "job.json", f"{errand.place}/job.json", timeout_secs=_PULL_SECS)
        argv = ["am", "instrument", "-w", "-r", "-e", "run_id", request.run_id]
        argv += ["-e", "job", f"{errand.place}/job.json", COMPONENT]
        try:
            done = phone.execute(argv, errand)
            ended = _ended(done)
            response = _pulled(phone.link, place, errand, ended.results)
            return msgspec.structs.replace(response, facts=response.facts | _facts(done))
        except RunnerError as error:
            _cleaned(phone.link, ["am", "force-stop", PACKAGE])
            _explain(error, _logcat(phone.link, errand.folder))
            raise
        finally:
            _cleaned(phone.link, ["rm", "-rf", place])


def _cleaned(link: Link, argv: list[str]) -> None:
    """Tidying up does not replace the reason why something went wrong; what stays is cleaned by the next session."""
    with contextlib.suppress(RunnerError):
        link.shell(argv, timeout_secs=30)


def _ended(done: Finished) -> instrument.Ended:
    ended = instrument.parse(done.output)
    if done.code and ended.code is None and not ended.failed:
        raise RunnerError(f"`am instrument` {how_ended(done.code)}", remedy="see the log")
    instrument.check(ended, COMPONENT)
    return ended


def _facts(done: Finished) -> dict[str, str]:
    return {} if done.ended_s is None else {"ended_uptime_s": f"{done.ended_s:.2f}"}


def _pulled(link: Link, place: str, errand: Errand, results: dict[str, str]) -> Response:
    """The response and its outputs, checked: it comes from a device."""
    target = errand.folder / "response.json"
    target.unlink(missing_ok=True)
    _fetch(link, f"{place}/response.json", target)
    told = results.get("response_sha256", "")
    if told and told != hashlib.sha256(target.read_bytes()).hexdigest():
        raise RunnerError("the response that arrived is not the one that the app wrote", remedy="measure again")
    response = wire.read_response(target)
    results_ = []
    for result in response.results:
        files = tuple(_output(link, place, errand, file) for file in result.output_files)
        results_.append(msgspec.structs.replace(result, output_files=files))
    return msgspec.structs.replace(response, results=tuple(results_))


def _fetch(link: Link, source: str, target: Path) -> None:
    """By a pull, else through the app's own provider, where a phone does not let the shell into the media folder."""
    try:
        link.pull(source, target, most_bytes=wire.MAX_JSON_BYTES, timeout_secs=_PULL_SECS)
        return
    except PullFailed as error:
        name = source.removeprefix(f"{MEDIA}/runs/")
        argv = ["content", "read", "--uri", f"content://{PACKAGE}.results/{name}"]
        output = link.shell(argv, timeout_secs=_PULL_SECS)
        if output.code or not output.stdout or len(output.stdout) > wire.MAX_JSON_BYTES:
            raise RunnerError(f"the app's response cannot be read: {error.message}", remedy="see the log") from error
    target.write_bytes(output.stdout)


def _output(link: Link, place: str, errand: Errand, file: TensorFile) -> TensorFile:
    """One file of outputs; its name and its size are what they may be, or it is refused."""
    if not _FILE.fullmatch(file.path) or ".." in file.path:
        raise RunnerError(f"the app named {file.path[:100]!r} as an output file", remedy="use the app of this version")
    itemsize = _itemsize(file.dtype)
    expected = file.samples * itemsize
    for side in file.shape:
        expected *= side
    if not 0 <= expected <= _MOST_OUTPUT_BYTES:
        raise RunnerError(f"{file.path} would be {expected} bytes", remedy="judge with fewer evaluation samples")
    target = errand.folder / file.path
    target.parent.mkdir(exist_ok=True)
    link.pull(f"{place}/{file.path}", target, most_bytes=max(expected, 1), timeout_secs=_PULL_SECS)
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


def _explain(error: RunnerError, logcat: str) -> None:
    """Adds what the log says about the app's end, where it is one of the usual ones."""
    lines = logcat.splitlines()
    why = ""
    for number, line in enumerate(lines):
        if "lowmemorykiller" in line and PACKAGE in line:
            why = "; the phone ran out of memory and killed it"
        elif "Fatal signal" in line and PACKAGE.rpartition(".")[2] in line and not why:
            why = f"; logcat: {line.strip()[:200]}"
        elif "FATAL EXCEPTION" in line and PACKAGE in "".join(lines[number : number + 3]) and not why:
            why = f"; logcat: {' '.join(''.join(lines[number + 2 : number + 3]).split())[:200]}"
    if why:
        error.message += why
        error.args = (error.message,)
