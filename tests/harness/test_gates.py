"""harness/gates.py: how a gate is read, what it is about, how it is judged, and what that means for the release."""

from __future__ import annotations

from typing import Any

import pytest

from harness import gates, metrics
from harness.caveats import CAVEATS, DISQUALIFYING
from harness.errors import ExperimentError
from harness.gate_scope import baseline_of, matches
from harness.records import Caveat, Estimate, Experiment, Failure, GateRule, Outcome, Standing, Verdict
from tests.fakes import judged

FP32, INT8 = "tflite/fp32", "tflite/static_wi8_ai8"
Bounds = tuple[float | None, float | None]


def estimate(value: float, bounds: Bounds | None = None, samples: int = 400) -> Estimate:
    low, high = bounds or (value, value)
    return Estimate(value=value, low=low, high=high, samples=samples)


def standing(id_: str = INT8, *, caveats: tuple[str, ...] = (), **found: Estimate) -> Standing:
    """found: metrics, with `__` for the dot in a name."""
    return Standing(
        variant=id_,
        rank=1,
        metrics={name.replace("__", "."): value for name, value in found.items()},
        caveats=tuple(doubt(caveat) for caveat in caveats),
    )


def doubt(id_: str) -> Caveat:
    """As caveats.judge makes it."""
    row = CAVEATS[id_]
    names = [name for name, metric in metrics.METRICS.items() if metric.kind in row.doubts]
    return Caveat(
        id=id_, summary=row.summary, advice=row.advice, detail="seen", doubts=("*",) if row.everything else tuple(names)
    )


def one(gate: str, *standings: Standing, **changes: Any) -> Verdict:
    """The verdict on the first standing."""
    experiment = judged.experiment(gates=(gate,), **changes)
    found = [v for v in gates.judge(experiment, judged.model(), standings) if v.variant == standings[0].variant]
    (verdict,) = found
    return verdict


