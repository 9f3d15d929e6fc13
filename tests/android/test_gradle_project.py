"""The Gradle project, as far as it can be held against the rest without Gradle."""

from __future__ import annotations

import re
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from android_app.ci import apk, jvm, tools
from device_runners import app_package

CATALOG = tomllib.loads((tools.APP / "gradle/libs.versions.toml").read_text(encoding="utf-8"))
APP_BUILD = (tools.APP / "app/build.gradle.kts").read_text(encoding="utf-8")
ANDROID = "{http://schemas.android.com/apk/res/android}"


def test_a_phone_runs_the_runtimes_that_the_builds_are_made_with(project: Path) -> None:
    extras = tomllib.loads((project / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    pins = dict(one.split("==") for one in (*extras["tflite"], *extras["executorch"]) if "==" in one)
    assert CATALOG["versions"]["litert"] == pins["ai-edge-litert"]
    assert CATALOG["versions"]["executorch"] == pins["executorch"]


def test_every_name_of_the_catalog_that_is_used_is_there_and_every_one_there_is_used() -> None:
    scripts = "".join(path.read_text() for path in tools.APP.glob("*/build.gradle.kts"))
    scripts += (tools.APP / "build.gradle.kts").read_text()
    used = set(re.findall(r"libs\.((?:plugins\.)?[a-z.]+)(?=[),])", scripts)) - {"versions.litert.get"}
    there = {name.replace("-", ".") for name in CATALOG["libraries"]}
    there |= {f"plugins.{name.replace('-', '.')}" for name in CATALOG["plugins"]}
    assert {name for name in used if not name.startswith("versions")} == there
    for one in (*CATALOG["libraries"].values(), *CATALOG["plugins"].values()):
        assert one["version"]["ref"] in CATALOG["versions"]


def test_what_is_compiled_here_is_what_gradle_compiles() -> None:
    modules = re.findall(r'":(\w+)"', (tools.APP / "settings.gradle.kts").read_text())
    for path in (jvm.CORE, jvm.HOST, apk.MAIN / "java", *(tools.APP / f"app/src/{f}/java" for f in apk.FLAVOURS)):
        module, *rest = path.relative_to(tools.APP).parts
        assert module in modules and path.is_dir() and rest[0] == "src" and rest[-1] == "java"
    for flavour in apk.FLAVOURS:
        assert f'create("{flavour}")' in APP_BUILD or f'"{flavour}"' in APP_BUILD


@pytest.mark.parametrize(
    ("setting", "value"),
    [("minSdk", apk.MIN_SDK), ("targetSdk", apk.TARGET_SDK), ("versionName", apk.VERSION), ("namespace", apk.PACKAGE)],
)
def test_both_builds_agree_on_what_the_package_says(setting: str, value: object) -> None:
    (found,) = re.findall(rf'^ *{setting} = "?([\w.]+)"?$', APP_BUILD, re.MULTILINE)
    assert found == str(value)


def test_the_packages_are_those_that_are_looked_for_on_a_phone() -> None:
    suffixes = re.findall(r'applicationIdSuffix = "([.\w]+)"', APP_BUILD)
    assert {f"{apk.PACKAGE}{suffix}" for suffix in suffixes} == set(app_package.PACKAGES.values())
    assert APP_BUILD.count("applicationIdSuffix") == len(suffixes) == len(app_package.PACKAGES), "none is put together"


def test_java_is_compiled_against_what_the_oldest_phone_has() -> None:
    """ByteBuffer.clear() of a newer JDK is a method of its own, which Android has since version 10 alone."""
    for module in ("core", "host"):
        assert "options.release = 8" in (tools.APP / module / "build.gradle.kts").read_text()
    narrowed = re.compile(r"\(ByteBuffer\) \w+\)\.|\w\.(?:clear|flip|rewind|mark|reset)\(\)|\.(?:position|limit)\(\w")
    for source in jvm.java_sources(tools.APP / "app/src"):
        for line in source.read_text(encoding="utf-8").splitlines():
            assert not narrowed.search(line), f"{source.name}: {line.strip()}: cast to Buffer"


def test_libraries_bring_no_component_and_no_permission_into_the_manifest() -> None:
    root = ET.fromstring((apk.MAIN / "AndroidManifest.xml").read_text())
    node = "{http://schemas.android.com/tools}node"
    assert {one.tag for one in root.iter() if one.get(node) == "removeAll"} == {
        "uses-permission",
        "permission",
        "receiver",
        "service",
    }


def test_the_measured_build_type_is_not_debuggable() -> None:
    assert "isDebuggable = true" not in APP_BUILD and 'create("benchmark")' in APP_BUILD


def test_components_of_the_manifest_are_classes_of_the_app() -> None:
    root = ET.fromstring((apk.MAIN / "AndroidManifest.xml").read_text())
    named = [
        one.get(f"{ANDROID}name", "") for kind in ("activity", "provider", "instrumentation") for one in root.iter(kind)
    ]
    assert len(named) == 3
    for name in named:
        assert (apk.MAIN / "java" / f"{name.replace('.', '/')}.java").is_file()
    assert root.get("package") is None, "Gradle's namespace says it"


def test_the_wrapper_is_one_that_the_plugin_runs_on() -> None:
    text = (tools.APP / "gradle/wrapper/gradle-wrapper.properties").read_text()
    (gradle,) = re.findall(r"gradle-(\d+)\.(\d+)\.\d+-bin\.zip", text)
    assert tuple(map(int, gradle)) >= (9, 1) and CATALOG["versions"]["agp"].startswith("9.0")


def test_nothing_binary_is_kept() -> None:
    kept = [path for path in tools.APP.rglob("*") if path.is_file() and tools.BUILD not in path.parents]
    binary = [path for path in kept if path.suffix in (".jar", ".so", ".apk", ".dex", ".jks", ".class", ".keystore")]
    assert binary == []
