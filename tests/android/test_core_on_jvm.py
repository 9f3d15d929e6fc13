"""The tests of the app's core, which are Java, on this machine's JVM."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from android_app.ci import jvm, tools
from harness.process import Bounds, execute

pytestmark = [pytest.mark.android, pytest.mark.runtimes]

TESTS = tools.APP / "core/src/test/java"


def test_the_cores_own_tests_pass(built: jvm.Jvm, builds: Path, project: Path, tmp_path: Path) -> None:
    sources = jvm.java_sources(TESTS)
    classes = [
        ".".join(path.relative_to(TESTS).with_suffix("").parts) for path in sources if path.stem.endswith("Test")
    ]
    classpath = [built.classes, *tools.JUNIT]
    jvm.compile_java(sources, tmp_path / "tests", log=tmp_path / "javac.log", classpath=classpath)
    argv = [tools.program("java"), "-cp", ":".join(map(str, [tmp_path / "tests", *classpath]))]
    argv += [f"-Dpocketbench.fixtures={project}/tests/data/wire", f"-Dpocketbench.builds={builds}"]
    execute(
        [*argv, "org.junit.runner.JUnitCore", *classes], bounds=Bounds(timeout_secs=120), log=tmp_path / "junit.log"
    )
    said = (tmp_path / "junit.log").read_text()
    ran = re.search(r"^OK \((\d+) tests\)", said, re.MULTILINE)
    assert ran and int(ran[1]) >= 86, said[-2000:]
    assert len(classes) == 9


def test_the_core_knows_nothing_of_android() -> None:
    for source in jvm.java_sources(jvm.CORE, TESTS):
        assert not re.search(r"^import (android|com\.google|org\.pytorch|org\.tensorflow)", source.read_text(), re.M), (
            source
        )


def test_java_files_stay_small_enough_to_read() -> None:
    found = [path for path in jvm.java_sources(tools.APP) if tools.BUILD not in path.parents]
    assert len(found) > 40
    for path in found:
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 300, path
        assert max(map(len, lines)) <= 120, path
