"""device_runners/instrument.py: how a run in the app ended."""

from __future__ import annotations

import pytest

from device_runners import instrument
from harness.errors import RunnerError

COMPONENT = "org.pocketbench.app/.BenchInstrumentation"
DONE = """INSTRUMENTATION_STATUS: stage=loading tflite/fp32
INSTRUMENTATION_STATUS_CODE: 0
INSTRUMENTATION_STATUS: stage=timing tflite/fp32
INSTRUMENTATION_STATUS_CODE: 0
INSTRUMENTATION_RESULT: response_bytes=1234
INSTRUMENTATION_RESULT: note=two
lines = of text
INSTRUMENTATION_CODE: -1
"""
CRASHED = """INSTRUMENTATION_STATUS: stage=timing tflite/fp32
INSTRUMENTATION_STATUS_CODE: 0
INSTRUMENTATION_RESULT: shortMsg=Process crashed.
INSTRUMENTATION_CODE: 0
"""
THREW = """INSTRUMENTATION_RESULT: longMsg=java.lang.OutOfMemoryError: Failed to allocate
INSTRUMENTATION_RESULT: shortMsg=java.lang.OutOfMemoryError
INSTRUMENTATION_CODE: 0
"""
NOT_THERE = """INSTRUMENTATION_STATUS: id=ActivityManagerService
INSTRUMENTATION_STATUS: Error=Unable to find instrumentation info for: ComponentInfo{org.pocketbench.app/x}
INSTRUMENTATION_STATUS_CODE: -1
android.util.AndroidException: INSTRUMENTATION_FAILED: org.pocketbench.app/.BenchInstrumentation
"""


def test_a_run_that_went_to_its_end_tells_its_results_and_what_it_said() -> None:
    found = instrument.parse(DONE)
    assert found.code == -1 and found.results == {"response_bytes": "1234", "note": "two\nlines = of text"}
    assert found.said == (("stage", "loading tflite/fp32"), ("stage", "timing tflite/fp32"))
    instrument.check(found, COMPONENT)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (CRASHED, "in the app: Process crashed."),
        (THREW, r"java.lang.OutOfMemoryError \(java.lang.OutOfMemoryError: Failed to allocate\)"),
        (NOT_THERE, "cannot be started: Unable to find instrumentation"),
        (f"INSTRUMENTATION_FAILED: {COMPONENT}\n", f"cannot be started: {COMPONENT}"),
        ("INSTRUMENTATION_RESULT: reason=the job is not ours\nINSTRUMENTATION_CODE: 0\n", "the job is not ours"),
        ("INSTRUMENTATION_CODE: 0\n", "ended with code 0"),
        ("INSTRUMENTATION_STATUS: stage=timing\n", "cut off"),
        ("INSTRUMENTATION_CODE: minus one\n", "cut off"),
        ("", "cut off"),
    ],
)
def test_every_other_ending_is_an_error_with_its_reason(text: str, why: str) -> None:
    with pytest.raises(RunnerError, match=why) as caught:
        instrument.check(instrument.parse(text), COMPONENT)
    assert caught.value.remedy


def test_a_missing_app_is_answered_with_how_to_install_it() -> None:
    with pytest.raises(RunnerError) as caught:
        instrument.check(instrument.parse(NOT_THERE), COMPONENT)
    assert "install it" in caught.value.remedy


def test_a_value_without_an_end_is_cut() -> None:
    ended = instrument.parse(f"INSTRUMENTATION_RESULT: reason={'x' * 1_000_000}\nINSTRUMENTATION_CODE: 0\n")
    assert len(ended.results["reason"]) < 5000 and ended.code == 0
