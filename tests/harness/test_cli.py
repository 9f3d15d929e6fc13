"""The command line as a user meets it: real processes, exit codes, one line of error with its remedy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from harness import store
from tests.fakes import build_report


def pocketbench(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from harness.cli import main; main()", *arguments]
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, timeout=120, check=False
    )


# A program adb that is not there, and a port that nobody listens on: no server is started, no phone is seen.
NO_ADB = {"ADB": "/nowhere/adb", "ANDROID_ADB_SERVER_PORT": "1"}


def refused(result: subprocess.CompletedProcess[str]) -> str:
    """The error line of a refused command; nothing else may be said on standard error but the remedy."""
    assert result.returncode == 2, result.stderr
    lines = result.stderr.strip().splitlines()
    assert lines[-1].startswith(("error: ", "  try: ")), result.stderr
    assert "Traceback" not in result.stderr
    return "\n".join(line for line in lines if line.startswith(("error: ", "  try: ")))


def test_help_lists_every_command_and_the_exit_codes(tmp_path: Path) -> None:
    result = pocketbench("--help", cwd=tmp_path)
    assert result.returncode == 0
    commands = ("run", "benchmark", "convert", "report", "gate", "devices", "recipes", "init", "schema")
    commands += ("doctor", "clean")
    assert all(f"\n  {command}" in result.stdout for command in commands)
    assert "1 a gate failed" in result.stdout


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    probe = (
        "import sys\nfrom harness import cli\n"
        "heavy = {'numpy', 'pandas', 'torch', 'msgspec', 'rich', 'yaml', 'jinja2', 'psutil'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    result = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr


def test_init_writes_an_experiment_that_is_read_and_never_overwrites(tmp_path: Path) -> None:
    assert pocketbench("init", cwd=tmp_path).returncode == 0
    written = (tmp_path / "bench.yaml").read_text()
    schema = json.loads(pocketbench("schema", cwd=tmp_path).stdout)
    jsonschema.validate(yaml.safe_load(written), schema)
    assert "bench.yaml exists" in refused(pocketbench("init", cwd=tmp_path))
    assert pocketbench("init", "--force", "--model", "net.pt2", cwd=tmp_path).returncode == 0
    assert "source: net.pt2" in (tmp_path / "bench.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run",), "bench.yaml does not exist\n  try: write one with `pocketbench init`"),
        (("benchmark", "weights.pth"), "weights.pth is not a .tflite or .pte file"),
        (("benchmark", "missing.tflite"), "missing.tflite does not exist"),
        (("benchmark", "missing.tflite", "--gate", "latency_ms.p09 <= 3"), "does not exist"),
        (("convert", "missing.py"), "missing.py"),
        (("convert", "some.pte"), "measure it: pocketbench benchmark some.pte"),
        (("report", "nowhere"), "nowhere cannot be read"),
        (("gate", "nowhere"), "nowhere cannot be read"),
    ],
)
def test_bad_input_is_one_line_with_a_remedy_and_exit_2(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    said = refused(pocketbench(*arguments, cwd=tmp_path))
    assert message in said.replace(str(tmp_path) + "/", "")
    assert not (tmp_path / "runs").exists()


def test_an_output_folder_that_cannot_be_written_stops_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("raise SystemExit('must not be run')")
    (tmp_path / "bench.yaml").write_text("model: {source: model.py}")
    (tmp_path / "taken").write_text("a file where the folder should be")
    said = refused(pocketbench("run", "--output", "taken/runs", cwd=tmp_path))
    assert "cannot be written" in said and "--output" in said


def test_a_wrong_model_file_leaves_its_log_and_says_where(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("def get_model():\n    raise ValueError('no weights here')\n")
    (tmp_path / "bench.yaml").write_text("model: {source: model.py}")
    said = refused(pocketbench("run", cwd=tmp_path, POCKETBENCH_CACHE=str(tmp_path / "cache")))
    assert "get_args" in said or "no weights here" in said


def test_a_report_is_made_again_from_its_results_alone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    store.save(tmp_path / "run", build_report.build())
    result = pocketbench("report", "run", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "run" / "report.html").read_text().startswith("<!doctype html>")
    assert "report.html" in result.stdout


def test_a_finished_run_is_judged_by_other_gates_with_their_exit_codes(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    store.save(tmp_path / "run", build_report.build())
    passed = pocketbench("gate", "run", "--gate", "size_mb <= 100000", "--json", cwd=tmp_path)
    failed = pocketbench("gate", "run", "--gate", "size_bytes <= 1", "--json", cwd=tmp_path)
    assert {v["outcome"] for v in json.loads(failed.stdout)} >= {"fail"}
    assert failed.returncode == 1
    assert {v["outcome"] for v in json.loads(passed.stdout)} <= {"pass", "not judged"}
    assert passed.returncode in (0, 3)
    assert (tmp_path / "run" / "gate.junit.xml").exists()


def test_devices_and_recipes_speak_to_people_and_to_scripts(tmp_path: Path) -> None:
    (device, *_) = json.loads(pocketbench("devices", "--json", cwd=tmp_path, **NO_ADB).stdout)
    assert device["kind"] == "host" and device["cores"] >= 1
    rows = json.loads(pocketbench("recipes", "--json", cwd=tmp_path).stdout)
    text = pocketbench("recipes", cwd=tmp_path).stdout
    assert all(row["recipe"] in text for row in rows)
    assert any("executorch" in row["not_for"] for row in rows)


def test_without_a_phone_the_doctor_says_what_is_missing_and_a_run_on_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(b"x")
    doctor = pocketbench("doctor", cwd=tmp_path, **NO_ADB)
    assert doctor.returncode == 0 and "warning this computer: no phone is connected" in doctor.stdout
    asked = pocketbench("benchmark", "net.tflite", "--device", "phone", cwd=tmp_path, **NO_ADB)
    assert "no phone can be measured on: none is connected" in refused(asked)
    assert not list(tmp_path.glob("runs/*"))
    wrong = pocketbench("benchmark", "net.tflite", "--device", "$(reboot)", cwd=tmp_path, **NO_ADB)
    assert "neither a kind of device nor a serial" in refused(wrong)
    cleaned = pocketbench("clean", "--device", cwd=tmp_path, **NO_ADB)
    assert "no phone is connected" in refused(cleaned)
