"""docs/phones.md, tried as far as that goes without a phone: its commands and its YAML are ones that there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import experiment
from harness.caveats import CAVEATS
from harness.cli import cli


@pytest.fixture(scope="module")
def page(project: Path) -> str:
    return (project / "docs" / "phones.md").read_text()


def asked(page: str) -> list[list[str]]:
    """Every pocketbench command on the page, as words."""
    found = re.findall(r"^\s*\$ pocketbench ([^#\n]*)", page, re.MULTILINE) + re.findall(r"`pocketbench ([^`]*)`", page)
    return [shlex.split(line) for line in found]


def test_every_command_is_one_and_takes_what_it_is_given(page: str, project: Path) -> None:
    commands = asked(page)
    assert {words[0] for words in commands} >= {"run", "devices", "doctor", "clean"}
    for words in commands:
        command = cli.commands[words[0]]
        given = [str(project / word) if (project / word).is_file() else word for word in words[1:]]
        context = command.make_context(words[0], given, resilient_parsing=False)
        if device := context.params.get("device"):
            experiment.on_device(experiment.convert({"model": {"source": "m.tflite"}}, where="page"), device)


def test_its_yaml_is_what_bench_yaml_takes(page: str) -> None:
    blocks = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    assert len(blocks) >= 4
    for block in blocks:
        raw: dict[str, Any] = {"model": {"source": "m.tflite"}, **block}
        experiment.check_judgement(experiment.convert(raw, where="docs/phones.md"))


def test_caveats_and_pages_that_it_names_exist(page: str, project: Path) -> None:
    named = set(re.findall(r"`([A-Z]+(?:-[A-Z]+)+)`", page))
    assert named and named <= set(CAVEATS)
    headings = {re.sub(r"[^\w -]", "", line.lstrip("# ")).lower().replace(" ", "-") for line in page.splitlines()}
    for target in re.findall(r"\]\(([^)]+)\)", page):
        file, _, anchor = target.partition("#")
        assert (project / "docs" / file).exists() and (not anchor or file or anchor in headings), target
