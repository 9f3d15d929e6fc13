"""Tiny real builds, and a short way to ask a runner for them."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest

from device_runners.wire import BuildFile, Request, TensorFile, Timing
from harness.process import Bounds, execute

TIMING = Timing(
    num_threads=1,
    warmup_runs=1,
    warmup_min_secs=0.01,
    warmup_max_secs=0.2,
    num_runs=20,
    min_secs=0.02,
    max_secs=5.0,
    blocks=4,
)


@pytest.fixture(scope="session")
def tflite_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of one-operator .tflite files; see tiny_tflite.py for what each computes."""
    from tests.device_runners import tiny_tflite

    folder = tmp_path_factory.mktemp("tflite")
    tiny_tflite.dense(folder / "dense.tflite")
    tiny_tflite.dense(folder / "dense_dynamic.tflite", dynamic=True)
    tiny_tflite.dense_int8(folder / "dense_int8.tflite")
    tiny_tflite.doubled_int32(folder / "doubled_int32.tflite")
    tiny_tflite.sum_of_two(folder / "sum_of_two.tflite")
    tiny_tflite.custom(folder / "custom.tflite")
    tiny_tflite.hungry(folder / "slow.tflite", elements=1_000_000)
    tiny_tflite.hungry(folder / "hungry.tflite", elements=150_000_000)
    return folder


@pytest.fixture(scope="session")
def pte_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small .pte files; see tiny_pte.py for what each computes."""
    folder = tmp_path_factory.mktemp("pte")
    maker = Path(__file__).with_name("tiny_pte.py")
    bounds = Bounds(timeout_secs=400)
    execute([sys.executable, str(maker), str(folder)], bounds=bounds, log=folder / "made.log")
    return folder


def build_of(path: Path, name: str = "") -> BuildFile:
    """A build as the harness would ask for it."""
    runtime = "executorch" if path.suffix == ".pte" else "tflite"
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return BuildFile(id=name or f"{runtime}/{path.stem}", runtime=runtime, path=str(path), sha256=sha256)


def asked(folder: Path, paths: Path | list[Path], *inputs: np.ndarray, **changes: object) -> Request:
    """A request for one build, or several, whose inputs are written to `folder`, with `changes` made to it."""
    files = []
    for number, values in enumerate(inputs):
        name = f"in_{number}.bin"
        (folder / name).write_bytes(np.ascontiguousarray(values).tobytes())
        shape = tuple(values.shape[1:])
        files.append(TensorFile(path=name, dtype=values.dtype.name, shape=shape, samples=len(values)))
    request = Request(
        run_id="test",
        builds=tuple(build_of(path) for path in (paths if isinstance(paths, list) else [paths])),
        timing=TIMING,
        inputs=tuple(files),
        outputs="outputs" if inputs else "",
    )
    return msgspec.structs.replace(request, **changes)


Ask = Callable[..., Request]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """ask(path, *arrays, **changes): a request whose files are in the test's own folder."""
    return partial(asked, tmp_path)


def outputs_of(file: TensorFile, folder: Path) -> np.ndarray:
    return np.fromfile(folder / file.path, file.dtype).reshape(file.samples, *file.shape)
