"""The whole way to a phone: a ready build goes over a real adb connection, runs there, and comes back as a report.

The phone is Android's own adb daemon in a sandbox; behind `am instrument` this project's own worker runs the build.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from device_runners import choice
from harness import compare, pipeline, planned
from harness.experiment import check
from harness.process import Bounds
from harness.records import Experiment, ModelSource, Report, Settings
from tests.device import serve
from tests.device.sandbox import Sandbox
from tests.device_runners.conftest import asked, build_of

pytestmark = pytest.mark.runtimes

SETTINGS = Settings(restarts=1, extra_secs=0, min_secs=0.05, num_runs=30, warmup_min_secs=0.02, warmup_max_secs=0.5)


@pytest.fixture(scope="module")
def phone(phone_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with serve.phone(phone_files, tmp_path_factory.mktemp("phone"), size="keep") as device:
        yield device


def run(phone: Sandbox, folder: Path, file: Path) -> Report:
    experiment = check(
        Experiment(
            model=ModelSource(source=str(file), evaluation_samples=5),
            device=phone.serial,
            settings=SETTINGS,
            gates=("latency_ms.p50 <= 1000",),
            folder=str(folder),
        ),
        where="test",
    )
    plan = pipeline.Plan(folder=folder, cache=folder / "cache")
    (folder / "logs").mkdir()
    return pipeline.run(experiment, plan, lambda _: None)


def test_a_build_is_measured_behind_adb_and_the_row_says_what_it_is(
    phone: Sandbox, tflite_files: Path, tmp_path: Path
) -> None:
    report = run(phone, tmp_path, tflite_files / "dense.tflite")
    (measured,) = report.measurements
    assert measured.failure is None and len(measured.restarts) == 1
    assert (measured.device.kind, measured.device.serial) == ("sandbox", phone.serial)
    for restart in measured.restarts:
        assert sum(len(block.wall_ns) * block.calls_per_sample for block in restart.blocks) >= 30
        assert restart.memory is not None and restart.facts["battery_percent_before"] == "68"
        assert restart.facts["route"] == "app" and float(restart.facts["ended_uptime_s"]) > 0
    (standing,) = report.standings
    assert "SANDBOX" in {caveat.id for caveat in standing.caveats}
    (verdict,) = report.verdicts
    assert verdict.outcome == "not judged" and "SANDBOX" in verdict.reason
    assert phone.processes() == [] and not list((phone.tmp / "pocketbench" / "jobs").iterdir())


def test_outputs_and_pairs_come_back_whole(phone: Sandbox, tflite_files: Path, tmp_path: Path) -> None:
    runner = choice.attached(choice.Wanted(device=phone.serial, tell=lambda _: None), phone.serial)
    bounds = Bounds(timeout_secs=60)
    samples = np.linspace(-1, 1, 24, dtype=np.float32).reshape(3, 1, 8)
    request = asked(tmp_path, tflite_files / "dense.tflite", samples, outputs=str(tmp_path / "wanted"))
    (result,) = runner.run(request, folder=tmp_path, bounds=bounds).results
    (file,) = result.output_files
    assert result.failure == "" and Path(file.path).parent == tmp_path / "wanted"
    assert np.isfinite(np.fromfile(file.path, np.float32)).all() and file.samples == 3

    build = build_of(tflite_files / "dense.tflite")
    pair = planned.Encounter(
        number=0,
        a=build,
        b=build,
        timing=request.timing,
        inputs=(),
        turns=compare.turns(4, first="a"),
        calls=3,
        folder=tmp_path,
        bounds=bounds,
    )
    a, b = planned.meet(runner, pair)
    assert len(a.results[0].blocks) == len(b.results[0].blocks) == 4

    runner.close()
