"""device_runners/binary_route.py: builds run by the runtimes' own programs, and what those cannot tell."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from device_runners.binary_route import BinaryRoute
from device_runners.routes import Errand, Finished, Handset
from device_runners.wire import PlannedBlock, Request
from harness.errors import RunnerError
from harness.records import Phone
from tests.device_runners.test_printed import ITERATIONS, NEW, OLD, STAMPED, TOTAL
from tests.fakes import phones
from tests.fakes.phones import BOUNDS, TIMING, Desk

RIGHT = "0" * 64


def desk(*answers: Finished | Exception, sha256: str = RIGHT) -> Desk:
    return Desk(phones.phone().on("sha256sum", answer=f"{sha256}  /data/x\n"), *answers)


def errand(folder: Path, request: Request) -> Errand:
    return Errand(request=request, place="/data/local/tmp/pocketbench/jobs/r1", folder=folder, bounds=BOUNDS)


def route(folder: Path) -> BinaryRoute:
    for name in ("benchmark_model", "executor_runner"):
        (folder / name).write_text("a program")
    return BinaryRoute(
        Phone(route="binary", benchmark_model="benchmark_model", executor_runner="executor_runner"), folder
    )


def done(text: str, code: int = 0, **changes: object) -> Finished:
    return Finished(code=code, output=text, **{"ended_s": 12.5, "peak_kb": 65536, **changes})  # type: ignore[arg-type]


def test_a_tflite_build_is_run_by_benchmark_model_with_the_timing_asked_for(tmp_path: Path) -> None:
    phone = desk(done(NEW))
    request = phones.request(tmp_path)
    response = route(tmp_path).serve(phone, errand(tmp_path, request))
    (argv,) = phone.commands
    assert argv[0].endswith("/files/benchmark_model") and f"--graph={request.builds[0].path}" in argv
    assert {"--num_threads=1", "--num_runs=10", "--min_secs=0.5", "--max_secs=5"} <= set(argv)
    assert phone.pushed == [(tmp_path / "benchmark_model", 0o755)]
    (result,) = response.results
    assert (result.load_ns, result.first_inference_ns) == (119_515_000, 87_112_000)
    assert result.blocks[0].calls_per_sample == 60 and len(result.blocks[0].wall_ns) == 1
    assert result.blocks[0].wall_ns[0] == pytest.approx(60 * 53_743_200)
    assert (result.delegated_operators, result.total_operators) == (31, 33)
    assert result.memory is not None
    assert (result.memory.peak_rss_mb, result.memory.total_peak_rss_mb) == (55.4961, 64.0)
    assert response.facts == {"ended_uptime_s": "12.50"}


def test_what_the_program_cannot_tell_is_said_in_the_row(tmp_path: Path) -> None:
    (result,) = route(tmp_path).serve(desk(done(OLD)), errand(tmp_path, phones.request(tmp_path))).results
    assert result.facts["samples"] == "means" and result.facts["outputs"] == "not told"
    assert result.facts["program"] == "benchmark_model" and result.facts["inputs"] == "the program's own"
    assert result.output_files == () and result.facts["told_min_us"] == "2056"
    assert "told_p95_us" not in result.facts


def test_memory_is_left_out_where_only_half_of_it_is_known(tmp_path: Path) -> None:
    (result,) = route(tmp_path).serve(desk(done(NEW, peak_kb=None)), errand(tmp_path, phones.request(tmp_path))).results
    assert result.memory is None


def test_the_limit_of_memory_is_a_fact_of_the_row(tmp_path: Path) -> None:
    limited = msgspec.structs.replace(BOUNDS, memory_limit_mb=64)
    task = msgspec.structs.replace(errand(tmp_path, phones.request(tmp_path)), bounds=limited)
    assert route(tmp_path).serve(desk(done(NEW)), task).facts["memory_limit"].startswith("64 MB, watched on the phone")
    with pytest.raises(RunnerError, match="used 65 MB, above its limit of 64 MB"):
        route(tmp_path).serve(desk(done(NEW, peak_kb=65 * 1024)), task)


def test_an_executorch_build_is_run_by_executor_runner_its_cold_call_in_the_mean(tmp_path: Path) -> None:
    phone = desk(done(TOTAL.replace("10 time(s)", "11 time(s)")))
    (result,) = route(tmp_path).serve(phone, errand(tmp_path, phones.request(tmp_path, "executorch/fp32"))).results
    assert "--num_executions=11" in phone.commands[0] and "--cpu_threads=1" in phone.commands[0]
    assert result.facts["first_call"] == "in the mean" and result.first_inference_ns == 0
    assert result.blocks[0].calls_per_sample == 11


def test_single_calls_are_kept_where_they_are_told(tmp_path: Path) -> None:
    timing = msgspec.structs.replace(TIMING, num_runs=2)
    text = ITERATIONS + TOTAL.replace("10 time(s)", "3 time(s)")
    request = phones.request(tmp_path, "executorch/fp32", timing=timing)
    (result,) = route(tmp_path).serve(desk(done(text)), errand(tmp_path, request)).results
    assert result.blocks[0].wall_ns == (2_500_000, 3_500_000) and result.blocks[0].calls_per_sample == 1
    assert result.facts["samples"] == "single calls" and result.first_inference_ns == 1_500_000


def test_an_old_runner_without_a_flag_for_threads_is_run_without_it_and_that_is_a_remark(tmp_path: Path) -> None:
    phone = desk(done("ERROR: unknown command line flag 'cpu_threads'\n", 1), done(TOTAL.replace("10 t", "11 t")))
    (result,) = route(tmp_path).serve(phone, errand(tmp_path, phones.request(tmp_path, "executorch/fp32"))).results
    assert len(phone.commands) == 2 and not any("cpu_threads" in word for word in phone.commands[1])
    assert result.facts["remarks"] == "it chose its own number of threads"


def test_once_a_call_s_time_is_known_as_many_are_made_as_fill_the_seconds(tmp_path: Path) -> None:
    made = route(tmp_path)
    request = phones.request(tmp_path, "executorch/fp32")
    made.serve(desk(done(TOTAL.replace("10 t", "11 t"))), errand(tmp_path, request))
    longer = msgspec.structs.replace(request, timing=msgspec.structs.replace(TIMING, min_secs=60.0))
    phone = desk(done(""))
    with pytest.raises(RunnerError):
        made.serve(phone, errand(tmp_path, longer))
    mean_ms = 480.5 / 11
    (count,) = [int(word.partition("=")[2]) for word in phone.commands[0] if word.startswith("--num_executions=")]
    assert count == pytest.approx(60_000 / mean_ms, abs=1)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (done("ERROR: Failed to load\n", 1), "ended with exit code 1: ERROR: Failed to load"),
        (done("", 137), "was ended by signal 9, often the phone's low-memory killer"),
        (done("nothing of use\n"), "printed no result"),
        (RunnerError("killed there"), "killed there"),
    ],
)
def test_a_program_that_fails_is_a_failed_row_with_its_last_words(
    tmp_path: Path, answer: Finished | Exception, why: str
) -> None:
    with pytest.raises(RunnerError, match=why):
        route(tmp_path).serve(desk(answer), errand(tmp_path, phones.request(tmp_path)))


def test_a_file_on_the_phone_that_is_not_the_build_is_not_run(tmp_path: Path) -> None:
    phone = desk(sha256="f" * 64)
    with pytest.raises(RunnerError, match="is not the build"):
        route(tmp_path).serve(phone, errand(tmp_path, phones.request(tmp_path)))
    assert phone.commands == []


def test_builds_cannot_be_compared_side_by_side_by_means(tmp_path: Path) -> None:
    plan = (PlannedBlock(build=0, calls=2),)
    with pytest.raises(RunnerError, match="cannot be compared side by side"):
        route(tmp_path).serve(desk(), errand(tmp_path, phones.request(tmp_path, plan=plan)))


def test_a_runtime_without_a_program_is_refused_with_what_to_name(tmp_path: Path) -> None:
    (tmp_path / "bm").write_text("a program")
    made = BinaryRoute(Phone(route="binary", benchmark_model="bm"), tmp_path)
    with pytest.raises(RunnerError, match="no program for executorch") as caught:
        made.serve(desk(), errand(tmp_path, phones.request(tmp_path, "executorch/fp32")))
    assert "phone.executor_runner" in caught.value.remedy


def test_programs_are_looked_for_before_anything_is_measured(tmp_path: Path) -> None:
    phone: Handset = desk()
    with pytest.raises(RunnerError, match="no program is named"):
        BinaryRoute(Phone(route="binary"), tmp_path).prepare(phone)
    with pytest.raises(RunnerError, match="is not a file"):
        BinaryRoute(Phone(route="binary", benchmark_model="nowhere"), tmp_path).prepare(phone)
    assert "route" in route(tmp_path).prepare(phone)


def test_hostile_names_stay_single_words(tmp_path: Path) -> None:
    hostile = "a b;$(reboot)'\n.tflite"
    (tmp_path / hostile).write_text("x")
    request = phones.request(tmp_path)
    request = msgspec.structs.replace(
        request, builds=(phones.build(Path("/data/local/tmp/pocketbench/files") / hostile, "tflite/$(reboot)"),)
    )
    phone = desk(done(NEW))
    route(tmp_path).serve(phone, errand(tmp_path, request))
    assert f"--graph=/data/local/tmp/pocketbench/files/{hostile}" in phone.commands[0]


def test_stamps_alone_will_do_for_a_single_execution(tmp_path: Path) -> None:
    timing = msgspec.structs.replace(TIMING, num_runs=1, warmup_runs=0, min_secs=0.0)
    request = phones.request(tmp_path, "executorch/fp32", timing=timing)
    with pytest.raises(RunnerError, match="made 1 executions where 2"):
        route(tmp_path).serve(desk(done(STAMPED)), errand(tmp_path, request))
