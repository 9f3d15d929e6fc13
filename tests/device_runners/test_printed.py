"""device_runners/printed.py: what benchmark_model and executor_runner have printed over the years."""

from __future__ import annotations

import pytest

from device_runners import printed
from harness.errors import RunnerError

NEW = """INFO: STARTING!
INFO: Loaded model /data/local/tmp/net.tflite
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
VERBOSE: Replacing 31 out of 33 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 1 partitions.
INFO: Initialized session in 119.515ms.
INFO: Running benchmark for at least 5 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
INFO: count=9 first=87112 curr=51629 min=51629 max=87112 avg=58147.4 std=11478 p5=51629 median=51962 p95=87112
INFO: Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
INFO: count=60 first=52162 curr=49785 min=49088 max=68610 avg=53743.2 std=6071 p5=49620 median=51891 p95=68628
INFO: Inference timings in us: Init: 119515, First inference: 87112, Warmup (avg): 58147.4, Inference (avg): 53743.2
INFO: Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE.
INFO: Memory footprint delta from the start of the tool (MB): init=50.5 overall=55.4961
Timings (microseconds): count=60 first=1 curr=1 min=1 max=1 avg=1 std=0
Memory (bytes): count=0
"""

OLD = """Initialized session in 0.896ms
count=215 first=12231 curr=2106 min=2065 max=12231 avg=2331.42 std=746

count=459 first=2143 curr=2101 min=2056 max=2656 avg=2177.1 std=124

Average inference timings in us: Warmup: 2331.42, Init: 896, no stats: 2177.1
Peak memory footprint (MB): init=1.5 overall=2.25
"""

STAMPED = """I 00:00:00.000123 executorch:executor_runner.cpp:180] Model file net.pte is loaded.
I 00:00:00.010000 executorch:executor_runner.cpp:261] Method loaded.
I 00:00:00.010500 executorch:executor_runner.cpp:278] Inputs prepared.
I 00:00:00.058500 executorch:executor_runner.cpp:298] Model executed successfully.
I 00:00:00.058600 executorch:executor_runner.cpp:302] 1 outputs:
Output 0: tensor(sizes=[1, 1000], [0.5, 0.25, ...])
"""
TOTAL = STAMPED.replace("successfully.", "successfully 10 time(s) in 480.5 ms.")
ITERATIONS = "".join(f"I 00:00:00.0{n}0000 executorch:x.cpp:1] Iteration {n} of 3: {n}.5 ms\n" for n in (1, 2, 3))


def test_the_second_count_line_is_the_measurement_and_the_first_its_warm_up() -> None:
    found = printed.benchmark_model(NEW)
    assert (found.timed.count, found.timed.mean_us, found.timed.median_us, found.timed.p95_us) == (
        60,
        53743.2,
        51891,
        68628,
    )
    assert found.warmup is not None and found.warmup.first_us == 87112 and found.warmup.count == 9
    assert (found.init_us, found.memory_mb) == (119515, 55.4961)
    assert (found.delegate, found.delegated, found.total) == ("TfLiteXNNPackDelegate", 31, 33)
    assert not found.first_included and found.calls_us == ()


def test_old_wordings_say_the_same() -> None:
    found = printed.benchmark_model(OLD)
    assert (found.timed.mean_us, found.init_us, found.memory_mb) == (2177.1, 896, 2.25)
    assert found.timed.median_us is None and found.delegate == "" and found.delegated is None


def test_logcat_prefixes_do_not_hide_the_lines() -> None:
    text = "".join(f"11-22 10:00:00.123  77  78 I tflite  : {line}\n" for line in OLD.splitlines() if line)
    assert printed.benchmark_model(text) == printed.benchmark_model(OLD)


def test_numbers_may_be_scientific_and_single_calls_have_no_average() -> None:
    text = OLD.replace("avg=2177.1", "avg=2.1771e+03").replace(
        "count=215 first=12231 curr=2106 min=2065 max=12231 avg=2331.42 std=746", "count=1 curr=12231"
    )
    found = printed.benchmark_model(text)
    assert found.timed.mean_us == 2177.1
    assert found.warmup is not None and (found.warmup.count, found.warmup.first_us) == (1, 12231)


def test_the_peak_of_periodic_monitoring_is_preferred_to_a_difference() -> None:
    text = NEW + "INFO: Overall peak memory footprint (MB) via periodic monitoring: 61.5\n"
    assert printed.benchmark_model(text).memory_mb == 61.5


def test_a_delegate_that_took_nothing_is_a_remark() -> None:
    found = printed.benchmark_model("INFO: Going to apply 0 delegates one after another.\n" + OLD)
    assert found.remarks == ("no delegate took any operator",)


@pytest.mark.parametrize(
    "text",
    ["", "ERROR: Could not open 'net.tflite'.\n", NEW.partition("INFO: Running benchmark for at least 50")[0]],
)
def test_a_program_that_did_not_finish_has_no_result(text: str) -> None:
    with pytest.raises(RunnerError, match="printed no result"):
        printed.benchmark_model(text)


def test_a_program_that_contradicts_itself_is_not_believed() -> None:
    with pytest.raises(RunnerError, match="contradicts itself"):
        printed.benchmark_model(OLD.replace("no stats: 2177.1", "no stats: 9000"))


def test_without_a_total_the_time_is_between_the_stamps() -> None:
    found = printed.executor_runner(STAMPED, 1)
    assert found.timed.mean_us == pytest.approx(48_000) and found.init_us == pytest.approx(10_000)
    assert found.first_included


def test_a_total_over_several_executions_gives_their_mean_with_the_cold_one_in_it() -> None:
    found = printed.executor_runner(TOTAL, 10)
    assert (found.timed.count, found.timed.mean_us, found.first_included) == (10, pytest.approx(48_050), True)


def test_where_every_iteration_is_told_the_first_is_kept_apart() -> None:
    text = ITERATIONS + TOTAL.replace("10 time(s)", "3 time(s)")
    found = printed.executor_runner(text, 3)
    assert found.calls_us == (2500.0, 3500.0) and not found.first_included
    assert found.warmup is not None and found.warmup.first_us == 1500.0


def test_other_file_names_and_stamps_past_an_hour_are_read() -> None:
    text = STAMPED.replace("executor_runner.cpp", "qnn_executor_runner.cpp").replace("I 00:", "I 01:")
    assert printed.executor_runner(text, 1).timed.mean_us == pytest.approx(48_000)


def test_what_a_delegate_ignored_is_a_remark() -> None:
    text = "[INFO] [Qnn ExecuTorch]: ignoring error from destroy\n" + TOTAL
    assert printed.executor_runner(text, 10).remarks == (
        "warned: [INFO] [Qnn ExecuTorch]: ignoring error from destroy",
    )


@pytest.mark.parametrize(
    ("text", "asked", "why"),
    [
        ("", 1, "it printed nothing"),
        ("F 00:00:00.1 executorch:x.cpp:1] In function main(), assert failed\n", 1, "assert failed"),
        (STAMPED, 10, "made 1 executions where 10 were asked for"),
        (STAMPED.replace("Inputs prepared.", ""), 1, "told no time"),
    ],
)
def test_a_runner_that_did_not_do_what_was_asked_is_an_error(text: str, asked: int, why: str) -> None:
    with pytest.raises(RunnerError, match=why):
        printed.executor_runner(text, asked)
