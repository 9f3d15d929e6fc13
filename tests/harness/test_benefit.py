"""harness/benefit.py: a build against its parent, in figures and in one sentence."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from harness import gains
from harness.judgement import judge
from harness.parents import parent_recipe
from harness.records import Benefit, Comparison, Estimate, Memory, Quality, Report, Variant
from tests.fakes import judged

CORRECT = "1" * 900 + "0" * 100


def build(id_: str, **held: Any) -> Variant:
    return judged.variant(id_, contents=judged.contents(macs=1000, **held))


def report(*builds: Variant, times: dict[str, float] | None = None, **changes: Any) -> Report:
    """A run of these builds, 2 ms and 20 MB each unless told otherwise."""
    quality: dict[str, Quality] = changes.pop("quality", {})
    memory: dict[str, float] = changes.pop("memory_mb", {})
    measured = tuple(
        judged.measurement(
            variant.id,
            restarts=judged.restarts(
                (times or {}).get(variant.id, 2.0),
                seed=number,
                memory=Memory(peak_rss_mb=memory.get(variant.id, 20.0), total_peak_rss_mb=60.0),
            ),
            quality=quality.get(variant.id, judged.quality(correct=CORRECT)),
        )
        for number, variant in enumerate(builds)
    )
    fields = {"experiment": judged.experiment(), "model": judged.model(), "variants": builds, "measurements": measured}
    return Report(**{**fields, **changes})


def of(id_: str, found: Report) -> Benefit:
    return next(one for one in judge(found).benefits if one.variant == id_)


def test_a_compressed_build_is_held_against_its_own_quantization_and_a_quantized_one_against_float() -> None:
    parents = {
        "prune(0.5)+static_wi8_ai8": "static_wi8_ai8",
        "channels(0.3)+distill(a+b.py)+fp32": "fp32",
        "static_wi8_ai8": "fp32",
        "fp32": "",
        "as-is": "",
        "a_step_of_tomorrow(3)+fp32": "",
    }
    assert {name: parent_recipe(name) for name in parents} == parents


def test_each_build_with_a_parent_gets_a_verdict_and_float_gets_none() -> None:
    found = judge(report(build("tflite/fp32"), build("tflite/fp16"), build("tflite/cluster(16)+fp16")))
    assert {one.variant: one.parent for one in found.benefits} == {
        "tflite/fp16": "tflite/fp32",
        "tflite/cluster(16)+fp16": "tflite/fp16",
    }


def test_a_parent_that_is_not_there_is_named_and_nothing_is_made_up() -> None:
    alone = of("executorch/prune(0.5)+fp32", report(build("tflite/fp32"), build("executorch/prune(0.5)+fp32")))
    assert (alone.missing, alone.gains, alone.outcome) == ("fp32", {}, "not told")
    assert "executorch/fp32, which it is to be held against, was not made" in alone.verdict


def test_what_got_smaller_and_faster_is_told_with_its_interval() -> None:
    small = build("tflite/channels(0.5)+fp32", size_bytes=2_000_000)
    found = of(small.id, report(build("tflite/fp32"), small, times={small.id: 1.0}))
    assert found.outcome == "helped" and found.clock == "on-CPU"
    time = found.gains[gains.TIME]
    assert time.low is not None and time.high is not None and time.low < 2.0 < time.high
    assert found.verdict.startswith("2 times smaller on disk, 2 times as fast [1.9")


def test_zeros_in_dense_kernels_help_only_who_sends_the_file() -> None:
    pruned = build("tflite/prune(0.8)+fp32", download_bytes=1_200_000)
    found = of(pruned.id, report(build("tflite/fp32"), pruned))
    assert found.outcome == "sending only"
    assert found.verdict == (
        "only what is sent shrank (zipped 3 times); not smaller on disk, not faster and not lighter than tflite/fp32: "
        "the kernels store and multiply every zero; accuracy +0 [-0.00277, 0.00277]"
    )


def test_fewer_multiply_adds_without_any_gain_are_on_paper() -> None:
    thin = judged.variant("tflite/lowrank(0.5)+fp32", contents=judged.contents(macs=500))
    found = of(thin.id, report(build("tflite/fp32"), thin, times={thin.id: 3.0}))
    assert found.outcome == "no benefit"
    assert found.verdict.startswith(
        "neither smaller on disk nor lighter than tflite/fp32 (on paper 2 times fewer multiply-adds), and slower: "
    )


def test_less_memory_counts_only_beyond_what_restarts_differ_by() -> None:
    light = build("tflite/lowrank(0.5)+fp32")
    assert of(light.id, report(build("tflite/fp32"), light, memory_mb={light.id: 15.0})).outcome == "helped"
    assert of(light.id, report(build("tflite/fp32"), light, memory_mb={light.id: 19.9})).outcome == "no benefit"


def test_what_was_paid_in_quality_is_said() -> None:
    small = build("tflite/channels(0.5)+fp32", size_bytes=2_000_000)
    worse = judged.quality(score=0.8, correct="1" * 800 + "0" * 200)
    found = of(small.id, report(build("tflite/fp32"), small, quality={small.id: worse}))
    assert "at the price of accuracy -0.1 [-0.1" in found.verdict
    assert found.change is not None and found.change.value == pytest.approx(-0.1)


def test_a_build_that_was_only_trained_helps_when_its_outputs_got_better() -> None:
    trained = build("tflite/qat+static_wi8_ai8")
    better = judged.quality(score=0.95, correct="1" * 950 + "0" * 50)
    assert of(trained.id, report(build("tflite/static_wi8_ai8"), trained, quality={trained.id: better})).outcome == (
        "helped"
    )
    assert of(trained.id, report(build("tflite/static_wi8_ai8"), trained)).outcome == "no benefit"


def test_better_outputs_are_no_excuse_for_what_was_to_be_smaller() -> None:
    pruned = build("tflite/prune(0.8)+fp32")
    better = judged.quality(score=0.95, correct="1" * 950 + "0" * 50)
    assert of(pruned.id, report(build("tflite/fp32"), pruned, quality={pruned.id: better})).outcome == "no benefit"


def test_a_side_by_side_comparison_is_taken_where_there_is_one() -> None:
    thin = build("tflite/lowrank(0.5)+fp32")
    side_by_side = Comparison(
        a="tflite/fp32",
        b=thin.id,
        outcome="faster",
        effect=Estimate(value=-0.2, low=-0.25, high=-0.15, confidence=0.99, samples=10),
        p=0.002,
        log_ratios=(-0.2,) * 10,
        clock="on-CPU",
    )
    found = of(thin.id, report(build("tflite/fp32"), thin, comparisons=(side_by_side,)))
    assert found.clock == "side by side"
    assert found.gains[gains.TIME] == msgspec.structs.replace(
        side_by_side.effect, value=1.25, low=pytest.approx(1 / 0.85), high=pytest.approx(1 / 0.75)
    )
    assert found.outcome == "helped"


def test_too_few_calls_allow_no_verdict_on_time() -> None:
    pruned = build("tflite/prune(0.8)+fp32")
    few = tuple(
        judged.measurement(name, restarts=judged.restarts(count=1, calls=4)) for name in ("tflite/fp32", pruned.id)
    )
    found = of(pruned.id, report(build("tflite/fp32"), pruned, measurements=few))
    assert found.outcome == "not told" and found.verdict.startswith("not told: too few calls")


def test_a_ratio_leaves_one_behind_just_where_the_intervals_do_not_overlap() -> None:
    parent, apart = Estimate(value=2.0, low=1.9, high=2.1), Estimate(value=1.7, low=1.6, high=1.89)
    assert gains.shown(gains.gain(parent, apart)) == "better"
    assert gains.shown(gains.gain(apart, parent)) == "worse"
    assert gains.shown(gains.gain(parent, msgspec.structs.replace(apart, high=1.91))) == ""
    assert gains.shown(gains.gain(parent, msgspec.structs.replace(apart, high=None))) == ""
