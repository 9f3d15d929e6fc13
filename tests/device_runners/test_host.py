"""The host runner with real runtimes in real child processes."""

from __future__ import annotations

import json
import math
from pathlib import Path

import msgspec
import numpy as np
import pytest

from device_runners.host import HostRunner
from device_runners.wire import BuildResult, PlannedBlock, Response
from harness.errors import RunnerError, StoreError
from harness.process import Bounds
from tests.device_runners import tiny_tflite
from tests.device_runners.conftest import TIMING, Ask, asked, outputs_of

BOUNDS = Bounds(timeout_secs=120, memory_limit_mb=4000)
SAMPLES = np.random.default_rng(0).uniform(-2, 2, size=(12, 1, 8)).astype(np.float32)
EXPECTED = SAMPLES @ tiny_tflite.WEIGHT.T + tiny_tflite.BIAS

pytestmark = pytest.mark.runtimes


@pytest.fixture
def dense(request: pytest.FixtureRequest) -> Path:
    """The same network for the runtime that the test is parametrized with."""
    folder: Path = request.getfixturevalue(f"{request.param}_files")
    return folder / f"dense.{request.param}"


both = pytest.mark.parametrize("dense", ["tflite", "pte"], indirect=True)


def run(request: object, folder: Path, bounds: Bounds = BOUNDS) -> Response:
    return HostRunner().run(request, folder=folder, bounds=bounds)  # type: ignore[arg-type]


class Ran(msgspec.Struct):
    """One run of the dense network, looked at by several tests."""

    response: Response
    folder: Path

    @property
    def result(self) -> BuildResult:
        return self.response.results[0]


@pytest.fixture(scope="module", params=["tflite", "pte"])
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    files: Path = request.getfixturevalue(f"{request.param}_files")
    folder = tmp_path_factory.mktemp("ran")
    return Ran(run(asked(folder, files / f"dense.{request.param}", SAMPLES), folder), folder)


def test_a_build_is_loaded_warmed_timed_and_run(ran: Ran) -> None:
    result = ran.result
    assert result.failure == ""
    assert result.load_ns > 0 and result.first_inference_ns > 0
    assert result.warmup is not None and len(result.warmup.wall_ns) > 0
    assert len(result.blocks) == TIMING.blocks
    for block in result.blocks:
        assert len(block.wall_ns) * block.calls_per_sample >= TIMING.num_runs / TIMING.blocks
        assert len(block.wait_ns) == len(block.wall_ns)
        assert all(0 <= wait <= wall for wait, wall in zip(block.wait_ns, block.wall_ns, strict=True))
        assert block.canary_ns is not None and 1_000 < block.canary_ns < 10_000_000
    timed_ns = sum(sum(block.wall_ns) for block in result.blocks)
    calls = sum(len(block.wall_ns) * block.calls_per_sample for block in result.blocks)
    assert timed_ns + calls * int(result.facts["idle_call_ns"]) >= 0.9e9 * TIMING.min_secs


def test_outputs_are_the_builds_own_for_every_sample(ran: Ran) -> None:
    result = ran.result
    (file,) = result.output_files
    assert (file.path, file.dtype, file.shape, file.samples) == ("outputs/output_0.bin", "float32", (1, 4), 12)
    np.testing.assert_allclose(outputs_of(file, ran.folder), EXPECTED, rtol=1e-5, atol=1e-5)


def test_a_call_of_microseconds_is_timed_many_at_a_time(ran: Ran) -> None:
    result = ran.result
    block = result.blocks[0]
    assert block.calls_per_sample > 10
    assert result.facts["calls_per_sample"] == str(block.calls_per_sample)
    outside_queue = np.array(block.wall_ns) - np.array(block.wait_ns)
    taken_off = block.calls_per_sample * int(result.facts["idle_call_ns"])
    assert 0.3e6 < np.median(outside_queue) + taken_off < 20e6


def test_memory_is_the_builds_own_and_not_the_interpreters(ran: Ran) -> None:
    result = ran.result
    memory = result.memory
    assert memory is not None and memory.method == "VmHWM after reset"
    assert 0 < memory.peak_rss_mb < 30 < memory.total_peak_rss_mb
    assert memory.anonymous_mb is not None and memory.file_backed_mb is not None


