"""The app as a package: signed, aligned, and open to nobody but the shell."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest

from android_app.ci import apk, jvm, tools
from harness.process import Bounds, execute

pytestmark = [pytest.mark.android, pytest.mark.runtimes]

_ELEMENT = re.compile(r"^(?P<indent> *)E: (?P<name>[\w-]+)")
_ATTRIBUTE = re.compile(
    r'^ *A: (?:android:)?(?P<name>\w+)(?:\(0x\w+\))?=(?:"(?P<text>[^"]*)"|\(type 0x12\)(?P<flag>0x\w+)|(?P<raw>.*))'
)


def said(argv: list[str], log: Path) -> str:
    execute(argv, bounds=Bounds(timeout_secs=60), log=log)
    return log.read_text()


def elements(tree: str) -> list[tuple[str, dict[str, str]]]:
    """(element, attributes) of a manifest as aapt prints it; flags as true or false."""
    found: list[tuple[str, dict[str, str]]] = []
    for line in tree.splitlines():
        if element := _ELEMENT.match(line):
            found.append((element["name"], {}))
        elif found and (attribute := _ATTRIBUTE.match(line)):
            flag = attribute["flag"]
            value = ("true" if int(flag, 16) else "false") if flag else attribute["text"] or attribute["raw"] or ""
            found[-1][1][attribute["name"]] = value
    return found


@pytest.fixture(scope="module")
def manifest(litert_apk: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, dict[str, str]]]:
    log = tmp_path_factory.mktemp("manifest") / "aapt.log"
    return elements(said([tools.program("aapt"), "dump", "xmltree", str(litert_apk), "AndroidManifest.xml"], log))


def only(manifest: list[tuple[str, dict[str, str]]], name: str) -> dict[str, str]:
    (found,) = [attributes for element, attributes in manifest if element == name]
    return found


def test_it_is_signed_as_phones_want_it(litert_apk: Path, tmp_path: Path) -> None:
    told = said([tools.program("apksigner"), "verify", "-v", str(litert_apk)], tmp_path / "apksigner.log")
    assert "APK Signature Scheme v2): true" in told and "APK Signature Scheme v3): true" in told
    assert said([tools.program("zipalign"), "-c", "-p", "4", str(litert_apk)], tmp_path / "zipalign.log") == ""


def test_it_asks_for_no_permission(manifest: list[tuple[str, dict[str, str]]]) -> None:
    assert [name for name, _ in manifest if name.startswith(("uses-permission", "permission"))] == []


def test_nothing_is_exported_but_the_provider_that_dump_guards(manifest: list[tuple[str, dict[str, str]]]) -> None:
    components = [(name, one) for name, one in manifest if name in ("activity", "service", "receiver", "provider")]
    assert [(name, one["name"]) for name, one in components] == [
        ("activity", f"{apk.PACKAGE}.BenchActivity"),
        ("provider", f"{apk.PACKAGE}.ResultsProvider"),
    ]
    assert all("exported" in one for _, one in components), "never left to a default"
    assert [name for name, one in components if one["exported"] == "true"] == ["provider"]
    provider = only(manifest, "provider")
    assert provider["permission"] == "android.permission.DUMP"
    assert provider["grantUriPermissions"] == "false"
    assert not {"readPermission", "writePermission"} & set(provider), "would be weaker"
    assert [name for name, _ in manifest if "intent-filter" in name or name == "activity-alias"] == []


def test_it_is_not_debuggable_and_keeps_no_copies(manifest: list[tuple[str, dict[str, str]]]) -> None:
    application = only(manifest, "application")
    assert application.get("debuggable", "false") == "false" and application.get("testOnly", "false") == "false"
    assert application["allowBackup"] == "false"
    assert "sharedUserId" not in only(manifest, "manifest")
    assert only(manifest, "profileable")["shell"] == "true"


def test_it_instruments_itself_alone(manifest: list[tuple[str, dict[str, str]]]) -> None:
    instrumentation = only(manifest, "instrumentation")
    assert instrumentation["targetPackage"] == only(manifest, "manifest")["package"] == f"{apk.PACKAGE}.litert"
    assert instrumentation["name"] == f"{apk.PACKAGE}.BenchInstrumentation"


def test_its_code_is_a_sound_dex_with_every_class_of_the_sources(litert_apk: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(litert_apk) as package:
        assert package.testzip() is None
        (tmp_path / "classes.dex").write_bytes(package.read("classes.dex"))
    told = said([tools.program("dexdump"), str(tmp_path / "classes.dex")], tmp_path / "dexdump.log")
    inside = set(re.findall(r"Class descriptor  : 'Lorg/pocketbench/(\w+/\w+);'", told))
    sources = jvm.java_sources(jvm.CORE, *(tools.APP / f"app/src/{one}/java" for one in ("main", "litert")))
    assert {f"{path.parent.name}/{path.stem}" for path in sources} <= inside
    own = [
        one for one in re.findall(r"Class descriptor  : 'L([\w/$]+);'", told) if not one.startswith("org/pocketbench/")
    ]
    assert own == [], "stubs must not be shipped"


def test_the_other_flavour_compiles_against_executorchs_own_classes(litert_apk: Path, tmp_path: Path) -> None:
    stubs, executorch = litert_apk.parent / "stubs", tools.fetch(tools.EXECUTORCH)
    own = [tools.APP / f"app/src/{name}/java" for name in ("main", "executorch")]
    sources = [*jvm.java_sources(jvm.CORE, *own), litert_apk.parent / "BuildConfig.java"]
    jvm.compile_java(sources, tmp_path / "classes", log=tmp_path / "javac.log", classpath=[stubs, executorch])
    assert (tmp_path / "classes/org/pocketbench/app/ExecuTorchRuntime.class").is_file()


def test_a_package_is_made_once(litert_apk: Path) -> None:
    before = litert_apk.stat().st_mtime_ns
    assert apk.build("litert").stat().st_mtime_ns == before