# --- reading ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "canonical", "form", "number"),
    [
        ("latency_ms.p90 <= 30", "latency_ms.p90 <= 30", "number", 30.0),
        ("latency_ms.p90<30ms", "latency_ms.p90 < 30 ms", "number", 30.0),
        ("  on_cpu_ms.p50 <= 7.5 us ", "on_cpu_ms.p50 <= 7.5 us", "number", 0.0075),
        ("load_ms <= 0.5 s", "load_ms <= 0.5 s", "number", 500.0),
        ("peak_rss_mb <= 61440 KB", "peak_rss_mb <= 61440 KB", "number", 60.0),
        ("size_bytes <= 5 MB", "size_bytes <= 5 MB", "number", 5 * 2.0**20),
        ("accuracy >= 90 %", "accuracy >= 90 %", "number", 0.9),
        ("snr_db > -3 dB", "snr_db > -3 dB", "number", -3.0),
        ("max_abs_diff<=1e-4", "max_abs_diff <= 1e-4", "number", 1e-4),
        ("accuracy >= baseline - 0.01", "accuracy >= baseline - 0.01", "offset", -0.01),
        ("load_ms <= baseline + 5 ms", "load_ms <= baseline + 5 ms", "offset", 5.0),
        ("size_bytes < baseline", "size_bytes < baseline", "offset", 0.0),
        ("size_bytes <= 0.5 x baseline", "size_bytes <= 0.5 x baseline", "factor", 0.5),
        ("size_bytes<=.5xbaseline", "size_bytes <= .5 x baseline", "factor", 0.5),
        ("latency_ms.p50 <= 1.03*baseline", "latency_ms.p50 <= 1.03 x baseline", "factor", 1.03),
        ("word_error_rate <= 0.1", "word_error_rate <= 0.1", "number", 0.1),
    ],
)
def test_a_gate_is_read_into_the_unit_of_its_metric(text: str, canonical: str, form: str, number: float) -> None:
    gate = gates.parse(text)
    assert (gate.text, gate.form) == (canonical, form)
    assert gate.number == pytest.approx(number)
    assert gates.parse(gate.text) == gate


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("latency_ms.p89 <= 3", "unknown metric 'latency_ms.p89'; did you mean 'latency_ms.p99'?"),
        ("latency <= 3", "unknown metric 'latency'; did you mean 'latency_ms.p"),
        ("acuracy >= 0.9", "unknown metric 'acuracy'; did you mean 'accuracy'?"),
        ("size_byte <= 3", "did you mean 'size_bytes'?"),
        ("", "expected the name of a metric, such as latency_ms.p90, found the end (column 1)"),
        ("30 >= latency_ms.p90", "expected the name of a metric, such as latency_ms.p90, found '30 >= latency"),
        ("latency_ms.p90 =< 30", "expected one of <= < >= >, found '=< 30' (column 16)"),
        ("latency_ms.p90 == 30", "found '== 30'"),
        ("latency_ms.p90 <=", "expected a number or `baseline`, found the end (column 18)"),
        ("latency_ms.p90 <= fast", "found 'fast' (column 19)"),
        ("latency_ms.p90 <= 30 mb", "expected a unit of latency_ms.p90 (us, ms, s), found 'mb'"),
        ("max_abs_diff <= 3 %", "expected the end, since max_abs_diff has no unit, found '%'"),
        ("latency_ms.p90 <= 30 40", "expected the end of the gate, found '40'"),
        ("latency_ms.p90 <= baseline * 1.1", "nothing, after `baseline`, found '* 1.1'"),
        ("accuracy >= baseline - 1 %", "expected a difference, or a factor such as `0.95 x baseline`, found '%'"),
        ("size_bytes <= 0 x baseline", "the factor of the baseline is 0, and must be above 0"),
        ("size_bytes <= 1e999", "the number is too large"),
    ],
)
def test_a_gate_that_cannot_be_read_says_where_and_what_instead(text: str, message: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        gates.parse(text)
    assert message in caught.value.message and f"gate {text!r}" in caught.value.message
    assert "\n" not in caught.value.message


# --- judging: a number --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "bounds", "outcome"),
    [
        ("<=", (28.0, 29.9), "pass"),
        ("<=", (28.0, 30.0), "pass"),
        ("<", (28.0, 30.0), "not judged"),
        ("<=", (29.0, 31.0), "not judged"),
        ("<=", (30.0, 31.0), "not judged"),
        ("<", (30.0, 31.0), "fail"),
        ("<=", (30.1, 31.0), "fail"),
        ("<=", (None, 29.0), "pass"),
        ("<=", (31.0, None), "fail"),
        ("<=", (29.0, None), "not judged"),
        ("<=", (None, None), "not judged"),
        (">=", (30.0, 31.0), "pass"),
        (">", (30.0, 31.0), "not judged"),
        (">=", (29.0, 31.0), "not judged"),
        (">=", (28.0, 29.9), "fail"),
        (">", (28.0, 30.0), "fail"),
        (">=", (None, 29.0), "fail"),
        (">=", (31.0, None), "pass"),
    ],
)
def test_a_gate_is_held_against_the_whole_interval(operator: str, bounds: Bounds, outcome: Outcome) -> None:
    verdict = one(f"latency_ms.p90 {operator} 30", standing(latency_ms__p90=estimate(29.5, bounds)))
    assert verdict.outcome == outcome
    assert verdict.limit == 30.0 and verdict.observed is not None and verdict.reason


@pytest.mark.parametrize(("size", "outcome"), [(1000, "pass"), (1001, "fail")])
def test_a_size_is_exact_and_always_judged(size: int, outcome: Outcome) -> None:
    assert one("size_bytes <= 1000", standing(size_bytes=estimate(size))).outcome == outcome


# --- judging: the baseline ----------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "outcome"), [(499, "pass"), (500, "pass"), (501, "fail")])
def test_a_factor_of_an_exact_baseline_is_exact(size: int, outcome: Outcome) -> None:
    base = standing(FP32, size_bytes=estimate(1000))
    verdict = one("size_bytes <= 0.5 x baseline", standing(size_bytes=estimate(size)), base)
    assert (verdict.outcome, verdict.limit) == (outcome, 500.0)
    assert "baseline tflite/fp32: 1,000 B" in verdict.reason


@pytest.mark.parametrize(
    ("bounds", "outcome"), [((9.5, 9.9), "pass"), ((9.9, 10.7), "not judged"), ((10.8, 11.2), "fail")]
)
def test_the_noise_of_both_sides_counts_against_a_measured_baseline(bounds: Bounds, outcome: Outcome) -> None:
    base = standing(FP32, latency_ms__p50=estimate(10.0, (9.8, 10.2)))
    build = standing(latency_ms__p50=estimate(sum(b for b in bounds if b) / 2, bounds))
    assert one("latency_ms.p50 <= 1.03 x baseline", build, base).outcome == outcome


