"""The whole way, for real: a user's file in, both converters, both runtimes, a page out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import store
from harness.records import Report

pytestmark = pytest.mark.runtimes

MODEL = """
import torch
from torch import nn

def get_model():
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU6(),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 5),
    ).eval()

def get_args():
    return (torch.zeros(1, 3, 32, 32),)

def _images(count, seed):
    return torch.randn(count, 1, 3, 32, 32, generator=torch.Generator().manual_seed(seed))

def get_calibration_data():
    return [(x,) for x in _images(20, 1)]

def get_evaluation_data():
    model = get_model()
    return [((x,), int(model(x).argmax())) for x in _images(40, 2)]
"""
BENCH = """
model: {source: model.py}
recipes: [fp32, static_wi8_ai8, weight_only_wi8_afp32]
settings:
  {restarts: 2, extra_secs: 0, num_runs: 20, min_secs: 0.05, warmup_min_secs: 0.05, warmup_max_secs: 0.5, blocks: 4}
gates: [accuracy >= 0.5, size_bytes <= 10 MB]
accept: [FEW-SAMPLES, UNSTABLE, NOISY-MACHINE, RANDOM-WEIGHTS]
rank_by: on_cpu_ms.p50
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "model.py").write_text(MODEL)
    (folder / "bench.yaml").write_text(BENCH)
    return folder


def start(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "from harness.cli import main; main()", *arguments],
        cwd=cwd,
        env={**os.environ, "POCKETBENCH_CACHE": str(cwd / "cache")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def first(project: Path) -> tuple[Report, Path, int]:
    process = start("run", "--json", cwd=project)
    out, err = process.communicate(timeout=600)
    assert process.returncode in (0, 3), err
    folder = store.latest(project / "runs")
    report = store.load(folder)
    assert json.loads(out)["id"] == report.id
    return report, folder, process.returncode


def test_builds_of_both_runtimes_are_ranked_with_intervals(first: tuple[Report, Path, int]) -> None:
    report, _, _ = first
    ranked = {s.variant: s for s in report.standings if s.rank is not None}
    assert set(ranked) == {
        "tflite/fp32",
        "executorch/fp32",
        "tflite/static_wi8_ai8",
        "executorch/static_wi8_ai8",
        "tflite/weight_only_wi8_afp32",
    }
    for standing in ranked.values():
        p50 = standing.metrics["on_cpu_ms.p50"]
        assert p50.low is not None and p50.high is not None and 0 < p50.low <= p50.value <= p50.high
        assert standing.metrics["accuracy"].value > 0.8
        assert standing.metrics["cosine"].value > 0.95


def test_a_recipe_that_a_runtime_lacks_is_a_row_that_says_so(first: tuple[Report, Path, int]) -> None:
    report, _, _ = first
    row = next(s for s in report.standings if s.variant == "executorch/weight_only_wi8_afp32")
    assert row.rank is None and row.failure is not None and row.failure.unsupported


def test_int8_is_smaller_in_both_runtimes_and_the_file_says_so(first: tuple[Report, Path, int]) -> None:
    report, _, _ = first
    contents = {v.id: v.contents for v in report.variants}
    for runtime in ("tflite", "executorch"):
        held = contents[f"{runtime}/static_wi8_ai8"]
        assert held is not None and held.weight_elements.get("int8", 0) == sum(held.weight_elements.values())
        floats = contents[f"{runtime}/fp32"]
        assert floats is not None and held.size_bytes < floats.size_bytes


def test_everything_the_run_promises_lies_in_its_folder(first: tuple[Report, Path, int]) -> None:
    report, folder, _ = first
    for name in ("results.json", "samples.parquet", "report.html", "gate.junit.xml", "gate.md", "bench.yaml"):
        assert (folder / name).stat().st_size > 0, name
    assert not (folder / "work").exists()
    kept = {variant.id for variant in report.variants if variant.path and (folder / variant.path).exists()}
    assert kept == {variant.id for variant in report.variants if variant.failure is None}


def test_a_second_run_converts_nothing_and_never_runs_the_users_code(
    project: Path, first: tuple[Report, Path, int]
) -> None:
    process = start("run", cwd=project)
    _, err = process.communicate(timeout=600)
    assert process.returncode in (0, 3), err
    again = store.load(store.latest(project / "runs"))
    assert again.id != first[0].id
    assert all(variant.cached for variant in again.variants if variant.failure is None)
    assert again.convert_secs < first[0].convert_secs / 5


def test_ctrl_c_leaves_a_valid_run_that_resume_finishes(project: Path, first: tuple[Report, Path, int]) -> None:
    before = set((project / "runs").iterdir())
    process = start("run", cwd=project)
    deadline = time.monotonic() + 120
    folder = None
    while folder is None and time.monotonic() < deadline:
        time.sleep(0.2)
        for new in set((project / "runs").iterdir()) - before:
            if (new / "results.json").exists() and store.load(new).measurements:
                folder = new
    assert folder is not None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "--resume" in err, err
    kept = store.load(folder)
    assert not kept.complete and (folder / "report.html").exists()

    process = start("run", "--resume", str(folder), cwd=project)
    _, err = process.communicate(timeout=600)
    assert process.returncode in (0, 3), err
    finished = store.load(folder)
    assert finished.complete and finished.id == kept.id
    assert all(len(m.restarts) == 2 for m in finished.measurements)


def test_a_finished_build_is_benchmarked_as_it_is(project: Path, first: tuple[Report, Path, int]) -> None:
    report, folder, _ = first
    for id_ in ("tflite/static_wi8_ai8", "executorch/fp32"):
        build = folder / next(v.path for v in report.variants if v.id == id_)
        flags = ("--restarts", "2", "--num-runs", "10", "--min-secs", "0.05", "--gate", "size_mb <= 50")
        process = start("benchmark", str(build), *flags, "--output", "ready", cwd=project)
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, out + err
        measured = store.load(store.latest(project / "ready"))
        assert len(measured.measurements[0].restarts) == 2
