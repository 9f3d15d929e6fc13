"""What the app's Android code decides by itself, on an Android that answers what a test tells it to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from android_app.ci import apk, jvm, tools
from harness.process import Bounds, execute

pytestmark = [pytest.mark.android, pytest.mark.runtimes]

PRETENDED = Path(__file__).with_name("pretended")


def test_the_app_decides_rightly_on_whatever_android_answers(built: jvm.Jvm, litert_apk: Path, tmp_path: Path) -> None:
    """Compiled once more against classes that do something; where there are none, against the signatures alone."""
    own = [apk.MAIN / "java", tools.APP / "app/src/litert/java", PRETENDED]
    sources = [*jvm.java_sources(*own), litert_apk.parent / "BuildConfig.java"]
    classpath = [built.classes, litert_apk.parent / "stubs", *tools.JUNIT]
    jvm.compile_java(sources, tmp_path / "app", log=tmp_path / "javac.log", classpath=classpath)
    argv = [tools.program("java"), "-cp", ":".join(map(str, [tmp_path / "app", *classpath]))]
    argv += ["org.junit.runner.JUnitCore", "org.pocketbench.app.AppTest"]
    execute(argv, bounds=Bounds(timeout_secs=60), log=tmp_path / "junit.log")
    said = (tmp_path / "junit.log").read_text()
    ran = re.search(r"^OK \((\d+) tests\)", said, re.MULTILINE)
    assert ran and int(ran[1]) >= 14, said[-2000:]
