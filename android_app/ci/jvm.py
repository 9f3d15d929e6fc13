"""The app's core on this machine: compiled classes, JNI shims over the runtimes in the PyPI wheels, a worker command.

The worker is called as `device_runners.host_worker` is, `... request.json response.json`, so that whatever asks the one
can ask the other. `python -m android_app.ci.jvm` builds it and prints where it lies.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from android_app.ci import tools
from harness.errors import PocketbenchError, RunnerError
from harness.process import Bounds, execute

CORE, HOST = tools.APP / "core/src/main/java", tools.APP / "host/src/main/java"
SHIMS = tools.APP / "host/src/main/cpp"
MAIN, INSTRUMENT = "org.pocketbench.host.Main", "org.pocketbench.host.Instrument"
# Serial: no collector's threads beside what is timed. A heap that is there before memory is marked.
_HEAP = ("-XX:+UseSerialGC", "-Xms64m", "-Xmx1g", "-XX:+AlwaysPreTouch", "-XX:MaxDirectMemorySize=8g")
JVM_OPTIONS = (*_HEAP, "-XX:-UsePerfData", "-Xshare:auto")
_COMPILE = Bounds(timeout_secs=300)
_C10 = "executorch/include/executorch/runtime/core/portable_type/c10"
_LIBRARIES = ("executorch", "executorch_kernels_optimized", "executorch_backend_xnnpack", "executorch_threadpool")
_DEFINES = ("-DC10_USING_CUSTOM_GENERATED_MACROS", "-DET_EVENT_TRACER_ENABLED", "-DET_USE_THREADPOOL")


class Jvm(NamedTuple):
    """Where the compiled worker lies."""

    classes: Path
    native: Path

    def command(self, main: str = MAIN) -> list[str]:
        """argv of the worker, to which the request's and the response's path are added."""
        properties = {
            "pocketbench.native": self.native,
            "pocketbench.litert": version("ai-edge-litert"),
            "pocketbench.executorch": version("executorch"),
            "pocketbench.kernels": _wheel("executorch") / "lib/libexecutorch_kernels_quantized.so",
        }
        told = [f"-D{name}={value}" for name, value in properties.items()]
        return [tools.program("java"), *JVM_OPTIONS, *told, "-cp", str(self.classes), main]


def build() -> Jvm:
    """Compile what changed since the last time; RunnerError or ProcessError with the compiler's words."""
    sources = [*java_sources(CORE, HOST), *sorted(SHIMS.iterdir())]
    wheels = f"{version('ai-edge-litert')} {version('executorch')} {_wheel('executorch')}"
    place = tools.BUILD / "jvm" / fingerprint(sources, wheels)
    with once(place) as fresh:
        if fresh is not None:
            (fresh / "native").mkdir()
            compile_java(java_sources(CORE, HOST), fresh / "classes", log=fresh / "build.log")
            for name in ("process", "litert", "executorch"):
                _shim(name, fresh)
    return Jvm(place / "classes", place / "native")


def compile_java(sources: Sequence[Path], target: Path, *, log: Path, classpath: Sequence[Path] = ()) -> None:
    """javac for Java 8, every warning an error."""
    target.mkdir(parents=True, exist_ok=True)
    argv = [tools.program("javac"), "--release", "8", "-encoding", "UTF-8", "-Xlint:all,-options", "-Werror"]
    argv += ["-cp", ":".join(map(str, classpath)), "-d", str(target), *map(str, sources)]
    execute(argv, bounds=_COMPILE, log=log)


def java_sources(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*.java"))


def fingerprint(files: Sequence[Path], also: str = "") -> str:
    """Names a build by what it is made of."""
    digest = hashlib.sha256(also.encode())
    for path in files:
        digest.update(str(path.relative_to(tools.APP)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def once(place: Path) -> Iterator[Path | None]:
    """None where `place` is built already; else a fresh folder beside it that takes its name when all went well.

    Another process that wants the same waits for the first.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(place.parent / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if place.is_dir():
            yield None
            return
        fresh = place.parent / f"{place.name}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        yield fresh
        fresh.rename(place)


def _shim(name: str, place: Path) -> None:
    """g++ by hand: the CMake files of the executorch wheel ask for a newer CMake than Debian has."""
    home = tools.java_home() / "include"
    argv = [tools.program("g++"), "-std=c++17", "-O2", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror"]
    argv += [f"-I{home}", f"-I{home}/linux", str(SHIMS / f"{name}_jni.cc")]
    argv += ["-o", str(place / "native" / f"libpocketbench_{name}.so")]
    if name == "litert":
        folder = _wheel("ai_edge_litert")
        argv += [f"-L{folder}", "-lLiteRt", f"-Wl,-rpath,{folder}", "-Wl,--no-undefined"]
    if name == "executorch":
        root = _wheel("executorch").parent
        argv += ["-isystem", str(root / "executorch/include"), "-isystem", str(root / _C10), *_DEFINES]
        argv += ["-Wno-deprecated-declarations"]  # Module::method, which nothing stands in for
        argv += [f"-L{root}/executorch/lib", "-Wl,--no-as-needed", *(f"-l{one}" for one in _LIBRARIES)]
        argv += [f"-Wl,-rpath,{root}/executorch/lib"]
    execute(argv, bounds=_COMPILE, log=place / "build.log")


def _wheel(package: str) -> Path:
    """The folder of an installed package; some are namespaces without a file of their own."""
    spec = importlib.util.find_spec(package)
    places = list(spec.submodule_search_locations or ()) if spec else []
    if not places:
        raise RunnerError(f"the Python package {package} is not here", remedy="pip install 'pocketbench[quickstart]'")
    return Path(places[0])


def main() -> int:
    try:
        built = build()
    except PocketbenchError as error:
        print(f"{error.message}; {error.remedy}", file=sys.stderr)  # noqa: T201
        return 1
    print(*built.command())  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
