"""harness/metrics.py: from recorded nanoseconds to estimates."""

from __future__ import annotations

import numpy as np
import pytest

from harness import metrics, stats
from harness.figures import estimate_text, number_text, percent, value_text
from harness.metrics import METRICS
from harness.records import Block, Estimate, Failure, Memory, Settings
from tests.fakes import counters, judged, lasting


def test_a_sample_of_many_calls_is_the_time_of_one() -> None:
    timed = judged.restart(blocks=(Block(wall_ns=(2_000_000, 4_000_000), wait_ns=(0, 1_000_000), calls_per_sample=4),))
    measured = judged.measurement(restarts=(timed,))
    assert metrics.latency_samples_ms(measured)[0].tolist() == [0.5, 1.0]
    assert metrics.on_cpu_samples_ms(measured)[0].tolist() == [0.5, 0.75]  # type: ignore[index]


def test_blocks_with_different_calls_per_sample_are_joined_in_order() -> None:
    parts = (Block(wall_ns=(3_000_000,)), Block(wall_ns=(8_000_000,), calls_per_sample=2))
    measured = judged.measurement(restarts=(judged.restart(blocks=parts),))
    assert metrics.latency_samples_ms(measured)[0].tolist() == [3.0, 4.0]


@pytest.mark.parametrize("restarts", [judged.restarts(wait_share=None), ()])
def test_on_cpu_time_is_missing_where_the_system_does_not_tell(restarts: tuple) -> None:
    measured = judged.measurement(restarts=restarts)
    assert metrics.on_cpu_samples_ms(measured) is None
    assert metrics.wait_share(measured) is None
    assert not any(name.startswith("on_cpu") for name in metrics.estimates(judged.variant(), measured, 0.95))


def test_on_cpu_time_of_several_threads_is_not_claimed() -> None:
    measured = judged.measurement(settings=Settings(num_threads=2))
    assert metrics.on_cpu_samples_ms(measured) is None
    assert "latency_ms.p50" in metrics.estimates(judged.variant(), measured, 0.95)


def test_waiting_makes_wall_times_longer_and_leaves_on_cpu_times_alone() -> None:
    quiet = metrics.estimates(judged.variant(), judged.measurement(restarts=judged.restarts()), 0.95)
    noisy_run = judged.measurement(restarts=judged.restarts(wait_share=0.5))
    noisy = metrics.estimates(judged.variant(), noisy_run, 0.95)
    assert metrics.wait_share(noisy_run) == pytest.approx(0.5)
    assert noisy["on_cpu_ms.p50"].value == pytest.approx(quiet["on_cpu_ms.p50"].value, rel=1e-6)
    assert noisy["latency_ms.p50"].value == pytest.approx(2 * quiet["latency_ms.p50"].value, rel=1e-6)


def test_every_metric_of_the_table_can_be_had_and_nothing_else() -> None:
    trace = next(counters.traces(counters.Gauge(1, 1), 60, 1))
    whole = judged.measurement(sustained=lasting.throttling(), energy=trace)
    found = metrics.estimates(judged.variant(), whole, 0.95, "accuracy")
    assert set(found) == set(METRICS) | {"accuracy"}
    for name, estimate in found.items():
        assert estimate.low is None or estimate.low <= estimate.value, name
        assert estimate.high is None or estimate.value <= estimate.high, name


def test_latency_quantiles_are_those_of_all_calls_with_the_clustered_interval() -> None:
    measured = judged.measurement()
    samples = metrics.latency_samples_ms(measured)
    found = metrics.estimates(judged.variant(), measured, 0.9)["latency_ms.p90"]
    interval = stats.clustered_quantile_interval(samples, 0.9, 0.9)
    assert found.value == pytest.approx(np.quantile(np.concatenate(samples), 0.9))
    assert (found.low, found.high, found.confidence, found.samples) == (*interval, 0.9, 400)


def test_p99_of_few_calls_has_no_upper_bound_and_one_restart_gives_no_mean_interval() -> None:
    found = metrics.estimates(judged.variant(), judged.measurement(restarts=judged.restarts(count=1)), 0.95)
    assert found["latency_ms.p99"].high is None and found["latency_ms.p99"].low is not None
    assert found["latency_ms.mean"].low is found["latency_ms.mean"].high is None
    assert found["load_ms"].low is None


def test_what_a_program_does_not_tell_is_no_metric() -> None:
    untold = judged.restart(first_inference_ms=0.0, load_ms=0.0)
    found = metrics.estimates(judged.variant(), judged.measurement(restarts=(untold,) * 3), 0.95)
    assert "latency_ms.p50" in found and not {"first_inference_ms", "load_ms"} & set(found)


def test_first_inference_is_the_median_of_the_restarts() -> None:
    times = [3.0, 3.1, 9.0]
    measured = judged.measurement(restarts=tuple(judged.restart(first_inference_ms=time) for time in times))
    found = metrics.estimates(judged.variant(), measured, 0.95)["first_inference_ms"]
    assert found.value == 3.1 and found.samples == 3
    assert found.low is not None and found.high is not None and found.low < 3.0 and found.high > 9.0


