"""Python asks, the app's Java measures on the real runtimes, Python reads; and what it finds is what the worker in
Python finds."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
import pytest

from device_runners.host import HostRunner
from device_runners.wire import BuildResult, PlannedBlock, Response
from harness.errors import RunnerError
from harness.process import Bounds
from harness.records import TensorSpec
from tests.device_runners import tiny_tflite
from tests.device_runners.conftest import TIMING, Ask, asked, outputs_of

pytestmark = [pytest.mark.android, pytest.mark.runtimes]

BOUNDS = Bounds(timeout_secs=60, memory_limit_mb=4000)
SAMPLES = np.random.default_rng(0).uniform(-2, 2, size=(12, 1, 8)).astype(np.float32)
EXPECTED = SAMPLES @ tiny_tflite.WEIGHT.T + tiny_tflite.BIAS


class Ran(msgspec.Struct):
    """One run of every small build in one process."""

    response: Response
    folder: Path

    def result(self, name: str) -> BuildResult:
        return next(one for one in self.response.results if one.build.endswith(f"/{name}"))


@pytest.fixture(scope="module")
def ran(java: HostRunner, builds: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    names = ["dense.tflite", "dense.pte", "dense_int8.tflite", "dense_dynamic.tflite", "int8_without_delegate.pte"]
    names.append("custom.tflite")
    folder = tmp_path_factory.mktemp("ran")
    request = asked(folder, [builds / name for name in names], SAMPLES)
    return Ran(java.run(request, folder=folder, bounds=BOUNDS), folder)


@pytest.fixture(scope="module")
def twin(builds: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The same request, served by the worker in Python."""
    names = ["dense.tflite", "dense.pte", "dense_int8.tflite", "dense_dynamic.tflite", "int8_without_delegate.pte"]
    folder = tmp_path_factory.mktemp("twin")
    request = asked(folder, [builds / name for name in names], SAMPLES)
    return Ran(HostRunner().run(request, folder=folder, bounds=BOUNDS), folder)


@pytest.mark.parametrize("build", ["tflite/dense", "executorch/dense"])
def test_a_build_is_loaded_warmed_timed_and_run(ran: Ran, build: str) -> None:
    result = next(one for one in ran.response.results if one.build == build)
    assert result.failure == ""
    assert result.load_ns > 0 and result.first_inference_ns > 0
    assert result.warmup is not None and result.warmup.wall_ns
    assert len(result.blocks) == TIMING.blocks
    for block in result.blocks:
        assert block.calls_per_sample > 10, "microseconds are timed many at a time"
        assert len(block.wait_ns) == len(block.wall_ns) > 0
        assert all(0 <= wait <= wall for wait, wall in zip(block.wait_ns, block.wall_ns, strict=True))
        assert block.canary_ns is not None and 1_000 < block.canary_ns < 10_000_000
    starts = [block.start_ns for block in result.blocks]
    assert None not in starts and starts == sorted(starts)  # type: ignore[type-var]


def test_outputs_are_the_builds_own_for_every_sample(ran: Ran) -> None:
    for build in ("tflite/dense", "executorch/dense", "tflite/dense_dynamic"):
        result = next(one for one in ran.response.results if one.build == build)
        (file,) = result.output_files
        assert (file.dtype, file.shape, file.samples) == ("float32", (1, 4), 12)
        np.testing.assert_allclose(outputs_of(file, ran.folder), EXPECTED, rtol=1e-5, atol=1e-5)


def test_both_workers_say_the_same_of_the_same_builds(ran: Ran, twin: Ran) -> None:
    for theirs in twin.response.results:
        ours = next(one for one in ran.response.results if one.build == theirs.build)
        assert (ours.failure, theirs.failure) == ("", "")
        assert (ours.inputs, ours.outputs) == (theirs.inputs, theirs.outputs)
        assert ours.delegate == theirs.delegate
        assert (ours.delegated_operators, ours.total_operators) == (theirs.delegated_operators, theirs.total_operators)
        for one, other in zip(ours.output_files, theirs.output_files, strict=True):
            assert (one.path, one.dtype, one.shape, one.samples) == (
                other.path,
                other.dtype,
                other.shape,
                other.samples,
            )
            np.testing.assert_allclose(outputs_of(one, ran.folder), outputs_of(other, twin.folder), atol=1e-5)
        shared = set(ours.facts) & set(theirs.facts)
        told = {"num_threads", "input_0", "output_0", "non_finite_outputs", "worker_threads"}
        assert {name: ours.facts[name] for name in shared & told} == {
            name: theirs.facts[name] for name in shared & told
        }
        assert set(theirs.facts) == set(ours.facts)


def test_facts_of_the_process_are_the_twins_and_say_who_measured(ran: Ran, twin: Ran) -> None:
    renamed = {"python_version": "java_version", "torch_version": "worker"}  # torch carries tensors in Python alone
    assert {renamed.get(name, name) for name in twin.response.facts} <= set(ran.response.facts)
    assert ran.response.facts["worker"].startswith("the app's Java")
    assert ran.response.facts["garbage_collections"].isdigit()
    assert 0 < int(ran.response.facts["probe_ns"]) < 100_000


def test_a_quantized_build_is_fed_codes_and_read_as_floats(ran: Ran) -> None:
    result = ran.result("dense_int8")
    assert result.inputs == (
        TensorSpec(name="x", shape=(1, 8), dtype="int8", scale=result.inputs[0].scale, zero_point=0),
    )
    assert result.facts["input_0"] == "quantized from float32 to int8"
    close = np.abs(outputs_of(result.output_files[0], ran.folder) - np.clip(EXPECTED, -6.5, 6.2))
    assert close.max() < 0.2


