"""Did it help? The same answer on the page, in the comment and on the terminal."""

from __future__ import annotations

import io

import msgspec
import pytest
from rich.console import Console

from harness.records import Benefit, Estimate, Model, Report, StepResult
from reports import benefits, details, making, print_table, render_html, render_markdown, view
from tests.fakes.build_report import MODEL, build

replace = msgspec.structs.replace
HELPED = Benefit(
    variant="tflite/static_wi8_ai8",
    parent="tflite/fp32",
    gains={
        "size_bytes": Estimate(value=3.95, low=3.95, high=3.95),
        "time": Estimate(value=2.66, low=2.63, high=2.68),
        "packed_bytes": Estimate(value=4.5, low=4.5, high=4.5),
    },
    clock="on-CPU",
    quality="accuracy",
    change=Estimate(value=-0.007, low=-0.0345, high=0.0205),
    outcome="helped",
    verdict="3.95 times smaller on disk, 2.66 times as fast [2.63, 2.68]",
)
SENT = Benefit(
    variant="tflite/fp16",
    parent="tflite/fp32",
    outcome="sending only",
    verdict="only what is sent shrank (zipped 2 times): the kernels store and multiply every <zero>",
)
ORPHAN = Benefit(variant="executorch/fp16", missing="fp32", verdict="not told: executorch/fp32 was not made")


@pytest.fixture(scope="module")
def weighed() -> Report:
    return replace(build(), benefits=(ORPHAN, SENT, HELPED))


def test_rows_stand_in_the_order_of_the_ranking_with_gains_and_their_intervals(weighed: Report) -> None:
    first, second, third = benefits.rows(weighed)
    assert [row.answer for row in (first, second, third)] == ["yes", "only to send", "not told"]
    assert (first.against, first.size.text, first.size.interval) == ("fp32", "3.95\u00a0×", "")
    assert (first.time.interval, first.clock) == ("2.63 to 2.68", "median on-CPU time")
    assert (first.quality.text, first.quality.interval) == ("-0.0070", "-0.0345 to +0.0205")
    assert first.memory.value is None and first.memory.text == "–"


def test_a_parent_that_was_not_made_is_said_and_has_no_figures(weighed: Report) -> None:
    orphan = benefits.rows(weighed)[-1]
    assert orphan.against == "fp32 (not made)"
    assert all(cell.value is None for cell in (orphan.size, orphan.zipped, orphan.packed, orphan.time, orphan.memory))


def test_the_page_has_the_section_with_every_verdict_escaped(weighed: Report) -> None:
    page = render_html(weighed)
    assert '<section id="benefit"' in page and 'href="#benefit"' in page
    assert "every &lt;zero&gt;." in page and "<zero>" not in page


def test_the_comment_folds_the_table_away_and_counts_what_helped(weighed: Report) -> None:
    comment = render_markdown(weighed)
    assert "Did it help? 1 of 3 builds without a price" in comment
    assert "| `tflite/static_wi8_ai8` against `fp32` | yes | 3.95" in comment


def test_the_terminal_gives_a_line_each_and_a_sentence_to_what_gained_nothing(weighed: Report) -> None:
    out = io.StringIO()
    print_table(weighed, Console(file=out, width=100))
    text = out.getvalue()
    line = next(line for line in text.splitlines() if line.startswith("tflite/static_wi8_ai8 ") and "yes" in line)
    assert line.split()[1:4] == ["yes", "3.95", "×"]
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 100
    words = " ".join(text.split())
    assert "tflite/fp16 only what is sent shrank (zipped 2 times)" in words
    assert "3.95 times smaller on disk" not in words


def test_a_report_without_benefits_has_no_such_section() -> None:
    assert 'id="benefit"' not in render_html(build())
    assert "Did it help?" not in render_markdown(build())


def test_operators_are_counted_before_and_after_fusion() -> None:
    contents = build().variants[0].contents
    assert contents is not None
    fused = replace(contents, operators={"CONV_2D": 3, "MEAN": 1}, fused_activations=3)
    source: Model = replace(MODEL, operators={"convolution": 3, "native_batch_norm": 3, "hardtanh": 3, "mean": 1})
    assert making.fusion(source, fused) == (
        "10 in the source (convolution × 3, hardtanh × 3, native_batch_norm × 3, mean × 1), "
        "4 in the file, 3 of them with an activation inside"
    )
    assert making.fusion(MODEL, replace(fused, fused_activations=0)) == "4 in the file"


def test_what_a_compression_step_did_and_where_it_stopped_is_on_the_page() -> None:
    did = StepResult(
        step="prune(0.8)",
        seconds=12.3,
        score_before=0.91,
        score_after=0.9,
        stopped="below the floor of 0.9 at 0.6",
        facts={"sparsity": 0.6, "layers_left": ["a", "b", "c", "d", "e"], "per_layer": {"conv": 0.5}},
    )
    report = build()
    made = replace(report.variants[0], history=(did,))
    shown = replace(report, variants=(made, *report.variants[1:]))
    found = next(b for b in details.builds(shown, view.summarize(shown).rows) if b.row.id == made.id)
    ((step, told),) = found.steps
    assert step == "prune(0.8)"
    assert told == (
        "12 s; on samples kept apart 0.9100 before, 0.9000 after; stopped: below the floor of 0.9 at 0.6; "
        "sparsity: 0.600; layers left: a, b, c, d and 1 more; per layer: conv 0.500"
    )
    assert "<code>prune(0.8)</code>" in render_html(shown)