def test_facts_say_what_ran_and_what_went_on_beside_it(ran: Ran) -> None:
    response = ran.response
    runtime = response.results[0].build.partition("/")[0]
    assert response.facts[{"tflite": "litert_version", "executorch": "executorch_version"}[runtime]]
    assert 0 < int(response.facts["probe_ns"]) < 100_000
    for name in ("load_average_before", "cpu_migrations", "involuntary_switches", "python_version", "usable_cores"):
        assert response.facts[name]
    assert math.isfinite(float(response.results[0].facts["run_queue_wait_share"]))


@both
def test_threads_are_as_asked_and_seen(dense: Path, ask: Ask, tmp_path: Path) -> None:
    request = ask(dense, SAMPLES, timing=msgspec.structs.replace(TIMING, num_threads=2))
    response = run(request, tmp_path)
    (result,) = response.results
    assert result.facts["num_threads"] == "2"
    seen = {**response.facts, **result.facts}
    assert seen.get("worker_threads") == "1" or seen.get("executorch_threads") == "2"
    assert all(block.wait_ns == () for block in result.blocks), "one thread's wait is not the build's"


@both
def test_without_inputs_zeros_are_timed_and_nothing_is_written(dense: Path, ask: Ask, tmp_path: Path) -> None:
    (result,) = run(ask(dense, outputs="outputs"), tmp_path).results
    assert result.failure == "" and result.blocks[0].wall_ns
    assert result.output_files == () and not (tmp_path / "outputs").exists()


@both
def test_no_warm_up_is_none(dense: Path, ask: Ask, tmp_path: Path) -> None:
    timing = msgspec.structs.replace(TIMING, warmup_runs=0, warmup_min_secs=0.0, num_runs=1, min_secs=0.0, blocks=1)
    (result,) = run(ask(dense, SAMPLES, timing=timing), tmp_path).results
    assert result.warmup is not None and result.warmup.wall_ns == ()
    assert not result.steady
    assert len(result.blocks) == 1 and result.output_files


@both
def test_nan_in_is_nan_out_and_counted(dense: Path, ask: Ask, tmp_path: Path) -> None:
    samples = SAMPLES.copy()
    samples[3, 0, 0] = np.nan
    (result,) = run(ask(dense, samples), tmp_path).results
    outputs = outputs_of(result.output_files[0], tmp_path)
    assert np.isnan(outputs[3]).all() and np.isfinite(np.delete(outputs, 3, axis=0)).all()
    assert result.facts["non_finite_outputs"] == "4"


@both
def test_a_plan_says_who_is_timed_when(dense: Path, ask: Ask, tmp_path: Path) -> None:
    plan = tuple(PlannedBlock(build=build, calls=30) for build in (0, 1, 1, 0, 0))
    request = ask([dense, dense], SAMPLES, plan=plan)
    twin = msgspec.structs.replace(request.builds[1], id="twin")
    response = run(msgspec.structs.replace(request, builds=(request.builds[0], twin)), tmp_path)
    assert [len(result.blocks) for result in response.results] == [3, 2]
    for result in response.results:
        assert all(len(block.wall_ns) * block.calls_per_sample >= 30 for block in result.blocks)
    paths = [file.path for result in response.results for file in result.output_files]
    assert len(set(paths)) == 2 and all((tmp_path / path).exists() for path in paths)


def test_a_slow_build_is_timed_call_by_call_and_cut_short_at_its_limit(
    tflite_files: Path, ask: Ask, tmp_path: Path
) -> None:
    timing = msgspec.structs.replace(TIMING, num_runs=100_000, max_secs=0.5, blocks=5)
    (result,) = run(ask(tflite_files / "slow.tflite", timing=timing), tmp_path).results
    assert result.blocks[0].calls_per_sample == 1
    assert "max_secs 0.5" in result.facts["cut_short"]
    assert sum(sum(block.wall_ns) for block in result.blocks) < 3e9
    assert 0 < sum(len(block.wall_ns) for block in result.blocks) < 100_000


