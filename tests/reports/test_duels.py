from __future__ import annotations

import msgspec
import pytest

from harness.records import Comparison, Estimate
from reports import duels, render_html, render_markdown
from tests.fakes import build_report

SLOWER = Comparison(
    a="tflite/fp32",
    b="tflite/<b>",
    outcome="slower",
    effect=Estimate(value=0.0321, low=0.021, high=0.0444, confidence=0.99, samples=10),
    p=0.002,
    log_ratios=(0.03,) * 10,
    clock="on-CPU",
    wait_share=0.41,
    seconds=24.4,
)


def test_a_comparison_is_one_sentence_with_its_interval() -> None:
    assert duels.duel(SLOWER).sentence == (
        "tflite/<b> is slower than tflite/fp32: +3.21 % (+2.1 % to +4.44 %, 99 % sure)"
    )


def test_how_it_was_come_by_is_said_with_what_was_not_counted() -> None:
    method = duels.duel(SLOWER).method
    assert method.startswith("on-CPU time, 10 pairs of live processes in 24 s; false alarms at most 1 %")
    assert "41% of the time went by in the run queue" in method


@pytest.mark.parametrize("outcome", ["faster", "same", "inconclusive"])
def test_every_outcome_has_its_words(outcome: str) -> None:
    assert duels.duel(msgspec.structs.replace(SLOWER, outcome=outcome)).verdict != duels.duel(SLOWER).verdict


def test_a_comparison_that_failed_shows_no_effect() -> None:
    failed = msgspec.structs.replace(
        SLOWER, outcome="inconclusive", effect=Estimate(value=0.0), log_ratios=(), reason="it crashed"
    )
    told = duels.duel(failed)
    assert told.effect == "no effect known" and told.interval == "no interval yet" and told.reason == "it crashed"


def test_page_and_comment_hold_the_comparison_with_its_names_escaped() -> None:
    report = msgspec.structs.replace(build_report.build(), comparisons=(SLOWER,))
    page, comment = render_html(report), render_markdown(report)
    assert "+3.21 %" in page and "tflite/&lt;b&gt;" in page and "tflite/<b>" not in page
    assert "Side by side: tflite/&lt;b&gt; is slower than" in comment


def test_a_report_without_comparisons_has_no_such_section() -> None:
    assert 'id="duels"' not in render_html(build_report.build())
