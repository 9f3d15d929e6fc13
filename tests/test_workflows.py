"""The files of .github/workflows: as GitHub's schema wants them, and calling only what is there. They have not been
run: nothing here tells whether GitHub's machines have what they ask for."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cli import cli

FILES = ("ci.yml", "android.yml")


@pytest.fixture(params=FILES)
def workflow(request: pytest.FixtureRequest, project: Path) -> dict[str, Any]:
    return yaml.load(
        (project / ".github" / "workflows" / request.param).read_text(), yaml.BaseLoader
    )  # "on" is no bool


def valid(*paths: Path) -> bool:
    argv = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", *map(str, paths)]
    return subprocess.run(argv, capture_output=True, check=False, timeout=60).returncode == 0


def steps(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job["steps"]


def shell_of(workflow: dict[str, Any]) -> str:
    """Everything that its steps run, GitHub's own ${{ }} put aside."""
    texts = [step.get("run") or step.get("with", {}).get("script", "") for step in steps(workflow)]
    return re.sub(r"\$\{\{.*?\}\}", "x", "\n".join(texts))


def test_every_workflow_is_as_github_s_schema_wants_it(project: Path, tmp_path: Path) -> None:
    folder = project / ".github" / "workflows"
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert valid(*(folder / name for name in FILES))
    wrong = tmp_path / "wrong.yml"
    wrong.write_text((folder / "ci.yml").read_text().replace("runs-on:", "run-on:"))
    assert not valid(wrong)


def test_jobs_wait_for_jobs_that_exist_and_end_in_time(workflow: dict[str, Any]) -> None:
    jobs = workflow["jobs"]
    for name, job in jobs.items():
        needs = job.get("needs", [])
        assert set([needs] if isinstance(needs, str) else needs) <= set(jobs) - {name}
        assert "timeout-minutes" in job, name


def test_actions_are_pinned_to_one_version(workflow: dict[str, Any]) -> None:
    used = [step["uses"] for step in steps(workflow) if "uses" in step]
    assert used and all(re.fullmatch(r"[\w.-]+/[\w./-]+@(v\d+\.\d+\.\d+|[0-9a-f]{40})", one) for one in used), used


def test_what_steps_run_is_shell_and_calls_what_is_there(workflow: dict[str, Any], project: Path) -> None:
    text = shell_of(workflow)
    done = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False, timeout=20)
    assert done.returncode == 0, done.stderr
    commands = re.findall(r"(?:^|[ /])pocketbench ([a-z]+)", text, re.MULTILINE)
    assert set(commands) <= set(cli.commands)
    targets = re.findall(r"\bmake ([a-z]+)", text)
    assert all(
        re.search(rf"^(\w+ )*{name}( \w+)*:", (project / "Makefile").read_text(), re.MULTILINE) for name in targets
    )
    made = set(re.findall(r"> (examples/\S+)", text))
    named = set(re.findall(r"\bexamples/[\w./-]+\.yaml", text)) - made
    assert all((project / name).is_file() for name in named)


def test_workflows_start_on_changes_of_files_that_exist(workflow: dict[str, Any], project: Path) -> None:
    for event in workflow["on"].values():
        for pattern in event.get("paths", []) if event else []:
            assert next(project.glob(pattern), None), pattern
