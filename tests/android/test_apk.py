"""The app as a package: signed, aligned, and open to nobody but the shell."""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

import pytest

from android_app.ci import apk, jvm, package_check, tools
from android_app.ci.package_check import Element
from harness.process import Bounds, execute

pytestmark = [pytest.mark.android, pytest.mark.runtimes]


def said(argv: list[str], log: Path) -> str:
    execute(argv, bounds=Bounds(timeout_secs=60), log=log)
    return log.read_text()


@pytest.fixture(scope="module")
def manifest(litert_apk: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Element]:
    return package_check.manifest(litert_apk, tmp_path_factory.mktemp("manifest") / "aapt.log")


def only(manifest: list[Element], name: str) -> dict[str, str]:
    (found,) = [attributes for element, attributes in manifest if element == name]
    return found


def test_it_is_signed_as_phones_want_it(litert_apk: Path, tmp_path: Path) -> None:
    told = said([tools.program("apksigner"), "verify", "-v", str(litert_apk)], tmp_path / "apksigner.log")
    assert "APK Signature Scheme v2): true" in told and "APK Signature Scheme v3): true" in told
    assert said([tools.program("zipalign"), "-c", "-p", "4", str(litert_apk)], tmp_path / "zipalign.log") == ""


def test_it_asks_for_no_permission(manifest: list[Element]) -> None:
    assert [name for name, _ in manifest if name.startswith(("uses-permission", "permission"))] == []


def test_nothing_is_exported_but_the_provider_that_dump_guards(manifest: list[Element]) -> None:
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


def test_it_is_not_debuggable_and_keeps_no_copies(manifest: list[Element]) -> None:
    application = only(manifest, "application")
    assert application.get("debuggable", "false") == "false" and application.get("testOnly", "false") == "false"
    assert application["allowBackup"] == "false"
    assert "sharedUserId" not in only(manifest, "manifest")
    assert only(manifest, "profileable")["shell"] == "true"


def test_it_instruments_itself_alone(manifest: list[Element]) -> None:
    instrumentation = only(manifest, "instrumentation")
    assert instrumentation["targetPackage"] == only(manifest, "manifest")["package"] == f"{apk.PACKAGE}.litert"
    assert instrumentation["name"] == f"{apk.PACKAGE}.BenchInstrumentation"


@pytest.mark.parametrize("flavour", apk.FLAVOURS)
def test_its_code_is_a_sound_dex_with_every_class_of_the_sources(
    flavour: str, litert_apk: Path, executorch_apk: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile({"litert": litert_apk, "executorch": executorch_apk}[flavour]) as package:
        assert package.testzip() is None
        (tmp_path / "classes.dex").write_bytes(package.read("classes.dex"))
    told = said([tools.program("dexdump"), str(tmp_path / "classes.dex")], tmp_path / "dexdump.log")
    inside = set(re.findall(r"Class descriptor  : 'Lorg/pocketbench/(\w+/\w+);'", told))
    sources = jvm.java_sources(jvm.CORE, *(tools.APP / f"app/src/{one}/java" for one in ("main", flavour)))
    assert {f"{path.parent.name}/{path.stem}" for path in sources} <= inside
    own = [
        one for one in re.findall(r"Class descriptor  : 'L([\w/$]+);'", told) if not one.startswith("org/pocketbench/")
    ]
    assert own == [], "stubs must not be shipped"


WORSE: list[tuple[str, dict[str, str], str]] = [
    ("uses-permission", {"name": "android.permission.INTERNET"}, "<uses-permission> android.permission.INTERNET"),
    ("permission", {"name": "own"}, "<permission> own"),
    ("receiver", {"name": "R", "exported": "true"}, "receiver R is exported"),
    ("service", {"name": "S"}, "service S is exported"),
    ("activity-alias", {"name": "A", "exported": "true"}, "activity-alias A is exported"),
    ("intent-filter", {}, "an intent filter"),
    ("application", {"debuggable": "true", "allowBackup": "false"}, "debuggable is on"),
    ("application", {}, "allowBackup is on"),
    (
        "instrumentation",
        {"targetPackage": "other"},
        "org.pocketbench.app.litert instruments org.pocketbench.app.litert",
    ),
    (
        "provider",
        {"name": package_check.PROVIDER, "permission": "android.permission.DUMP", "readPermission": "x"},
        "the provider of results is not guarded by DUMP alone",
    ),
    ("provider", {"name": package_check.PROVIDER}, "the provider of results is not guarded by DUMP alone"),
    (
        "provider",
        {"name": package_check.PROVIDER, "permission": "android.permission.DUMP", "grantUriPermissions": "true"},
        "the provider of results lends its files",
    ),
]


def test_nothing_is_wrong_with_either_package(litert_apk: Path, executorch_apk: Path) -> None:
    assert package_check.wrong(litert_apk) == package_check.wrong(executorch_apk) == []


@pytest.mark.parametrize(("name", "attributes", "told"), WORSE, ids=[row[2] for row in WORSE])
def test_what_a_library_adds_to_the_manifest_is_found(
    manifest: list[Element], name: str, attributes: dict[str, str], told: str
) -> None:
    (found,) = package_check.open_doors([*manifest, Element(name, attributes)])
    assert found.startswith(told)


@pytest.mark.parametrize(("page", "told"), [(0x1000, ["is aligned to 4096 bytes"]), (0x4000, [])])
def test_a_library_that_phones_with_large_pages_refuse_is_found(
    litert_apk: Path, tmp_path: Path, page: int, told: list[str]
) -> None:
    library, package = tmp_path / "libx.so", tmp_path / "x.apk"
    (tmp_path / "x.c").write_text("int x(void) { return 1; }\n")
    argv = [tools.program("g++"), "-shared", "-fPIC", f"-Wl,-z,max-page-size={page}", str(tmp_path / "x.c")]
    said([*argv, "-o", str(library)], tmp_path / "g++.log")
    shutil.copy(litert_apk, package)
    with zipfile.ZipFile(package, "a") as archive:
        archive.write(library, "lib/x86_64/libx.so")
        archive.write(library, "lib/armeabi-v7a/libx.so")
    assert package_check.wrong(package) == [f"lib/x86_64/libx.so {one}" for one in told]


def test_a_package_that_cannot_be_read_does_not_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.apk").write_bytes(b"no package")
    assert package_check.main([str(tmp_path / "x.apk")]) == 1
    assert "x.apk: " in capsys.readouterr().err
    assert package_check.main([]) == 1, "nothing was looked at"


def test_a_package_is_made_once(litert_apk: Path) -> None:
    before = litert_apk.stat().st_mtime_ns
    assert apk.build("litert").stat().st_mtime_ns == before