def test_what_the_delegate_took_is_told(ran: Ran) -> None:
    result = ran.result("dense_int8")
    assert (result.delegate, result.delegated_operators, result.total_operators) == ("XNNPACK", 1, 1)
    assert ran.result("int8_without_delegate").delegate == ""


def test_kernels_that_the_core_library_lacks_come_in(ran: Ran) -> None:
    assert "kernels_quantized" in ran.result("int8_without_delegate").facts["extra_kernels"]


def test_memory_is_the_builds_own_and_not_the_jvms(ran: Ran) -> None:
    for result in ran.response.results[:2]:
        memory = result.memory
        assert memory is not None and memory.method == "VmHWM after reset"
        assert 0 <= memory.peak_rss_mb < 30 < memory.total_peak_rss_mb
        assert memory.anonymous_mb is not None and memory.file_backed_mb is not None


def test_the_share_of_memory_that_the_process_holds_is_told_as_the_kernel_tells_it(ran: Ran) -> None:
    facts = ran.response.facts
    assert 30 < float(facts["pss_mb"]) < 1000
    assert 0 < float(facts["pss_file_mb"]) < float(facts["pss_anon_mb"]) < float(facts["pss_mb"])


def test_a_build_that_was_refused_leaves_the_others_alone(ran: Ran) -> None:
    assert "custom operator 'MagicFilter'" in ran.result("custom").failure
    assert [one.build for one in ran.response.results if one.failure] == ["tflite/custom"]


def test_live_workers_time_a_block_when_they_are_told(java: HostRunner, builds: Path, tmp_path: Path) -> None:
    plan = (PlannedBlock(build=0, calls=50), PlannedBlock(build=1, calls=50), PlannedBlock(build=1, calls=50))
    paths = [builds / "dense.tflite", builds / "dense_int8.tflite"]
    request = asked(tmp_path, paths, SAMPLES, plan=plan, paced=True, outputs="")
    with closing(java.start(request, folder=tmp_path, bounds=BOUNDS)) as session:
        session.ready()
        session.block()
        session.block()
        response = session.finish()
    assert [len(result.blocks) for result in response.results] == [1, 1]


def test_a_refused_build_ends_a_live_worker_with_the_reason(java: HostRunner, builds: Path, tmp_path: Path) -> None:
    request = asked(tmp_path, builds / "custom.tflite", plan=(PlannedBlock(build=0, calls=5),), paced=True)
    with closing(java.start(request, folder=tmp_path, bounds=BOUNDS)) as session, pytest.raises(RunnerError) as caught:
        session.ready()
    assert "MagicFilter" in caught.value.message


def test_threads_are_as_asked_and_seen(java: HostRunner, builds: Path, ask: Ask, tmp_path: Path) -> None:
    paths = [builds / "dense.tflite", builds / "dense.pte"]
    request = ask(paths, SAMPLES, timing=msgspec.structs.replace(TIMING, num_threads=2))
    response = java.run(request, folder=tmp_path, bounds=BOUNDS)
    assert response.facts["executorch_threads"] == "2"
    assert response.results[0].facts["worker_threads"] == "1"
    assert all(block.wait_ns == () for block in response.results[0].blocks), "one thread's wait is not the build's"


def test_a_dynamic_dimension_takes_the_samples(java: HostRunner, builds: Path, ask: Ask, tmp_path: Path) -> None:
    batch = SAMPLES.reshape(4, 3, 8)
    response = java.run(ask(builds / "dense_dynamic.tflite", batch), folder=tmp_path, bounds=BOUNDS)
    (result,) = response.results
    assert result.failure == "" and result.output_files[0].shape == (3, 4)
    found = outputs_of(result.output_files[0], tmp_path).reshape(-1, 1, 4)
    np.testing.assert_allclose(found, EXPECTED, rtol=1e-5, atol=1e-5)


def test_another_file_than_asked_for_is_not_loaded(java: HostRunner, builds: Path, ask: Ask, tmp_path: Path) -> None:
    request = ask(builds / "dense.tflite", SAMPLES)
    wrong = msgspec.structs.replace(request.builds[0], sha256="0" * 64)
    response = java.run(msgspec.structs.replace(request, builds=(wrong,)), folder=tmp_path, bounds=BOUNDS)
    assert "is not the file that was asked for" in response.results[0].failure


def test_an_accelerator_that_is_not_here_is_refused_by_both(
    java: HostRunner, builds: Path, ask: Ask, tmp_path: Path
) -> None:
    request = ask(builds / "dense.tflite", SAMPLES, timing=msgspec.structs.replace(TIMING, accelerator="gpu"))
    for runner in (java, HostRunner()):
        response = runner.run(request, folder=tmp_path, bounds=BOUNDS)
        assert "this machine's runtimes have no gpu" in response.results[0].failure


def test_a_request_it_cannot_read_is_the_end_with_the_reason(
    java: HostRunner, builds: Path, ask: Ask, tmp_path: Path
) -> None:
    request = ask(builds / "dense.tflite", plan=(PlannedBlock(build=7, calls=1),))
    with pytest.raises(RunnerError, match="asks for build 7 of 1"):
        java.run(request, folder=tmp_path, bounds=BOUNDS)