def test_two_intervals_are_combined_not_added_up() -> None:
    base = standing(FP32, latency_ms__p50=estimate(10.0, (9.0, 11.0)))
    build = standing(latency_ms__p50=estimate(8.5, (7.5, 9.5)))
    # Their ends overlap (9.0 to 9.5), but the difference is -1.5 -+ sqrt(2) = -0.09 at worst.
    assert one("latency_ms.p50 < baseline", build, base).outcome == "pass"


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        (estimate(-0.001, (-0.006, 0.004), 1000), "pass"),
        (estimate(-0.008, (-0.013, -0.003), 1000), "not judged"),
        (estimate(-0.030, (-0.040, -0.020), 1000), "fail"),
        (estimate(0.89 - 0.90, None, 1000), "pass"),  # exactly on the limit, but for rounding
    ],
)
def test_accuracy_against_the_baseline_is_judged_on_the_paired_change(change: Estimate, outcome: Outcome) -> None:
    wide = (0.87, 0.92)
    base = standing(FP32, accuracy=estimate(0.90, wide, 1000))
    build = standing(accuracy=estimate(0.90 + change.value, wide, 1000), accuracy_change=change)
    verdict = one("accuracy >= baseline - 0.01", build, base)
    assert verdict.outcome == outcome and verdict.limit == pytest.approx(0.89)
    assert f"on the same samples the change is {change.value:.4f}" in verdict.reason


def test_accuracy_without_pairs_is_judged_on_two_wide_intervals() -> None:
    base = standing(FP32, accuracy=estimate(0.90, (0.88, 0.92), 1000))
    build = standing(accuracy=estimate(0.90, (0.88, 0.92), 1000))
    verdict = one("accuracy >= baseline - 0.01", build, base)
    assert verdict.outcome == "not judged"
    assert "about 8000 evaluation samples" in verdict.reason


def test_the_baseline_is_not_held_against_itself() -> None:
    experiment = judged.experiment(gates=("size_bytes <= 0.5 x baseline", "size_bytes <= 2000"))
    found = gates.judge(experiment, judged.model(), [standing(FP32, size_bytes=estimate(1000))])
    assert [verdict.gate for verdict in found] == ["size_bytes <= 2000"]


@pytest.mark.parametrize(
    ("baseline", "build", "expected"),
    [
        ("fp32", "tflite/fp16", "tflite/fp32"),
        ("fp32", "executorch/fp16", "executorch/fp32"),
        ("tflite/fp32", "executorch/fp16", "tflite/fp32"),
        ("prune(0.5)+fp16", "tflite/fp32", "tflite/prune(0.5)+fp16"),
    ],
)
def test_the_baseline_is_of_the_same_runtime_unless_it_names_one(baseline: str, build: str, expected: str) -> None:
    assert baseline_of(judged.experiment(baseline=baseline), build) == expected


# --- not judged, and what would help ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gate", "observed", "help_"),
    [
        (
            "latency_ms.p99 <= 30",
            estimate(29.0, (28.0, None), 250),
            "p99 of 250 samples has no upper bound at 95%; it takes 368 (settings.num_runs: 74 with 5 restarts)",
        ),
        (
            "latency_ms.p50 <= 30",
            estimate(29.0, (27.0, 31.0)),
            "about 20 restarts would decide (settings.restarts, now 5)",
        ),
        ("latency_ms.p50 <= 30", estimate(29.999, (27.0, 31.0)), "too close to call"),
        ("latency_ms.p50 <= 30", estimate(30.0, (27.0, 31.0)), "too close to call"),
        ("latency_ms.mean <= 30", estimate(29.0, (None, None)), "raise settings.restarts"),
        ("peak_rss_mb <= 30", estimate(30.5, (None, None), 1), "takes 3 restarts"),
        ("peak_rss_mb <= 30", estimate(30.5, (29.5, 30.5), 5), "some restarts are above and some below"),
        ("accuracy >= 0.88", estimate(0.9, (0.86, 0.93), 200), "about 800 evaluation samples would decide (now 200)"),
    ],
)
def test_what_is_not_judged_says_what_would_help(gate: str, observed: Estimate, help_: str) -> None:
    name = gate.split()[0].replace(".", "__")
    verdict = one(gate, standing(**{name: observed}))
    assert verdict.outcome == "not judged"
    assert help_ in verdict.reason


