"""What the worker imports and whom it listens to."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from device_runners.host import HostRunner
from harness.process import Bounds
from tests.device_runners.conftest import Ask

SERVE = """
import sys
before = set(sys.modules)
from device_runners import host_worker
code = host_worker.main(sys.argv[1:])
tops = {name.partition('.')[0] for name in set(sys.modules) - before}
print(code, *sorted(tops - sys.stdlib_module_names), file=sys.stderr)
"""
ALLOWED = {"device_runners", "harness", "msgspec", "numpy", "typing_extensions"}


def imported(request: object, folder: Path) -> set[str]:
    """Top-level names outside the standard library that serving a request brings in."""
    runner = HostRunner((sys.executable, "-c", SERVE))
    runner.run(request, folder=folder, bounds=Bounds(timeout_secs=120))  # type: ignore[arg-type]
    last = (folder / "worker.log").read_text().splitlines()[-1].split()
    assert last[0] == "0"
    return {name for name in last[1:] if not name.startswith("_")}


@pytest.mark.runtimes
def test_serving_a_tflite_build_imports_litert_and_nothing_else(tflite_files: Path, ask: Ask, tmp_path: Path) -> None:
    found = imported(ask(tflite_files / "dense.tflite"), tmp_path)
    assert found == {*ALLOWED, "ai_edge_litert"}


@pytest.mark.runtimes
def test_serving_a_pte_build_imports_torch_and_not_the_exporter(pte_files: Path, ask: Ask, tmp_path: Path) -> None:
    found = imported(ask(pte_files / "dense.pte"), tmp_path)
    assert {"torch", "executorch"} <= found
    assert not found & {"ai_edge_litert", "torchao", "pandas", "scipy", "psutil", "click", "rich"}
    program = f"{SERVE}\nprint('executorch.exir' in sys.modules, file=sys.stderr)"
    runner = HostRunner((sys.executable, "-c", program))
    runner.run(ask(pte_files / "dense.pte"), folder=tmp_path, bounds=Bounds(timeout_secs=120))
    assert (tmp_path / "worker.log").read_text().splitlines()[-1] == "False"


def test_a_missing_runtime_is_the_builds_failure_with_what_to_install(ask: Ask, tmp_path: Path) -> None:
    """A worker that cannot import LiteRT, as where the extra was not installed."""
    build = tmp_path / "x.tflite"
    build.write_bytes(b"anything")
    program = "import sys; sys.modules['ai_edge_litert'] = None\n" + SERVE
    runner = HostRunner((sys.executable, "-c", program))
    response = runner.run(ask(build), folder=tmp_path, bounds=Bounds(timeout_secs=60))
    assert "the tflite runtime cannot be imported" in response.results[0].failure
    assert "pip install 'pocketbench[tflite]'" in response.results[0].failure


@pytest.mark.runtimes
def test_modules_in_the_users_folder_do_not_pose_as_ours(
    tflite_files: Path, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("numpy", "msgspec", "harness"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('an impostor was imported')")
    monkeypatch.chdir(tmp_path)
    response = HostRunner().run(ask(tflite_files / "dense.tflite"), folder=tmp_path, bounds=Bounds(timeout_secs=60))
    assert response.results[0].failure == ""
