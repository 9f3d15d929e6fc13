"""harness/ranking.py and recommend.py: places, ties, the Pareto front, the one build to ship."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from harness import gates, ranking
from harness.errors import ExperimentError
from harness.records import (
    Experiment,
    Failure,
    GateRule,
    Measurement,
    Memory,
    Model,
    Recommendation,
    Standing,
    Variant,
)
from tests.fakes import judged

CONVERT = Failure(stage="convert", reason="no")
MEASURE = Failure(stage="measure", reason="crashed")
INT8_WEIGHTS = {"int8": 99, "float32": 1}


class Made(NamedTuple):
    """A build as it was made and measured."""

    variant: Variant
    measurement: Measurement | None


def build(
    id_: str, ms: float = 2.0, *, mb: float = 4.0, memory: float = 20.0, right: int = 900, **changes: Any
) -> Made:
    """A sound build; right: how many of 1000 samples; failed, spread and wait_share change what is measured."""
    weights = {"float16": 1} if "fp16" in id_ else INT8_WEIGHTS if "_wi8" in id_ else {"float32": 100}
    held = judged.contents(
        format="tflite" if id_.startswith("tflite") else "pte",
        size_bytes=int(mb * 2**20),
        download_bytes=int(mb * 2**20),
        weight_elements=changes.pop("weights", weights),
    )
    variant = judged.variant(id_, contents=held)
    correct = "1" * right + "0" * (1000 - right)
    quality = judged.quality(score=right / 1000, correct=correct, **changes.pop("quality", {}))
    failed = changes.pop("failed", None)
    restarts = judged.restarts(
        ms, memory=Memory(peak_rss_mb=memory, total_peak_rss_mb=memory + 40), seed=int(ms * 1000), **changes
    )
    return Made(variant, judged.measurement(id_, restarts=restarts, quality=quality, failure=failed))


def lost(id_: str, failure: Failure = CONVERT) -> Made:
    return Made(judged.variant(id_, failure=failure), None)


def ranked(*made: Made, model: Model | None = None, **changes: Any) -> tuple[Standing, ...]:
    return ranking.rank(judged.experiment(**changes), model or judged.model(), *parts(made))


def parts(made: tuple[Made, ...]) -> tuple[list[Variant], list[Measurement]]:
    return [one.variant for one in made], [one.measurement for one in made if one.measurement is not None]


def recommended(*made: Made, model: Model | None = None, **changes: Any) -> Recommendation:
    experiment: Experiment = judged.experiment(**changes)
    standings = ranking.rank(experiment, model or judged.model(), *parts(made))
    return ranking.recommend(experiment, standings, gates.judge(experiment, model or judged.model(), standings))


def ids(standings: tuple[Standing, ...]) -> list[str]:
    return [standing.variant for standing in standings]


def front(standings: tuple[Standing, ...]) -> set[str]:
    return {standing.variant for standing in standings if standing.on_front}


# --- rank ---------------------------------------------------------------------------------------------


def test_builds_are_ranked_by_what_the_experiment_asks_for() -> None:
    made = build("tflite/fp32", 4.0), build("tflite/fp16", 2.0, mb=5.0), build("executorch/fp32", 3.0, mb=3.0)
    by_time = ranked(*made)
    assert ids(by_time) == ["tflite/fp16", "executorch/fp32", "tflite/fp32"]
    assert [standing.rank for standing in by_time] == [1, 2, 3]
    assert not any(standing.tied for standing in by_time)
    assert ids(ranked(*made, rank_by="size_bytes")) == ["executorch/fp32", "tflite/fp32", "tflite/fp16"]


def test_more_is_better_where_the_metric_says_so() -> None:
    made = build("tflite/fp32", right=950), build("tflite/fp16", right=800)
    assert ids(ranked(*made, rank_by="accuracy")) == ["tflite/fp32", "tflite/fp16"]
    own = judged.model(metric="error_rate", metric_higher_is_better=False)
    assert ids(ranked(*made, rank_by="error_rate", model=own)) == ["tflite/fp16", "tflite/fp32"]


def test_builds_whose_intervals_overlap_the_best_one_of_their_group_are_tied() -> None:
    standings = ranked(build("tflite/fp32", 2.0), build("tflite/fp16", 2.01), build("executorch/fp32", 4.0))
    assert [(standing.rank, standing.tied) for standing in standings] == [(1, True), (1, True), (3, False)]


def test_builds_without_a_number_come_after_and_failed_ones_last() -> None:
    standings = ranked(
        lost("tflite/fp16"),
        build("tflite/fp32", wait_share=None),
        build("executorch/fp16", failed=MEASURE),
        build("executorch/fp32"),
        rank_by="on_cpu_ms.p50",
    )
    assert ids(standings) == ["executorch/fp32", "tflite/fp32", "tflite/fp16", "executorch/fp16"]
    assert [standing.rank for standing in standings] == [1, None, None, None]
    assert [standing.failure for standing in standings] == [None, None, CONVERT, MEASURE]
    assert "size_bytes" in standings[3].metrics and "latency_ms.p50" not in standings[3].metrics


def test_every_build_has_exactly_one_place() -> None:
    made = [build("tflite/fp32"), lost("tflite/fp16"), build("executorch/fp32", 3.0), lost("executorch/fp16", MEASURE)]
    assert sorted(ids(ranked(*made))) == sorted(one.variant.id for one in made)
    assert ranked() == ()


def test_a_build_is_ranked_on_one_device_only() -> None:
    variants, measurements = parts((build("tflite/fp32"),))
    with pytest.raises(ExperimentError, match="more than once"):
        ranking.rank(judged.experiment(), judged.model(), variants, measurements * 2)


def test_each_build_is_held_against_the_baseline_of_its_own_runtime() -> None:
    standings = {
        standing.variant: standing
        for standing in ranked(
            build("tflite/fp32", 2.0),
            build("executorch/fp32", 9.0),
            build("tflite/fp16", 4.0, mb=2.0, right=890),
            build("executorch/fp16", 4.0, mb=2.0),
        )
    }
    slower = {name for name, one in standings.items() if "SLOWER-THAN-BASELINE" in {c.id for c in one.caveats}}
    assert slower == {"tflite/fp16"}
    assert standings["tflite/fp16"].metrics["accuracy_change"].value == pytest.approx(-0.01)
    assert "accuracy_change" not in standings["tflite/fp32"].metrics


# --- the front ----------------------------------------------------------------------------------------


def test_a_build_that_another_beats_on_every_axis_is_off_the_front() -> None:
    standings = ranked(
        build("tflite/fp32", 4.0, mb=8.0, memory=40, right=950),
        build("tflite/static_wi8_ai8", 2.0, mb=2.0, memory=10, right=800),
        build("executorch/fp32", 5.0, mb=9.0, memory=50, right=700),
        accept=("OUTPUT-DRIFT",),
    )
    assert front(standings) == {"tflite/fp32", "tflite/static_wi8_ai8"}


@pytest.mark.parametrize("axis", [{"ms": 1.0}, {"mb": 1.0}, {"memory": 5.0}, {"right": 990}])
def test_being_best_in_one_thing_is_enough_for_the_front(axis: dict[str, Any]) -> None:
    worse = {"ms": 9.0, "mb": 9.0, "memory": 90.0, "right": 500, **axis}
    standings = ranked(build("tflite/fp32", 2.0, mb=2.0, memory=10.0, right=900), build("tflite/fp16", **worse))
    assert front(standings) == {"tflite/fp32", "tflite/fp16"}


def test_noise_alone_pushes_no_build_off_the_front() -> None:
    standings = ranked(build("tflite/fp32", 2.0), build("tflite/fp16", 2.01))
    assert front(standings) == {"tflite/fp32", "tflite/fp16"}
    assert front(ranked(build("tflite/fp32", 2.0), build("tflite/fp16", 2.4))) == {"tflite/fp32"}


def test_failed_builds_are_not_on_the_front() -> None:
    assert front(ranked(build("tflite/fp32", failed=MEASURE), build("tflite/fp16", 9.0))) == {"tflite/fp16"}


def test_the_front_is_never_empty_and_holds_no_dominated_build() -> None:
    import numpy as np

    random = np.random.default_rng(0)
    for _ in range(10):
        made = [
            build(
                f"tflite/{name}",
                float(random.uniform(1, 3)),
                mb=float(random.uniform(1, 9)),
                memory=float(random.uniform(10, 40)),
                right=int(random.integers(500, 1000)),
            )
            for name in ("fp32", "fp16", "static_wi8_ai8", "dynamic_wi8_afp32")
        ]
        standings = ranked(*made, accept=("OUTPUT-DRIFT",))
        assert front(standings)
        values = {
            s.variant: (
                s.metrics["latency_ms.p50"].value,
                s.metrics["peak_rss_mb"].value,
                s.metrics["size_bytes"].value,
                -s.metrics["accuracy"].value,
            )
            for s in standings
        }
        best = {  # the front by values alone is always part of it
            name
            for name, mine in values.items()
            if not any(
                other != mine and all(a <= b for a, b in zip(other, mine, strict=True)) for other in values.values()
            )
        }
        assert best <= front(standings)


@pytest.mark.parametrize(
    ("rank_by", "wait_share", "model", "expected"),
    [
        ("latency_ms.p90", 0.0, {}, ["latency_ms.p90", "peak_rss_mb", "size_bytes", "accuracy"]),
        ("size_bytes", 0.0, {}, ["on_cpu_ms.p50", "peak_rss_mb", "size_bytes", "accuracy"]),
        (
            "size_bytes",
            None,
            {"metric": "", "labelled": False},
            ["latency_ms.p50", "peak_rss_mb", "size_bytes", "cosine"],
        ),
    ],
)
def test_the_front_weighs_latency_memory_size_and_quality(
    rank_by: str, wait_share: float | None, model: dict[str, Any], expected: list[str]
) -> None:
    experiment, net = judged.experiment(rank_by=rank_by), judged.model(**model)
    standings = ranking.rank(experiment, net, *parts((build("tflite/fp32", wait_share=wait_share),)))
    assert [axis.name for axis in ranking.front_axes(experiment, net, standings)] == expected


def test_a_finished_file_has_no_quality_axis() -> None:
    made = judged.variant("tflite/net"), judged.measurement("tflite/net", quality=None)
    net, experiment = judged.model(format="tflite", source="net.tflite", metric="", labelled=False), judged.experiment()
    standings = ranking.rank(experiment, net, [made[0]], [made[1]])
    assert [axis.name for axis in ranking.front_axes(experiment, net, standings)][-1] == "size_bytes"
    assert ids(standings) == ["tflite/net"] and standings[0].on_front


# --- the recommendation -------------------------------------------------------------------------------

FP32 = build("tflite/fp32", 4.0, mb=8.0)
INT8 = build("tflite/static_wi8_ai8", 2.0, mb=2.0, right=895)
FAST = build("executorch/static_wi8_ai8", 1.0, mb=2.5, right=860)
GATES = ("latency_ms.p90 <= 30", "accuracy >= baseline - 0.02", "size_bytes <= 0.5 x baseline")


def test_the_best_ranked_build_that_passes_its_gates_is_named_with_figures() -> None:
    found = recommended(FP32, INT8, gates=GATES)
    assert found.variant == "tflite/static_wi8_ai8"
    assert found.reason.startswith("tflite/static_wi8_ai8 passes all its 3 gates and has the best latency p50: ")
    assert "2 times as fast as tflite/fp32 with 4.0" in found.reason or "2.0 times as fast" in found.reason
    assert "\n" not in found.reason


def test_a_faster_build_that_fails_a_gate_is_passed_over_and_mentioned() -> None:
    found = recommended(FP32, build("executorch/fp32", 4.0, mb=8.0), INT8, FAST, gates=GATES)
    assert found.variant == "tflite/static_wi8_ai8"
    assert "executorch/static_wi8_ai8 is better in this, but fails `accuracy >= baseline - 0.02`" in found.reason


def test_among_builds_that_cannot_be_told_apart_the_smallest_is_named() -> None:
    twin = build("executorch/static_wi8_ai8", 1.99, mb=2.5, right=895)
    found = recommended(FP32, INT8, twin)
    assert found.variant == "tflite/static_wi8_ai8"
    assert (
        "cannot be told apart from executorch/static_wi8_ai8 in this, and is the smallest (2.00 MB against"
        in found.reason
    )


def test_without_gates_the_best_ranked_on_the_front_is_named() -> None:
    found = recommended(FP32, INT8)
    assert found.variant == "tflite/static_wi8_ai8" and "on the Pareto front" in found.reason


def test_a_build_that_computes_something_else_is_never_named() -> None:
    broken = build("tflite/static_wi8_ai8", 1.0, mb=1.0, right=100)
    found = recommended(FP32, broken)
    assert found.variant == "tflite/fp32"
    assert "tflite/static_wi8_ai8 is better in this, but OUTPUT-DRIFT" in found.reason
    assert recommended(FP32, broken, accept=("OUTPUT-DRIFT",)).variant == "tflite/static_wi8_ai8"


def test_a_build_that_is_not_what_it_says_is_never_named_and_pushes_no_other_off_the_front() -> None:
    fake = build("tflite/static_wi8_ai8", 1.0, mb=1.0, weights={"float32": 100})
    assert recommended(FP32, fake).variant == "tflite/fp32"
    assert front(ranked(FP32, fake)) == {"tflite/fp32"}
    assert front(ranked(FP32, fake, accept=("PROMISE-BROKEN",))) == {"tflite/static_wi8_ai8"}


def test_only_builds_that_may_be_released_are_named() -> None:
    assert recommended(FP32, INT8, release=("tflite/fp*",)).variant == "tflite/fp32"


def test_the_baseline_is_not_named_where_a_gate_asks_to_be_better_than_it() -> None:
    bigger = build("tflite/fp16", 9.0, mb=9.0)
    found = recommended(FP32, bigger, gates=("size_bytes <= 0.5 x baseline",))
    assert found == Recommendation(
        variant="", reason="no build passes all its gates: `size_bytes <= 0.5 x baseline` fails for 1 build"
    )
    assert recommended(FP32, bigger, gates=("size_bytes <= baseline",)).variant == "tflite/fp32"


def test_a_build_that_no_gate_is_about_may_be_named() -> None:
    rule = GateRule(gate="size_mb <= 1", builds=("executorch/*",))
    assert recommended(FP32, FAST, gates=(rule,)).variant == "tflite/fp32"


@pytest.mark.parametrize(
    ("made", "changes", "reason"),
    [
        ((lost("tflite/fp32"), lost("tflite/fp16")), {}, "has a latency p50; 2 of 2 failed"),
        ((), {}, "has a latency p50; 0 of 0 failed"),
        ((build("tflite/static_wi8_ai8", right=100),), {}, "in doubt: OUTPUT-DRIFT (1)"),
        ((FP32, INT8), {"gates": ("size_mb <= 1",)}, "`size_mb <= 1` fails for 2 builds"),
        (
            (build("tflite/fp32", count=1),),
            {"gates": ("latency_ms.p50 <= 1",)},
            "`latency_ms.p50 <= 1` was not judged for 1 build",
        ),
    ],
)
def test_when_none_can_be_named_the_reason_says_why(made: Any, changes: dict[str, Any], reason: str) -> None:
    found = recommended(*made, **changes)
    assert found.variant == "" and reason in found.reason
