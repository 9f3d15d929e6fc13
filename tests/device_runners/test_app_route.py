"""device_runners/app_route.py: a request served by the app, and everything that a phone may answer instead."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest

from device_runners import wire
from device_runners.adb.link import Output
from device_runners.app_package import PACKAGES, component, media
from device_runners.app_route import AppRoute
from device_runners.routes import Errand, Finished
from device_runners.wire import Response, TensorFile
from harness.errors import RunnerError
from harness.process import Bounds
from harness.records import Memory
from tests.device_runners.test_instrument import CRASHED, NOT_THERE
from tests.fakes import phones
from tests.fakes.links import FakeLink
from tests.fakes.phones import BOUNDS, Desk

PACKAGE = PACKAGES["tflite"]
PLACE = f"{media(PACKAGE)}/runs/r1"
JOB = "/data/local/tmp/pocketbench/jobs/r1"
OK = "INSTRUMENTATION_STATUS: stage=timing\nINSTRUMENTATION_STATUS_CODE: 0\n{}INSTRUMENTATION_CODE: -1\n"


def errand(folder: Path) -> Errand:
    request = phones.request(folder, run_id="r1", outputs="outputs")
    return Errand(request=request, place=JOB, folder=folder, bounds=BOUNDS)


def answered(link: FakeLink, task: Errand, *files: TensorFile) -> Response:
    """The app has written a response with these output files."""
    response = phones.respond(task)
    response = msgspec.structs.replace(
        response, results=(msgspec.structs.replace(response.results[0], output_files=files),)
    )
    link.files[f"{PLACE}/response.json"] = msgspec.json.encode(response)
    return response


def finished(text: str, code: int = 0) -> Finished:
    return Finished(code=code, output=text, ended_s=99.0)


def whole(link: FakeLink) -> Finished:
    """It ended well, and told the sum of the response that lies there."""
    digest = hashlib.sha256(link.files[f"{PLACE}/response.json"]).hexdigest()
    return finished(OK.format(f"INSTRUMENTATION_RESULT: response_sha256={digest}\n"))


def test_the_app_is_given_a_job_and_its_answer_comes_back(tmp_path: Path) -> None:
    link, task = phones.phone(), errand(tmp_path)
    answered(link, task)
    desk = Desk(link, whole(link))
    response = AppRoute().serve(desk, task)
    words = ["-e", "run_id", "r1", "-e", "job", f"{JOB}/job.json", "-e", "deadline_secs", "27.0"]
    assert desk.commands == [["am", "instrument", "-w", "-r", *words, component(PACKAGE)]]
    ((_, folders),) = [asked for asked in link.scripts if "chmod 644" in asked[0]]
    assert folders == ("/data/local/tmp/pocketbench", JOB), "the app takes no job that others could have written"
    (tmp_path / "pushed.json").write_bytes(link.files[f"{JOB}/job.json"])
    assert wire.read_request(tmp_path / "pushed.json") == task.request
    assert response.results[0].build == "tflite/fp32" and response.facts["ended_uptime_s"] == "99.00"
    assert ("rm", "-rf", PLACE) in link.asked


@pytest.mark.parametrize(
    ("used_mb", "most_mb", "fact"),
    [
        (300.0, 400, "400 MB, held against what the app tells at its end"),
        (None, 400, "400 MB, not held: the app tells no memory"),
        (300.0, 0, None),
        (500.0, 400, "above"),
    ],
)
def test_the_limit_of_memory_is_held_when_the_app_has_ended_and_that_is_said(
    tmp_path: Path, used_mb: float | None, most_mb: int, fact: str | None
) -> None:
    link = phones.phone()
    task = msgspec.structs.replace(errand(tmp_path), bounds=Bounds(timeout_secs=30, memory_limit_mb=most_mb))
    response = answered(link, task)
    memory = None if used_mb is None else Memory(peak_rss_mb=10.0, total_peak_rss_mb=used_mb)
    results = (msgspec.structs.replace(response.results[0], memory=memory),)
    link.files[f"{PLACE}/response.json"] = msgspec.json.encode(msgspec.structs.replace(response, results=results))
    if fact == "above":
        with pytest.raises(RunnerError, match="used 500 MB, above its limit of 400 MB") as raised:
            AppRoute().serve(Desk(link, whole(link)), task)
        assert "logcat" not in str(raised.value) and ("rm", "-rf", PLACE) in link.asked
    else:
        assert AppRoute().serve(Desk(link, whole(link)), task).facts.get("memory_limit") == fact


def test_outputs_are_pulled_with_the_size_that_they_must_have(tmp_path: Path) -> None:
    link, task = phones.phone(), errand(tmp_path)
    answered(link, task, TensorFile(path="outputs/output_0.bin", dtype="float32", shape=(1, 2), samples=3))
    link.files[f"{PLACE}/outputs/output_0.bin"] = bytes(24)
    response = AppRoute().serve(Desk(link, whole(link)), task)
    (file,) = response.results[0].output_files
    assert Path(file.path).read_bytes() == bytes(24) and Path(file.path).parent == tmp_path / "outputs"


@pytest.mark.parametrize(
    ("path", "size", "why"),
    [
        ("../../outside.bin", 24, "as an output file"),
        ("/etc/passwd", 24, "as an output file"),
        ("outputs/../x", 24, "as an output file"),
        ("outputs/$(reboot)", 24, "as an output file"),
        ("outputs/a b", 24, "as an output file"),
        ("outputs/.hidden", 24, "as an output file"),
        ("outputs/output_0.bin", 23, "has 23 bytes where 24 were told"),
        ("outputs/output_0.bin", 25, "larger than the 24 bytes"),
    ],
)
def test_an_output_file_with_another_name_or_size_is_refused(tmp_path: Path, path: str, size: int, why: str) -> None:
    link, task = phones.phone(), errand(tmp_path)
    answered(link, task, TensorFile(path=path, dtype="float32", shape=(1, 2), samples=3))
    link.files[f"{PLACE}/{path}"] = bytes(size)
    with pytest.raises(RunnerError, match=why):
        AppRoute().serve(Desk(link, whole(link)), task)


@pytest.mark.parametrize(
    ("shape", "dtype", "why"), [((2**40, 2**40), "float32", "would be"), ((1,), "object", "type 'object'")]
)
def test_outputs_of_impossible_kinds_are_refused(tmp_path: Path, shape: tuple[int, ...], dtype: str, why: str) -> None:
    link, task = phones.phone(), errand(tmp_path)
    answered(link, task, TensorFile(path="outputs/o.bin", dtype=dtype, shape=shape, samples=1))
    with pytest.raises(RunnerError, match=why):
        AppRoute().serve(Desk(link, whole(link)), task)


def test_a_torn_response_is_noticed_by_its_sum(tmp_path: Path) -> None:
    link, task = phones.phone(), errand(tmp_path)
    answered(link, task)
    right = hashlib.sha256(link.files[f"{PLACE}/response.json"]).hexdigest()
    told = "INSTRUMENTATION_RESULT: response_sha256={}\n"
    AppRoute().serve(Desk(link, finished(OK.format(told.format(right)))), task)
    for results, why in ((told.format("0" * 64), "not the one that the app wrote"), ("", "not known to be whole")):
        with pytest.raises(RunnerError, match=why):
            AppRoute().serve(Desk(link, finished(OK.format(results))), task)


@pytest.mark.parametrize("written", [b"", b"{", b'{"wire_version": 1, "hack": 1}', b"\xff\xfe", b"[" * 100_000])
def test_a_response_that_is_none_is_refused(tmp_path: Path, written: bytes) -> None:
    link = phones.phone()
    link.files[f"{PLACE}/response.json"] = written
    with pytest.raises(RunnerError, match="not a valid response"):
        AppRoute().serve(Desk(link, whole(link)), errand(tmp_path))


def closed(link: FakeLink) -> FakeLink:
    """What lay in the media folder is given by the provider alone."""
    for place in list(link.files):
        if place.startswith(f"{PLACE}/"):
            name = place.removeprefix(PLACE)
            link.on("content", "read", "--uri", f"content://{PACKAGE}.results/r1{name}", answer=link.files.pop(place))
    return link


def test_where_the_media_folder_is_closed_the_app_s_own_provider_is_asked(tmp_path: Path) -> None:
    link, task = phones.phone(), errand(tmp_path)
    answered(link, task, TensorFile(path="outputs/output_0.bin", dtype="float32", shape=(1, 2), samples=3))
    link.files[f"{PLACE}/outputs/output_0.bin"] = bytes(range(24))
    done = whole(link)
    response = AppRoute().serve(Desk(closed(link), done), task)
    (file,) = response.results[0].output_files
    assert response.run_id == "r1" and Path(file.path).read_bytes() == bytes(range(24))


@pytest.mark.parametrize(("given", "why"), [(b"", "cannot be read"), (bytes(23), "23 bytes"), (bytes(25), "be read")])
def test_outputs_that_the_provider_gives_are_looked_at_too(tmp_path: Path, given: bytes, why: str) -> None:
    link, task = phones.phone(), errand(tmp_path)
    answered(link, task, TensorFile(path="outputs/output_0.bin", dtype="float32", shape=(1, 2), samples=3))
    link.files[f"{PLACE}/outputs/output_0.bin"] = given
    done = whole(link)
    with pytest.raises(RunnerError, match=rf"outputs/output_0\.bin .*{why}"):
        AppRoute().serve(Desk(closed(link), done), task)


def test_a_response_that_is_nowhere_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match="cannot be read"):
        AppRoute().serve(Desk(phones.phone(), finished(OK.format(""))), errand(tmp_path))


LMKD = f"I lowmemorykiller: Kill '{PACKAGE}' (123), uid 10123, oom_score_adj 0\n"
FATAL = "F libc    : Fatal signal 11 (SIGSEGV), code 1 in tid 7 (bench), pid 7 (nch.app.litert)\n"
BEGUN = "I pocketbench: beginning run {}\n"
THROWN = f"E AndroidRuntime: FATAL EXCEPTION: bench\nE AndroidRuntime: Process: {PACKAGE}\nE AndroidRuntime: boom\n"


@pytest.mark.parametrize(
    ("logcat", "why"),
    [
        ("", r"^in the app: Process crashed\.$"),
        (LMKD, "ran out of memory and killed it"),
        (FATAL, "Fatal signal 11"),
        (THROWN, "logcat: E AndroidRuntime: boom"),
        (
            LMKD + FATAL + BEGUN.format("r1") + "I pocketbench: loading tflite/fp32\nI chatty: x\n",
            "last words: .*loading",
        ),
        (LMKD + BEGUN.format("r1") + FATAL, r"^in the app: Process crashed\.; logcat: F libc"),
        (LMKD + BEGUN.format("r11") + FATAL, "ran out of memory and killed it"),
        ("E pocketbench( 812): a call did not come back\nI x: y\n", "last words: .*did not come back$"),
        (THROWN.replace(PACKAGE, "another.app"), r"^in the app: Process crashed\.; logcat ends with: E Andr.*: boom$"),
    ],
)
def test_a_crash_is_told_with_what_the_phone_s_log_says_about_it(tmp_path: Path, logcat: str, why: str) -> None:
    link = phones.phone().on("logcat", answer=logcat)
    with pytest.raises(RunnerError, match=why):
        AppRoute().serve(Desk(link, finished(CRASHED)), errand(tmp_path))
    assert ("am", "force-stop", PACKAGE) in link.asked
    assert (tmp_path / "logcat.txt").read_text() == logcat


def test_an_app_whose_time_is_up_is_stopped_on_the_phone(tmp_path: Path) -> None:
    link = phones.phone()
    with pytest.raises(RunnerError, match="passed its limit"):
        AppRoute().serve(Desk(link, RunnerError("passed its limit of 30 s")), errand(tmp_path))
    assert ("am", "force-stop", PACKAGE) in link.asked


def test_a_job_that_others_may_write_is_not_started(tmp_path: Path) -> None:
    link = phones.phone().on_script("chmod 644", Output(code=1, stderr=b"chmod: Operation not permitted"))
    desk = Desk(link, finished(OK.format("")))
    with pytest.raises(RunnerError, match=rf"chmod of {JOB} failed .*not permitted"):
        AppRoute().serve(desk, errand(tmp_path))
    assert desk.commands == []


def test_an_am_that_cannot_run_is_an_error_with_its_exit_code(tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match="`am instrument` ended with exit code 255"):
        AppRoute().serve(Desk(phones.phone(), finished("Killed\n", 255)), errand(tmp_path))


def test_an_app_that_is_not_there_is_known_before_anything_is_measured(tmp_path: Path) -> None:
    link = phones.phone()
    link.on("pm", "path", answer=1)
    with pytest.raises(RunnerError, match="is not installed") as caught:
        AppRoute().serve(Desk(link), errand(tmp_path))
    assert "docs/android_app.md" in caught.value.remedy


def test_an_app_that_went_away_meanwhile_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match="cannot be started"):
        AppRoute().serve(Desk(phones.phone(), finished(NOT_THERE)), errand(tmp_path))


def test_what_an_interrupted_session_left_in_the_app_s_folder_is_cleared_once(tmp_path: Path) -> None:
    link, task, route = phones.phone(), errand(tmp_path), AppRoute()
    answered(link, task)
    for _ in range(2):
        route.serve(Desk(link, whole(link)), task)
    assert link.asked.count(("rm", "-rf", f"{media(PACKAGE)}/runs")) == 1
    assert link.asked.count(("rm", "-rf", PLACE)) == 2


def test_the_app_is_looked_at_once_in_a_session(tmp_path: Path) -> None:
    link, task, route = phones.phone(), errand(tmp_path), AppRoute()
    answered(link, task)
    for _ in range(2):
        assert route.serve(Desk(link, whole(link)), task).facts["app_sha256"] == "5" * 64
    assert link.asked.count(("pm", "path", PACKAGE)) == 1
