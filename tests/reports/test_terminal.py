import io
import re

import msgspec
import pytest
from rich.console import Console

import reports
from harness.records import Failure, Report, Standing

replace = msgspec.structs.replace


def shown(report: Report, width: int = 100, *, color: bool = False) -> str:
    out = io.StringIO()
    reports.print_table(report, Console(file=out, width=width, force_terminal=color))
    return out.getvalue()


def line_of(text: str, build: str) -> str:
    return next(line for line in text.splitlines() if f" {build} " in line and not line.startswith(build))


def test_the_table_fits_in_a_hundred_columns_with_every_name_whole(report: Report) -> None:
    text = shown(report)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 100
    for variant in report.variants:
        assert line_of(text, variant.id)
    assert "…" not in text


def test_a_line_has_rank_latency_memory_size_quality_and_gates(report: Report) -> None:
    words = line_of(shown(report), "tflite/fp32").split()
    assert " ".join(words) == "=3 tflite/fp32 * 8.20 ± 0.07 24.0 13.0 0.894 ± 0.020 ✗ 3/4"


def test_failed_and_unsupported_builds_are_lines_and_their_reasons_follow(report: Report) -> None:
    text = shown(report)
    assert "not offered" in line_of(text, "executorch/static_wi8_ai16")
    assert "failed" in line_of(text, "tflite/weight_only_wi4_afp32")
    assert "int4 weights on CONV_2D came back as float32" in text


def test_every_doubt_is_put_in_words_once(report: Report) -> None:
    text = " ".join(shown(report).split())
    assert text.count("No operator runs in the delegate.") == 1
    assert text.count("Measured on this host, not on a phone.") == 1
    assert "HOST (every build)" in text


def test_the_recommendation_is_a_sentence_below_the_table(report: Report) -> None:
    text = " ".join(shown(report).split())
    assert "Recommended: tflite/static_wi8_ai8. It passes every gate" in text
    assert "No build is recommended." in shown(replace(report, recommendation=None))


def test_nothing_in_a_report_is_markup_or_moves_the_cursor(report: Report) -> None:
    reason = "[bold]x[/bold] [/] \x1b[2J\x1b]0;title\x07 :smile:"
    nasty = Standing(variant="tflite/[red]a[/red]", failure=Failure(stage="convert", reason=reason))
    text = shown(replace(report, variants=(), measurements=(), standings=(nasty,), verdicts=()), color=True)
    plain = re.sub(r"\x1b\[[\d;]*m", "", text)
    assert "[bold]x[/bold] [/]" in plain and ":smile:" in plain and "tflite/[red]a[/red]" in plain
    assert "\x1b" not in plain and "\x07" not in plain


@pytest.mark.parametrize("width", [60, 100, 200])
def test_a_run_without_builds_still_prints(report: Report, width: int) -> None:
    assert "This run was interrupted" in " ".join(shown(Report(experiment=report.experiment), width).split())
