"""What the app is compiled against here is what Android publishes; a wrong name would not pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from android_app.ci import api_check, jvm
from harness.errors import ProcessError

pytestmark = [pytest.mark.android, pytest.mark.runtimes]

WRONG = {
    "android/os/PowerManager": "public float getThermalHeadrom(int seconds) { return 0; }",
    "android/os/Bundle": "public void putString(String key, int value) {}",
    "android/os/Debug": "public String getRuntimeStat(String name) { return null; }",
    "android/os/BatteryManager": "public static int BATTERY_PROPERTY_CHARGE_COUNT;",
    "android/os/Process": "public static void killProcess(long pid) {}",
    "android/os/Binder": "public static String getCallingUid() { return null; }",
    "android/os/Wakelock": "public void acquire() {}",
}


def test_every_stub_is_published(litert_apk: Path, tmp_path: Path) -> None:
    log = tmp_path / "javap.log"
    assert api_check.wrong(litert_apk.parent / "stubs", log) == []
    looked_at = list(api_check._classes(log.read_text()))
    assert len(looked_at) >= 30 and sum(len(members) for _, _, members in looked_at) >= 90


def test_what_is_not_published_is_found(tmp_path: Path) -> None:
    for name, member in WRONG.items():
        package, _, simple = name.rpartition("/")
        path = tmp_path / "java" / f"{name}.java"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"package {package.replace('/', '.')};\n\npublic class {simple} {{\n    {member}\n}}\n")
    jvm.compile_java(jvm.java_sources(tmp_path / "java"), tmp_path / "classes", log=tmp_path / "javac.log")
    found = api_check.wrong(tmp_path / "classes", tmp_path / "javap.log")
    assert found == [
        "there is no static int android.os.BatteryManager.BATTERY_PROPERTY_CHARGE_COUNT",
        "there is no static java.lang.String android.os.Binder.getCallingUid()",
        "there is no void android.os.Bundle.putString(java.lang.String, int)",
        "there is no java.lang.String android.os.Debug.getRuntimeStat(java.lang.String)",
        "there is no float android.os.PowerManager.getThermalHeadrom(int)",
        "there is no static void android.os.Process.killProcess(long)",
        "there is no class android.os.Wakelock",
    ]


def test_the_app_does_not_compile_with_a_misspelt_method(litert_apk: Path, tmp_path: Path) -> None:
    source = tmp_path / "Misspelt.java"
    source.write_text(
        "import android.os.PowerManager;\n\nfinal class Misspelt {\n"
        "    float ask(PowerManager power) {\n        return power.getThermalHeadrom(0);\n    }\n}\n"
    )
    with pytest.raises(ProcessError):
        jvm.compile_java([source], tmp_path, log=tmp_path / "javac.log", classpath=[litert_apk.parent / "stubs"])
    assert "cannot find symbol" in (tmp_path / "javac.log").read_text()