def test_memory_grows_with_what_the_build_holds(tflite_files: Path, ask: Ask, tmp_path: Path) -> None:
    (result,) = run(ask(tflite_files / "slow.tflite"), tmp_path).results
    assert result.memory is not None
    assert 3.8 < result.memory.peak_rss_mb < 15, "one tensor of 3.8 MB and little else"
    assert result.memory.anonymous_mb is not None and result.memory.anonymous_mb > 3


def test_what_the_delegate_took_is_counted(tflite_files: Path, ask: Ask, tmp_path: Path) -> None:
    taken, left = (run(ask(tflite_files / name), tmp_path).results[0] for name in ("dense.tflite", "slow.tflite"))
    assert (taken.delegate, taken.delegated_operators, taken.total_operators) == ("XNNPACK", 1, 1)
    assert (left.delegate, left.delegated_operators, left.total_operators) == ("", 0, 1)


def test_delegates_of_a_pte_are_named(pte_files: Path, ask: Ask, tmp_path: Path) -> None:
    paths = [pte_files / "dense.pte", pte_files / "doubled_int64.pte"]
    taken, left = run(ask(paths), tmp_path).results
    assert (taken.delegate, left.delegate) == ("XnnpackBackend", "")


def test_quantized_inputs_and_outputs_stand_for_real_numbers(tflite_files: Path, ask: Ask, tmp_path: Path) -> None:
    (result,) = run(ask(tflite_files / "dense_int8.tflite", SAMPLES), tmp_path).results
    assert result.inputs[0].scale == pytest.approx(tiny_tflite.INPUT_SCALE)
    assert result.facts["input_0"] == "quantized from float32 to int8"
    assert result.facts["output_0"] == "dequantized from int8 to float32"
    outputs = outputs_of(result.output_files[0], tmp_path)
    np.testing.assert_allclose(outputs, EXPECTED, atol=0.12)  # two steps of the output, errors of the input within


def test_a_dynamic_dimension_takes_the_samples_size(tflite_files: Path, ask: Ask, tmp_path: Path) -> None:
    batches = SAMPLES.reshape(3, 4, 8)
    (result,) = run(ask(tflite_files / "dense_dynamic.tflite", batches), tmp_path).results
    assert result.failure == ""
    outputs = outputs_of(result.output_files[0], tmp_path)
    np.testing.assert_allclose(outputs, EXPECTED.reshape(3, 4, 4), rtol=1e-5, atol=1e-5)


def test_integers_are_narrowed_and_widened_where_they_fit(
    tflite_files: Path, pte_files: Path, ask: Ask, tmp_path: Path
) -> None:
    wide = np.array([[[1, 2, -3]], [[7, 0, 2**30 - 1]]], np.int64)
    (narrowed,) = run(ask(tflite_files / "doubled_int32.tflite", wide), tmp_path).results
    np.testing.assert_array_equal(outputs_of(narrowed.output_files[0], tmp_path), wide * 2)
    (widened,) = run(ask(pte_files / "doubled_int64.pte", wide.astype(np.int32)), tmp_path).results
    np.testing.assert_array_equal(outputs_of(widened.output_files[0], tmp_path), wide * 2)
    (refused,) = run(ask(tflite_files / "doubled_int32.tflite", wide + 2**40), tmp_path).results
    assert "int32 cannot hold" in refused.failure


def test_kernels_that_the_core_lacks_are_loaded_when_they_are_missing(
    pte_files: Path, ask: Ask, tmp_path: Path
) -> None:
    paths = [pte_files / "dense.pte", pte_files / "int8_without_delegate.pte"]
    plain, lacking = run(ask(paths, SAMPLES / 2), tmp_path).results
    assert (plain.failure, lacking.failure) == ("", "")
    assert "quantized" in lacking.facts["extra_kernels"] and lacking.delegate == ""
    assert "extra_kernels" not in plain.facts