def test_a_build_that_failed_is_not_judged_even_on_what_its_file_tells() -> None:
    failed = Standing(
        variant=INT8,
        metrics={"size_bytes": estimate(10)},
        failure=Failure(stage="measure", reason="worker was ended by SIGSEGV"),
    )
    verdict = one("size_bytes <= 1000", failed)
    assert verdict.outcome == "not judged" and "measure failed: worker was ended by SIGSEGV" in verdict.reason


def test_a_recipe_that_the_runtime_lacks_gets_a_note_and_no_verdict() -> None:
    lacking = Standing(variant=INT8, failure=Failure(stage="convert", reason="no int16 kernels", unsupported=True))
    experiment = judged.experiment(gates=("size_bytes <= 1000",))
    assert gates.judge(experiment, judged.model(), [lacking]) == ()
    assert gates.notes(experiment, [lacking]) == (f"{INT8}: no gate was judged, no int16 kernels",)
    assert gates.notes(judged.experiment(), [lacking]) == ()


def test_a_number_that_could_not_be_had_is_not_judged_with_the_cause() -> None:
    verdict = one("on_cpu_ms.p50 <= 30", standing(caveats=("WAIT-UNKNOWN",)))
    assert verdict.outcome == "not judged" and verdict.reason == "on-CPU p50 is not known for this build (seen)"


@pytest.mark.parametrize(
    "others",
    [[], [Standing(variant=FP32, failure=Failure(stage="convert", reason="no"))], [standing(FP32)]],
)
def test_a_baseline_without_the_number_leaves_the_gate_unjudged(others: list[Standing]) -> None:
    verdict = one("size_bytes <= 0.5 x baseline", standing(size_bytes=estimate(10)), *others)
    assert verdict.outcome == "not judged" and "the baseline tflite/fp32 has no file" in verdict.reason
    assert verdict.limit is None


# --- doubts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [10.0, 50.0])
def test_a_doubted_metric_is_not_judged_until_its_caveat_is_accepted(value: float) -> None:
    build = standing(caveats=("EMULATOR",), latency_ms__p50=estimate(value))
    verdict = one("latency_ms.p50 <= 30", build)
    assert verdict.outcome == "not judged"
    assert "EMULATOR: seen" in verdict.reason and "accept: [EMULATOR]" in verdict.reason
    accepted = one("latency_ms.p50 <= 30", build, accept=("EMULATOR",))
    assert accepted.outcome == ("pass" if value <= 30 else "fail")


def test_every_doubt_has_to_be_accepted() -> None:
    build = standing(caveats=("EMULATOR", "FEW-SAMPLES"), latency_ms__p50=estimate(10))
    verdict = one("latency_ms.p50 <= 30", build, accept=("EMULATOR",))
    assert verdict.outcome == "not judged" and "accept: [FEW-SAMPLES]" in verdict.reason


def test_a_caveat_about_other_metrics_or_about_none_changes_nothing() -> None:
    build = standing(caveats=("EMULATOR", "NO-BENEFIT"), size_bytes=estimate(10))
    assert one("size_bytes <= 30", build).outcome == "pass"


@pytest.mark.parametrize("id_", DISQUALIFYING)
def test_a_build_that_is_something_else_passes_no_gate_but_fails_what_it_fails(id_: str) -> None:
    assert one("size_bytes <= 30", standing(caveats=(id_,), size_bytes=estimate(10))).outcome == "not judged"
    assert one("size_bytes <= 30", standing(caveats=(id_,), size_bytes=estimate(50))).outcome == "fail"
    build = standing(caveats=(id_, "RANDOM-WEIGHTS"), cosine=estimate(0.1))
    assert one("cosine >= 0.9", build).outcome == "not judged"  # the numbers themselves mean nothing