@pytest.mark.parametrize(("count", "bounded"), [(1, False), (2, False), (3, True)])
def test_peak_memory_is_the_largest_seen_with_the_range_of_three_restarts(count: int, bounded: bool) -> None:
    marks = [20.0, 20.4, 20.2][:count]
    made = tuple(judged.restart(memory=Memory(peak_rss_mb=mark, total_peak_rss_mb=mark + 40)) for mark in marks)
    found = metrics.estimates(judged.variant(), judged.measurement(restarts=made), 0.95)["peak_rss_mb"]
    assert found.value == max(marks)
    assert (found.low, found.high) == ((20.0, 20.4) if bounded else (None, None))
    assert found.confidence == 1 - 2.0 ** (1 - count)


def test_sizes_are_exact_and_in_mebibytes() -> None:
    held = judged.contents(size_bytes=2**20, download_bytes=2**19)
    found = metrics.estimates(judged.variant(contents=held), None, 0.95)
    assert found["size_mb"] == Estimate(value=1.0, low=1.0, high=1.0, confidence=1.0, samples=1)
    assert found["download_mb"].value == 0.5


def test_a_failed_measurement_leaves_only_what_the_file_tells() -> None:
    failed = judged.measurement(failure=Failure(stage="measure", reason="it crashed"))
    assert set(metrics.estimates(judged.variant(), failed, 0.95)) == set(
        metrics.estimates(judged.variant(), None, 0.95)
    )


def test_accuracy_has_wilsons_interval_and_a_score_of_unknown_kind_is_exact() -> None:
    share = metrics.estimates(judged.variant(), judged.measurement(), 0.95, "accuracy")["accuracy"]
    assert (share.low, share.high) == pytest.approx(stats.wilson_interval(900, 1000, 0.95))
    own = metrics.estimates(judged.variant(), judged.measurement(), 0.95, "word_error_rate")["word_error_rate"]
    assert own.low == own.high == own.value == 0.9


def test_the_change_of_accuracy_is_paired_where_single_samples_are_known() -> None:
    base = judged.quality(score=0.9, correct="1" * 900 + "0" * 100)
    build = judged.quality(score=0.899, correct="1" * 896 + "0" * 4 + "1" * 3 + "0" * 97)
    paired = metrics.change(build, base, 0.95, "accuracy")["accuracy_change"]
    assert paired.value == pytest.approx(-0.001)
    assert (paired.low, paired.high) == pytest.approx(stats.paired_proportion_interval(3, 4, 1000, 0.95))
    apart = metrics.change(judged.quality(score=0.899), judged.quality(), 0.95, "accuracy")["accuracy_change"]
    assert apart.low is not None and paired.low is not None and apart.low < paired.low


@pytest.mark.parametrize("missing", [None, judged.quality(score=None)])
def test_no_change_is_made_up_where_a_score_is_missing(missing: object) -> None:
    assert metrics.change(missing, judged.quality(), 0.95, "accuracy") == {}  # type: ignore[arg-type]
    assert metrics.change(judged.quality(), missing, 0.95, "accuracy") == {}  # type: ignore[arg-type]


def test_the_models_own_metric_has_its_own_direction() -> None:
    assert metrics.metric("word_error_rate", task_metric="word_error_rate", higher_is_better=False).lower_is_better
    assert not metrics.metric("accuracy_change", task_metric="accuracy").lower_is_better
    with pytest.raises(KeyError):
        metrics.metric("accuracy", task_metric="")


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("latency_ms.p50", 0.00738, "0.00738 ms"),
        ("latency_ms.p50", 1.6549, "1.65 ms"),
        ("latency_ms.p50", 999.7, "1,000 ms"),
        ("size_bytes", 13_912_345, "13,912,345 B"),
        ("peak_rss_mb", 37.46, "37.5 MB"),
        ("max_abs_diff", 1.25e-7, "1.2e-07"),
        ("max_abs_diff", 0.0, "0"),
        ("cosine", 0.999987, "0.99999"),
    ],
)
def test_numbers_read_well_at_every_scale(name: str, value: float, text: str) -> None:
    assert value_text(METRICS[name], value) == text


def test_an_interval_is_shown_where_it_says_something() -> None:
    latency = METRICS["latency_ms.p50"]
    assert estimate_text(latency, Estimate(value=1.65, low=1.62, high=1.69)) == "1.65 ms [1.62, 1.69]"
    assert estimate_text(latency, Estimate(value=1.65, low=1.62)) == "1.65 ms [1.62, ?]"
    assert estimate_text(latency, Estimate(value=1.65)) == "1.65 ms"
    assert estimate_text(METRICS["size_bytes"], Estimate(value=5, low=5, high=5)) == "5 B"
    assert number_text(latency, 0.0) == "0"


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0 %"), (0.004, "less than 1 %"), (0.26, "26 %"), (0.997, "99 %"), (1.0, "100 %")]
)
def test_nearly_all_is_not_called_all(share: float, text: str) -> None:
    assert percent(share) == text
