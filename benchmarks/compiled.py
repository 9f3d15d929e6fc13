"""The small native programs of native/, compiled on the spot into a shared library and loaded with ctypes."""

from __future__ import annotations

import ctypes
import importlib.util
import shutil
from pathlib import Path

from harness.errors import RunnerError
from harness.process import Bounds, execute

NATIVE = Path(__file__).with_name("native")
BOUNDS = Bounds(timeout_secs=120)


def spin(folder: Path) -> Path:
    """A library with `uint64_t spin(uint64_t steps)`."""
    return _compiled(["gcc", "-O2"], NATIVE / "spin.c", folder)


def litert_loop(folder: Path) -> Path:
    """A library with the loop over the installed ai-edge-litert."""
    place = _package("ai_edge_litert")
    after = [f"-L{place}", "-l:libLiteRt.so", f"-Wl,-rpath,{place}"]
    return _compiled(["gcc", "-O2", "-std=c11", "-D_GNU_SOURCE"], NATIVE / "litert_loop.c", folder, after)


def benchmark_policy(folder: Path) -> Path:
    """A program that times one .tflite as benchmark_model does by default."""
    place = _package("ai_edge_litert")
    after = [f"-L{place}", "-l:libLiteRt.so", f"-Wl,-rpath,{place}"]
    source, target = NATIVE / "benchmark_policy.c", folder / "benchmark_policy"
    return _built(["gcc", "-O2", "-std=c11", "-D_GNU_SOURCE", str(source), "-o", str(target), *after], target)


def executorch_loop(folder: Path) -> Path:
    """A library with the loop over the installed executorch."""
    place = _package("executorch")
    includes = [place / "include", place / "include/executorch/runtime/core/portable_type/c10"]
    before = ["g++", "-O2", "-std=c++17", "-w", "-DC10_USING_CUSTOM_GENERATED_MACROS"]
    parts = ("executorch", "executorch_backend_xnnpack", "executorch_kernels_optimized", "executorch_kernels_quantized")
    after = [f"-L{place}/lib", "-Wl,--no-as-needed", *(f"-l{part}" for part in parts), f"-Wl,-rpath,{place}/lib"]
    return _compiled(
        [*before, *(f"-I{include}" for include in includes)], NATIVE / "executorch_loop.cpp", folder, after
    )


def loaded(path: Path) -> ctypes.CDLL:
    """The library with the signatures of its functions."""
    library = ctypes.CDLL(str(path))
    integers = ctypes.POINTER(ctypes.c_int64)
    if hasattr(library, "spin"):
        library.spin.argtypes, library.spin.restype = [ctypes.c_uint64], ctypes.c_uint64
        return library
    library.loop_open.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int]
    library.loop_open.restype = ctypes.c_void_p
    library.loop_run.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int, integers, integers]
    library.loop_output.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
    library.loop_output.restype = ctypes.c_long
    return library


def _compiled(before: list[str], source: Path, folder: Path, after: list[str] | None = None) -> Path:
    target = folder / f"lib{source.stem}.so"
    return _built([*before, "-shared", "-fPIC", str(source), "-o", str(target), *(after or [])], target)


def _built(argv: list[str], target: Path) -> Path:
    if shutil.which(argv[0]) is None:
        raise RunnerError(f"{argv[0]} is needed and not installed", remedy="Debian: sudo apt-get install g++")
    execute(argv, bounds=BOUNDS, log=target.with_suffix(".log"))
    return target


def _package(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise RunnerError(f"{name} is not installed", remedy="pip install 'pocketbench[tflite,executorch]'")
    return Path(next(iter(found.submodule_search_locations)))