@pytest.mark.parametrize(
    ("gate", "value", "outcome"),
    [
        ("latency_ms.p50 <= 30", 10.0, "pass"),  # noise only makes it slower: it would pass without, too
        ("latency_ms.p50 <= 30", 50.0, "not judged"),
        ("latency_ms.p50 >= 5", 10.0, "not judged"),
        ("latency_ms.p50 <= 2 x baseline", 10.0, "not judged"),  # the baseline may be slowed down as well
        ("on_cpu_ms.p50 <= 30", 10.0, "pass"),
        ("on_cpu_ms.p50 <= 30", 50.0, "fail"),
    ],
)
def test_noise_that_can_only_slow_down_does_not_void_a_passed_limit(gate: str, value: float, outcome: Outcome) -> None:
    found = {"latency_ms__p50": estimate(value), "on_cpu_ms__p50": estimate(value)}
    base = standing(FP32, caveats=("NOISY-MACHINE",), **found)
    assert one(gate, standing(caveats=("NOISY-MACHINE",), **found), base).outcome == outcome


@pytest.mark.parametrize(
    ("ids", "bounds", "outcome"),
    [
        (("CANARY",), (4.0, 6.0), "pass"),  # no clock is off by five
        (("CANARY",), (14.0, 16.0), "not judged"),
        (("CANARY",), (31.0, 33.0), "not judged"),
        (("CANARY",), (61.0, 63.0), "fail"),
        (("CANARY", "UNSTABLE"), (14.0, 14.9), "pass"),
        (("CANARY", "UNSTABLE"), (14.0, 15.1), "not judged"),
        (("CANARY", "NOISY-MACHINE"), (61.0, 63.0), "not judged"),
        (("CANARY", "EMULATOR"), (4.0, 6.0), "not judged"),  # an emulator's times mean nothing at all
        (("UNSTABLE",), (None, 6.0), "pass"),
    ],
)
def test_a_doubt_of_known_reach_matters_only_near_the_limit(
    ids: tuple[str, ...], bounds: Bounds, outcome: Outcome
) -> None:
    build = standing(caveats=ids, latency_ms__p50=estimate(bounds[1] or 0.0, bounds))
    verdict = one("latency_ms.p50 <= 30", build)
    assert verdict.outcome == outcome
    assert ("cannot change that" in verdict.reason) == (outcome != "not judged")


def test_a_doubt_about_the_baseline_is_a_doubt_about_the_gate() -> None:
    base = standing(FP32, caveats=("UNSTABLE",), latency_ms__p50=estimate(10))
    verdict = one("latency_ms.p50 <= 2 x baseline", standing(latency_ms__p50=estimate(5)), base)
    assert verdict.outcome == "not judged" and "UNSTABLE" in verdict.reason
    assert one("latency_ms.p50 <= 20", standing(latency_ms__p50=estimate(5)), base).outcome == "pass"


# --- which builds -------------------------------------------------------------------------------------


def test_a_rule_is_about_the_builds_that_it_names() -> None:
    experiment = judged.experiment(gates=(GateRule(gate="size_bytes <= 30", builds=("*/static_*",)),))
    builds = [standing(id_, size_bytes=estimate(10)) for id_ in (FP32, INT8, "executorch/static_wi8_ai8")]
    found = gates.judge(experiment, judged.model(), builds)
    assert [verdict.variant for verdict in found] == [INT8, "executorch/static_wi8_ai8"]


def test_patterns_take_everything_but_stars_and_question_marks_literally() -> None:
    assert matches("tflite/prune(2:4)+fp16", ("tflite/prune(2:4)+fp16",))
    assert matches("tflite/a[b]", ("tflite/a[b]",)) and not matches("tflite/ab", ("tflite/a[b]",))
    assert not matches("tflite/fp32", ("executorch/*",))


