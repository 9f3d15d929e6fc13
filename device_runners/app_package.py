"""The benchmark app as a package on a phone: is it there, is it the one that is wanted, put it there, take it away.

There is one for each runtime, so that neither carries the other's libraries. They ask for no permission, so there is
nothing to grant. Nothing that a phone says reaches a command but the path of the package, which is checked.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from device_runners import dumps
from device_runners.adb.link import Link
from device_runners.routes import Handset
from harness.errors import RunnerError
from harness.records import Runtime

CLASS = "org.pocketbench.app"
PACKAGES: dict[Runtime, str] = {"tflite": f"{CLASS}.litert", "executorch": f"{CLASS}.executorch"}
INSTRUMENTATION = f"{CLASS}.BenchInstrumentation"
_PATH = re.compile(r"^package:(/[A-Za-z0-9_./=~+-]{1,400}\.apk)\s*$", re.MULTILINE)
_ASK_SECS, _INSTALL_SECS = 60.0, 300.0
# What Android says when it does not install, and what helps.
_REMEDIES = {
    "INSTALL_FAILED_UPDATE_INCOMPATIBLE": "it is signed with another key: pocketbench clean --device NAME --app first",
    "INSTALL_FAILED_VERSION_DOWNGRADE": "a newer one is there: pocketbench clean --device NAME --app first",
    "INSTALL_FAILED_INSUFFICIENT_STORAGE": "free some space on the phone",
    "INSTALL_FAILED_USER_RESTRICTED": "allow it: Developer options > Install via USB, and confirm on the screen",
    "INSTALL_FAILED_VERIFICATION_FAILURE": "switch off Developer options > Verify apps over USB",
    "INSTALL_FAILED_OLDER_SDK": "the phone's Android is older than 8.0",
    "INSTALL_PARSE_FAILED": "build the app again: docs/android_app.md",
}


def component(package: str) -> str:
    """What `am instrument` starts."""
    return f"{package}/{INSTRUMENTATION}"


def media(package: str) -> str:
    """The app's folder that the shell may read as well."""
    return f"/sdcard/Android/media/{package}"


def installed(link: Link, package: str) -> str:
    """The sha256 of the package on the phone; "" when it is not there."""
    output = link.shell(["pm", "path", package], timeout_secs=_ASK_SECS)
    found = _PATH.search(dumps.text_of(output.stdout))
    if output.code or not found:
        return ""
    said = dumps.text_of(link.shell(["sha256sum", found[1]], timeout_secs=_ASK_SECS).stdout).split()
    return said[0] if said and re.fullmatch(r"[0-9a-f]{64}", said[0]) else "unknown"


def ensure(phone: Handset, runtime: Runtime, apk: Path | None) -> dict[str, str]:
    """The app of a runtime on the phone: this very file, where one is given, else whatever is there.

    It is pushed and installed only when its hash differs. Facts about it; RunnerError when it is not there, or when
    Android does not want it.
    """
    package = PACKAGES[runtime]
    there = installed(phone.link, package)
    facts = {"app": package}
    if apk is None:
        if not there:
            raise RunnerError(
                f"the benchmark app for {runtime} ({package}) is not installed on {phone.link.serial}",
                remedy=f"name it (phone.{runtime}_app: FILE.apk, see docs/android_app.md), or use phone.route: binary",
            )
        return facts | {"app_sha256": there}
    wanted = _sha256(apk)
    if there != wanted:
        facts |= {"app_installed": "now", "app_compiled": _install(phone, package, apk)}
    return facts | {"app_sha256": wanted}


def uninstall(link: Link) -> list[str]:
    """Take every app of ours away, with all that it kept; the packages that were there."""
    gone = []
    for package in PACKAGES.values():
        output = link.shell(["pm", "uninstall", package], timeout_secs=_INSTALL_SECS)
        if output.code == 0 and "Success" in output.text:
            gone.append(package)
    return gone


def _install(phone: Handset, package: str, apk: Path) -> str:
    """What was installed is compiled ahead, so that the loop is not interpreted; a phone may refuse that, and what came
    of it is returned."""
    place = phone.stored(apk, mode=0o644)
    output = phone.link.shell(["pm", "install", "-r", place], timeout_secs=_INSTALL_SECS)
    said = " ".join(dumps.text_of(output.stdout + b" " + output.stderr).split())
    if output.code or "Success" not in said:
        remedy = next((words for sign, words in _REMEDIES.items() if sign in said), "see what the phone's screen asks")
        why = said[:300] or "it said nothing"
        raise RunnerError(f"{phone.link.serial} did not install {apk.name}: {why}", remedy=remedy)
    if not installed(phone.link, package):
        raise RunnerError(f"{apk} was installed and is not {package}", remedy="name the app of that runtime")
    done = phone.link.shell(["cmd", "package", "compile", "-m", "speed", "-f", package], timeout_secs=_INSTALL_SECS)
    said = " ".join(dumps.text_of(done.stdout + b" " + done.stderr).split())
    return "ahead" if done.code == 0 and "Success" in said else f"not ahead: {said[:200] or 'it said nothing'}"


def _sha256(apk: Path) -> str:
    try:
        with open(apk, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RunnerError(f"{apk} cannot be read: {error.strerror}", remedy="see docs/android_app.md") from error
