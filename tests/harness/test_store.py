import json
import os
from pathlib import Path

import msgspec
import pandas
import pytest

from harness import store
from harness.errors import StoreError
from harness.records import Block, Device, Experiment, Measurement, ModelSource, Report, Restart, Settings

EXPERIMENT = Experiment(model=ModelSource(source="model.py"))


def report_with_samples() -> Report:
    restart = Restart(
        started="2026-01-01T00:00:00+00:00",
        load_ms=1.0,
        first_inference_ms=2.0,
        warmup=Block(wall_ns=(9_000_000,)),
        blocks=(
            Block(wall_ns=(2_000_000, 4_000_000), wait_ns=(0, 1_000_000), calls_per_sample=2),
            Block(wall_ns=(3_000_000,)),
        ),
    )
    measurement = Measurement(
        variant="tflite/fp32",
        device=Device(kind="host", name="here"),
        settings=Settings(),
        restarts=(restart,),
    )
    return Report(experiment=EXPERIMENT, measurements=(measurement,))


def test_a_report_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    report = report_with_samples()
    store.save(tmp_path, report)
    assert store.load(tmp_path) == report
    assert store.load(tmp_path / "results.json") == report
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_a_failing_save_leaves_the_earlier_report_whole(tmp_path: Path) -> None:
    store.save(tmp_path, report_with_samples())
    (tmp_path / f"results.json.{os.getpid()}.tmp").mkdir()  # the temporary name is taken by a folder
    with pytest.raises(StoreError, match="cannot be written"):
        store.save(tmp_path, Report(experiment=EXPERIMENT))
    assert store.load(tmp_path) == report_with_samples()


def test_runs_of_one_second_get_folders_of_their_own(tmp_path: Path) -> None:
    folders = {store.create(tmp_path, "my model!") for _ in range(3)}
    assert len(folders) == 3
    assert all("my-model" in folder.name and (folder / "logs").is_dir() for folder in folders)


def test_an_output_folder_that_is_a_file_is_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(StoreError, match="runs cannot be written") as caught:
        store.create(tmp_path / "runs", "x")
    assert "--output" in caught.value.remedy


def test_a_full_disk_is_told_as_such() -> None:
    def fill() -> None:
        with store.guarded(Path("/dev/full")), open("/dev/full", "wb", buffering=0) as full:
            full.write(b"x")

    with pytest.raises(StoreError, match="No space left on device"):
        fill()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a pocketbench report"),
        (b"{", "is not a pocketbench report"),
        (b'{"schema_version": 99}', "schema version 99"),
        (b'{"schema_version": 1}', "missing required field"),
    ],
)
def test_what_is_no_report_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "results.json").write_bytes(content)
    with pytest.raises(StoreError, match=message):
        store.load(tmp_path)


def test_a_missing_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nowhere"):
        store.load(tmp_path / "nowhere")


def test_samples_become_one_row_each_in_ms_per_call(tmp_path: Path) -> None:
    store.save_samples(tmp_path, report_with_samples())
    table = pandas.read_parquet(tmp_path / "samples.parquet")
    assert table["latency_ms"].tolist() == [1.0, 2.0, 3.0]
    assert table["wait_ms"].tolist()[:2] == [0.0, 0.5]
    assert table["wait_ms"].isna().tolist() == [False, False, True]
    assert table[["restart", "block", "sample"]].to_numpy().tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 0]]


def test_results_json_is_plain_json(tmp_path: Path) -> None:
    store.save(tmp_path, report_with_samples())
    plain = json.loads((tmp_path / "results.json").read_text())
    assert plain["measurements"][0]["restarts"][0]["blocks"][0]["wall_ns"] == [2_000_000, 4_000_000]
    assert msgspec.convert(plain, Report) == report_with_samples()
