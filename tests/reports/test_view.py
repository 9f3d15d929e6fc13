import msgspec
import pytest

from harness.records import (
    Caveat,
    Estimate,
    Failure,
    GateRule,
    Measurement,
    Recommendation,
    Report,
    Standing,
    Variant,
    Verdict,
)
from reports import view, wording

replace = msgspec.structs.replace


def row_of(report: Report, build: str) -> view.Row:
    return next(row for row in view.summarize(report).rows if row.id == build)


def test_builds_stand_in_the_order_of_their_ranks_and_the_rankless_last(report: Report) -> None:
    shuffled = replace(report, standings=report.standings[::-1])
    rows = view.summarize(shuffled).rows
    ranks = [row.place for row in rows]
    assert ranks == sorted(ranks)
    assert [row.state for row in rows[-3:]] == ["unsupported", "failed", "failed"]
    assert [row.rank for row in rows[-3:]] == ["–"] * 3


def test_a_tie_is_shown_as_a_tie(report: Report) -> None:
    assert row_of(report, "tflite/fp32").rank == row_of(report, "tflite/fp16").rank == "=3"


def test_every_build_asked_for_is_a_row_even_when_it_was_never_ranked(report: Report) -> None:
    unranked = replace(report, standings=report.standings[:1], complete=False)
    summary = view.summarize(unranked)
    assert {row.id for row in summary.rows} == {variant.id for variant in report.variants}
    assert row_of(unranked, "tflite/fp16").state == "pending"


def test_the_reason_of_a_measurement_that_failed_is_not_lost_without_a_ranking(report: Report) -> None:
    failure = Failure(stage="measure", reason="the child was killed")
    measured = Measurement(variant="tflite/fp32", device=report.devices[0], settings=report.experiment.settings)
    broken = replace(report, standings=(), measurements=(replace(measured, failure=failure),))
    assert row_of(broken, "tflite/fp32").why == "failed (measure): the child was killed"


def test_the_metric_that_ranks_comes_first(report: Report) -> None:
    by_p99 = replace(report, experiment=replace(report.experiment, rank_by="latency_ms.p99"))
    assert [column.name for column in view.summarize(by_p99).columns][:2] == ["latency_ms.p99", "latency_ms.p50"]


def test_without_a_task_metric_quality_is_the_agreement_with_the_reference(report: Report) -> None:
    assert report.model is not None
    parity = replace(report, model=replace(report.model, metric="", labelled=False))
    quality = view.summarize(parity).quality
    assert quality is not None and quality.name == "cosine"


def test_bytes_are_counted_and_not_rounded(report: Report) -> None:
    (judged,) = (one for one in row_of(report, "tflite/fp32").gates if one.gate.startswith("size_bytes"))
    assert (judged.observed_words, judged.limit) == ("13,587,184 B", "6,810,000 B")


@pytest.mark.parametrize("gate", ["latency_ms.p90<=12", "latency_ms.p90 <= 12", " latency_ms.p90 >= 0.5 x baseline"])
def test_the_unit_of_a_gate_is_that_of_its_metric(report: Report, gate: str) -> None:
    seen = Verdict(gate=gate, variant="tflite/fp32", outcome="pass", observed=Estimate(value=8.0), limit=12)
    assert row_of(replace(report, verdicts=(seen,)), "tflite/fp32").gates[0].observed_words == "8.00 ms"


def test_the_worst_outcome_marks_a_build(report: Report) -> None:
    assert row_of(report, "tflite/static_wi8_ai8").gate_mark == "✓"
    assert row_of(report, "tflite/weight_only_wi8_afp32").gate_mark == "?"
    assert row_of(report, "executorch/fp16").gate_mark == "✗"


def test_a_doubt_about_every_build_is_told_apart_from_one_about_some(report: Report) -> None:
    doubts = {doubt.caveat.id: doubt for doubt in view.summarize(report).doubts}
    assert doubts["HOST"].everywhere
    assert not doubts["DELEGATE-FELL-BACK"].everywhere
    assert doubts["DELEGATE-FELL-BACK"].builds == ("executorch/fp16", "tflite/static_wi8_ai16")


def test_an_accepted_doubt_says_so(report: Report) -> None:
    accepting = replace(report, experiment=replace(report.experiment, accept=("HOST",)))
    assert [doubt.caveat.id for doubt in view.summarize(accepting).doubts if doubt.accepted] == ["HOST"]


