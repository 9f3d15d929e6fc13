"""The app on a phone: installed only when it has to be, and what a phone may say to that."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from device_runners import app_package
from device_runners.adb.link import Output
from harness.errors import RunnerError
from tests.fakes.links import FakeLink

LITERT = app_package.PACKAGES["tflite"]
PLACE = f"package:/data/app/~~x-1==/{LITERT}-2Q==/base.apk\n"


class Phone:
    """A handset that keeps what it is given."""

    def __init__(self, link: FakeLink) -> None:
        self.link = link
        self.pushed: list[Path] = []

    def stored(self, file: Path, *, mode: int) -> str:
        self.pushed.append(file)
        return "/data/local/tmp/pocketbench/files/abc.apk"

    def execute(self, *_: object, **__: object) -> object:
        raise AssertionError("nothing is run to install")


@pytest.fixture
def apk(tmp_path: Path) -> Path:
    path = tmp_path / "litert.apk"
    path.write_bytes(b"the app")
    return path


def phone_with(sha256: str) -> Phone:
    link = FakeLink().on("pm", "path", answer=PLACE).on("sha256sum", answer=f"{sha256}  /data/app/base.apk\n")
    return Phone(link.on("pm", "install", answer="Success\n").on("cmd", "package", answer="Success\n"))


def digest(apk: Path) -> str:
    return hashlib.sha256(apk.read_bytes()).hexdigest()


def test_the_same_package_is_not_installed_again(apk: Path) -> None:
    phone = phone_with(digest(apk))
    facts = app_package.ensure(phone, "tflite", apk)
    assert facts == {"app": LITERT, "app_sha256": digest(apk)}
    assert phone.pushed == [] and not [words for words in phone.link.asked if words[:2] == ("pm", "install")]


def test_another_package_is_replaced_and_compiled_ahead(apk: Path) -> None:
    phone = phone_with("0" * 64)
    facts = app_package.ensure(phone, "tflite", apk)
    assert (facts["app_installed"], facts["app_compiled"]) == ("now", "ahead")
    assert phone.pushed == [apk]
    assert ("pm", "install", "-r", "/data/local/tmp/pocketbench/files/abc.apk") in phone.link.asked
    assert ("cmd", "package", "compile", "-m", "speed", "-f", LITERT) in phone.link.asked


@pytest.mark.parametrize("answer", [Output(code=0, stdout=b"Failure: no dex2oat\n"), Output(code=1), 127])
def test_a_phone_that_does_not_compile_ahead_is_told_in_the_facts(apk: Path, answer: Output | int) -> None:
    phone = phone_with("0" * 64)
    phone.link.on("cmd", "package", answer=answer)
    assert app_package.ensure(phone, "tflite", apk)["app_compiled"].startswith("not ahead: ")


def test_without_a_file_the_one_that_is_there_is_used() -> None:
    assert app_package.ensure(phone_with("1" * 64), "tflite", None) == {"app": LITERT, "app_sha256": "1" * 64}


def test_a_phone_without_the_app_says_how_it_gets_there() -> None:
    with pytest.raises(RunnerError, match=r"for executorch .* is not installed on FAKE0001") as caught:
        app_package.ensure(Phone(FakeLink().on("pm", "path", answer=1)), "executorch", None)
    assert "phone.executorch_app" in caught.value.remedy


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("Failure [INSTALL_FAILED_UPDATE_INCOMPATIBLE: signatures do not match]", "--app first"),
        ("Failure [INSTALL_FAILED_USER_RESTRICTED: Install canceled by user]", "Install via USB"),
        ("Failure [INSTALL_FAILED_INSUFFICIENT_STORAGE]", "free some space"),
        ("Failure [INSTALL_FAILED_NEW_REASON]", "screen"),
    ],
)
def test_what_android_does_not_want_is_told_with_what_helps(apk: Path, said: str, remedy: str) -> None:
    phone = phone_with("0" * 64)
    phone.link.on("pm", "install", answer=Output(code=1, stdout=f"{said}\n".encode()))
    with pytest.raises(RunnerError, match=r"did not install litert\.apk: Failure") as caught:
        app_package.ensure(phone, "tflite", apk)
    assert remedy in caught.value.remedy


def test_the_app_of_another_runtime_is_found_out(apk: Path) -> None:
    link = FakeLink().on("pm", "path", answer=1).on("pm", "install", answer="Success\n")
    with pytest.raises(RunnerError, match=r"is not org\.pocketbench\.app\.litert"):
        app_package.ensure(Phone(link), "tflite", apk)


@pytest.mark.parametrize("path", ["/data/app/$(reboot)/base.apk", "/data/app/a;b.apk", "/data/app/x y.apk", ""])
def test_a_path_that_is_none_is_never_used(path: str) -> None:
    link = FakeLink().on("pm", "path", answer=f"package:{path}\n")
    assert app_package.installed(link, LITERT) == ""
    assert link.asked == [("pm", "path", LITERT)]


def test_uninstalling_takes_both_apps(apk: Path) -> None:
    link = FakeLink().on("pm", "uninstall", answer="Success\n").on("pm", "uninstall", LITERT, answer=Output(code=1))
    assert app_package.uninstall(link) == ["org.pocketbench.app.executorch"]
    assert len(link.asked) == 2


def test_an_app_that_cannot_be_read_is_told_before_anything_is_pushed(tmp_path: Path) -> None:
    phone = phone_with("0" * 64)
    with pytest.raises(RunnerError, match="cannot be read"):
        app_package.ensure(phone, "tflite", tmp_path / "absent.apk")
    assert phone.pushed == []