# --- before any work ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "model", "message"),
    [
        ({"gates": ("accuracy >= 0.9",)}, {"metric": "", "labelled": False}, "has no labelled evaluation data"),
        ({"gates": ("accuracy >= baseline - 0.01",)}, {"metric": "word_error_rate"}, "so there is no accuracy"),
        ({"gates": ("word_eror_rate <= 0.1",)}, {"metric": "word_error_rate"}, "did you mean 'word_error_rate'?"),
        ({"gates": ("cosine >= 0.9",)}, {"format": "tflite", "metric": "", "source": "a/net.tflite"}, "finished file"),
        ({"gates": ("size_bytes <= 0.5 x baseline",), "baseline": "fp16"}, {}, "no baseline build executorch/fp16"),
        ({"gates": ("size_mb <= baseline",), "baseline": "tflite/fp16"}, {}, "no baseline build tflite/fp16"),
        ({"gates": (GateRule(gate="size_mb <= 3", builds=("*/fp64",)),)}, {}, "match none of this experiment"),
        ({"rank_by": "latency_ms.p51"}, {}, "rank_by: net has no metric 'latency_ms.p51'; did you mean"),
        (
            {"release": ("tflite/fp23",)},
            {},
            "'tflite/fp23' is no build of this experiment; did you mean 'tflite/fp32'?",
        ),
    ],
)
def test_what_cannot_mean_anything_is_refused_before_any_work(
    changes: dict[str, Any], model: dict[str, Any], message: str
) -> None:
    with pytest.raises(ExperimentError) as caught:
        gates.check(judged.experiment(**changes), judged.model(**model))
    assert message in caught.value.message and caught.value.remedy


@pytest.mark.parametrize(
    ("changes", "model"),
    [
        ({}, {}),
        ({"gates": ("accuracy >= baseline - 0.01", "accuracy_change >= -0.01"), "rank_by": "accuracy"}, {}),
        ({"gates": ("word_error_rate <= 0.1",)}, {"metric": "word_error_rate"}),
        ({"gates": ("size_mb <= baseline",), "baseline": "tflite/fp32"}, {}),
        (
            {"gates": ("latency_ms.p90 <= 3",), "release": ("tflite/net",)},
            {"format": "tflite", "source": "a/net.tflite"},
        ),
        ({"gates": (GateRule(gate="size_mb <= baseline", builds=("tflite/*",)),), "release": ("*/fp32",)}, {}),
    ],
)
def test_what_can_be_judged_is_let_through(changes: dict[str, Any], model: dict[str, Any]) -> None:
    gates.check(judged.experiment(**changes), judged.model(**model))


# --- the release --------------------------------------------------------------------------------------


def release(outcomes: dict[str, str], of: Any, gate: Any = "size_mb <= 3") -> int:
    """outcomes: build -> one letter per verdict, p(ass), f(ail), n(ot judged)."""
    words: dict[str, Outcome] = {"p": "pass", "f": "fail", "n": "not judged"}
    verdicts = [
        Verdict(gate="size_mb <= 3", variant=build, outcome=words[letter])
        for build, letters in outcomes.items()
        for letter in letters
    ]
    experiment: Experiment = judged.experiment(gates=(gate,), release=of)
    return gates.exit_code(experiment, verdicts)


@pytest.mark.parametrize(
    ("outcomes", "all_", "any_", "named"),
    [
        ({INT8: "pp", FP32: "pp"}, 0, 0, 0),
        ({INT8: "pp", FP32: "pf"}, 1, 0, 0),
        ({INT8: "pp", FP32: "pn"}, 3, 0, 0),
        ({INT8: "pf", FP32: "pn"}, 1, 3, 1),
        ({INT8: "pn", FP32: "pf"}, 1, 3, 3),
        ({INT8: "fn", FP32: "pf"}, 1, 1, 1),
        ({INT8: "nn", FP32: "nn"}, 3, 3, 3),
        ({FP32: "pp"}, 0, 0, 3),
        ({}, 3, 3, 3),
    ],
)
def test_the_exit_code_follows_the_release(outcomes: dict[str, str], all_: int, any_: int, named: int) -> None:
    assert release(outcomes, "all") == all_
    assert release(outcomes, "any") == any_
    assert release(outcomes, (INT8,)) == named
    assert release(outcomes, ("tflite/static*",)) == named


def test_a_named_build_that_no_gate_is_about_holds_nothing_up() -> None:
    rule = GateRule(gate="size_mb <= 3", builds=("executorch/*",))
    assert release({"executorch/fp32": "p"}, (INT8,), rule) == 0


def test_the_baseline_cannot_be_the_one_build_that_is_better_than_the_baseline() -> None:
    assert release({FP32: "p", INT8: "f"}, "any", "size_mb <= 0.5 x baseline") == 1
    assert release({FP32: "p", INT8: "f"}, "any", "accuracy >= baseline - 0.01") == 0


def test_without_gates_everything_goes_out() -> None:
    assert gates.exit_code(judged.experiment(), []) == 0