def test_the_doubt_about_the_only_build_is_next_to_it(report: Report) -> None:
    caveat = Caveat(id="FEW-SAMPLES", summary="few", advice="more")
    alone = replace(
        report,
        variants=report.variants[:1],
        standings=(Standing(variant="tflite/fp32", rank=1, caveats=(caveat,)),),
        verdicts=(),
    )
    assert [doubt.everywhere for doubt in view.summarize(alone).doubts] == [False]


def test_an_interrupted_run_says_how_far_it_came(report: Report) -> None:
    cut = replace(report, complete=False, measurements=report.measurements[:4])
    assert "4 of 13 builds have been measured" in view.summarize(cut).notices[0]


def test_the_release_rule_is_put_in_words(report: Report) -> None:
    for release, words in (("any", "one build that passes is enough"), (("tflite/*",), "tflite/* must pass")):
        ruled = replace(report, experiment=replace(report.experiment, release=release))
        assert words in view.summarize(ruled).verdict_line


def test_gates_that_were_set_and_not_judged_are_not_called_unset(report: Report) -> None:
    gated = replace(report.experiment, gates=(GateRule(gate="latency_ms.p50 <= 1"),))
    unjudged = replace(report, experiment=gated, verdicts=(), gate_outcome=None)
    assert view.summarize(unjudged).verdict_line == "No gate was judged."
    ungated = replace(unjudged, experiment=replace(gated, gates=()))
    assert view.summarize(ungated).verdict_line == "No gates were set."


def test_a_run_that_ended_before_it_knew_anything_still_has_a_title(report: Report) -> None:
    summary = view.summarize(Report(experiment=replace(report.experiment, name="")))
    assert summary.title == "EfficientNet-Lite0"
    assert summary.rows == ()
    assert "14 builds" in summary.asked


def test_a_build_named_in_full_can_be_the_baseline(report: Report) -> None:
    named = replace(report, experiment=replace(report.experiment, baseline="executorch/fp32"))
    assert row_of(named, "executorch/fp32").baseline
    assert not row_of(named, "tflite/fp32").baseline


def test_a_ready_made_file_has_neither_quality_nor_gates(report: Report) -> None:
    names = ("latency_ms.p50", "peak_rss_mb", "size_mb")
    metrics = {name: report.standings[0].metrics[name] for name in names}
    ready = replace(
        report,
        variants=(Variant(id="tflite/mobilenet", runtime="tflite", recipe="as-is"),),
        standings=(Standing(variant="tflite/mobilenet", rank=1, metrics=metrics),),
        model=None,
        measurements=(),
        verdicts=(),
    )
    summary = view.summarize(ready)
    assert [column.name for column in summary.columns] == list(names)
    assert summary.quality is None


def test_a_build_that_was_measured_without_the_ranking_number_keeps_its_other_numbers(report: Report) -> None:
    first = replace(report.standings[0], rank=None, tied=False)
    row = row_of(replace(report, standings=(first, *report.standings[1:])), first.variant)
    assert (row.state, row.rank) == ("ranked", "–")
    assert row.figures["peak_rss_mb"].text == "8.95"


def test_a_build_without_any_measurement_says_what_is_missing(report: Report) -> None:
    unmeasured = replace(report, standings=(Standing(variant="tflite/fp32"),), measurements=(), verdicts=())
    assert row_of(unmeasured, "tflite/fp32").why == "there is no latency_ms.p50 to rank it by"
    assert "the run ended" in row_of(replace(unmeasured, complete=False), "tflite/fp32").why


@pytest.mark.parametrize(
    ("words", "shown"),
    [("few samples", "Few samples."), ("Done!", "Done!"), ("tflite/a is slow", "tflite/a is slow."), ("", "")],
)
def test_phrases_become_sentences(words: str, shown: str) -> None:
    assert wording.sentence(words) == shown


def test_the_reason_does_not_repeat_the_name_that_stands_before_it(report: Report) -> None:
    chosen = Recommendation(variant="tflite/fp32", reason="tflite/fp32 passes `size_mb <= 5` and is small")
    assert view.summarize(replace(report, recommendation=chosen)).reason == "Passes “size_mb <= 5” and is small."