@pytest.mark.parametrize(
    ("file", "arrays", "words"),
    [
        ("dense.tflite", [np.zeros((2, 1, 7), np.float32)], ["float32 [1, 7]", "float32 [1, 8]"]),
        ("dense.tflite", [np.zeros((2, 8), np.float32)], ["float32 [8]", "float32 [1, 8]"]),
        ("dense.tflite", [np.zeros((2, 1, 8), np.int64)], ["int64 [1, 8]", "float32 [1, 8]"]),
        ("dense.tflite", [SAMPLES, SAMPLES], ["2 inputs", "takes 1 (x)"]),
        ("sum_of_two.tflite", [np.zeros((2, 1, 4), np.float32)], ["1 inputs", "takes 2 (a, b)"]),
        ("dense_int8.tflite", [np.full((2, 1, 8), np.nan, np.float32)], ["'x'", "NaN", "int8"]),
        ("dense.pte", [np.zeros((2, 1, 7), np.float32)], ["float32 [1, 7]", "float32 [1, 8]"]),
        ("dense.pte", [np.zeros((2, 1, 8), np.uint8)], ["uint8 [1, 8]", "float32 [1, 8]"]),
    ],
)
def test_inputs_that_do_not_fit_are_refused_naming_both(
    request: pytest.FixtureRequest, ask: Ask, tmp_path: Path, file: str, arrays: list[np.ndarray], words: list[str]
) -> None:
    folder: Path = request.getfixturevalue(f"{file.partition('.')[2]}_files")
    (result,) = run(ask(folder / file, *arrays), tmp_path).results
    assert all(word in result.failure for word in words), result.failure
    assert result.blocks == ()


def test_an_input_file_of_another_size_is_refused(tflite_files: Path, ask: Ask, tmp_path: Path) -> None:
    request = ask(tflite_files / "dense.tflite", SAMPLES)
    with (tmp_path / "in_0.bin").open("ab") as file:
        file.write(b"more")
    (result,) = run(request, tmp_path).results
    assert "388 bytes" in result.failure and "384" in result.failure


def test_one_refused_build_does_not_stop_the_others(
    tflite_files: Path, pte_files: Path, ask: Ask, tmp_path: Path
) -> None:
    paths = [tflite_files / "custom.tflite", tflite_files / "dense.tflite", pte_files / "dense.pte"]
    response = run(ask(paths, SAMPLES), tmp_path)
    custom, lite, et = response.results
    assert "custom operator 'MagicFilter'" in custom.failure and custom.blocks == ()
    assert (lite.failure, et.failure) == ("", "")
    assert len(lite.blocks) == len(et.blocks) == TIMING.blocks
    assert {"litert_version", "executorch_version"} <= set(response.facts)


def test_what_a_run_left_is_not_taken_for_the_next_ones_answer(tflite_files: Path, ask: Ask, tmp_path: Path) -> None:
    run(ask(tflite_files / "dense.tflite"), tmp_path)
    with pytest.raises(RunnerError, match="was not written"):
        HostRunner(("/bin/true",)).run(ask(tflite_files / "dense.tflite"), folder=tmp_path, bounds=BOUNDS)


def test_an_answer_to_another_request_is_refused(tflite_files: Path, ask: Ask, tmp_path: Path) -> None:
    answer = json.dumps({"run_id": "another", "started": "", "results": []})
    worker = ("/bin/sh", "-c", f"printf '%s' '{answer}' > \"$1\"")
    with pytest.raises(RunnerError, match="answers another request: another"):
        HostRunner(worker).run(ask(tflite_files / "dense.tflite"), folder=tmp_path, bounds=BOUNDS)


def test_a_folder_that_cannot_be_written_is_named(tflite_files: Path, ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match=r"request\.json cannot be written"):
        run(ask(tflite_files / "dense.tflite"), tmp_path / "file")


def test_outputs_that_cannot_be_written_are_the_builds_failure(tflite_files: Path, ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("not a folder")
    (result,) = run(ask(tflite_files / "dense.tflite", SAMPLES), tmp_path).results
    assert "outputs cannot be written" in result.failure


def test_this_machine_is_described_as_a_host() -> None:
    device = HostRunner().device()
    assert device.kind == "host" and device.name and device.abi
    assert device.cores >= 1 and device.memory_mb > 100
    assert device.facts["load_average"]
