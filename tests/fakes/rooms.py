"""A model, converters and a runner that cost nothing: y = 2x, measured at 1 ms per call, or failing as told."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

import converters
from device_runners.wire import BuildResult, Request, Response, TensorFile
from harness.errors import PocketbenchError, ProcessCrashed
from harness.pipeline import Rooms
from harness.process import Bounds
from harness.records import (
    Block,
    Contents,
    Device,
    Failure,
    Memory,
    Model,
    ModelSource,
    Recipe,
    Runtime,
    TensorSpec,
    Variant,
)

SAMPLES = 20
SPEC = TensorSpec(name="x", shape=(1, 4), dtype="float32")


def prepare(source: ModelSource, *, root: Path, workshop: converters.Workshop) -> converters.Prepared:
    """The model's files: inputs, labels and reference outputs."""
    folder = Path(workshop.cache) / "prepared"
    for name in ("evaluation", "reference"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    inputs = np.random.default_rng(0).normal(size=(SAMPLES, 1, 4)).astype("float32")
    np.save(folder / "evaluation" / "input_0.npy", inputs)
    np.save(folder / "evaluation" / "labels.npy", inputs[:, 0].argmax(axis=1))
    np.save(folder / "reference" / "output_0.npy", 2 * inputs)
    model = Model(
        name="double",
        source=source.source,
        format="python",
        fingerprint="f" * 64,
        inputs=(SPEC,),
        outputs=(SPEC,),
        evaluation_samples=SAMPLES,
        labelled=True,
        metric="accuracy",
    )
    return converters.Prepared(model=model, key="k", folder=str(folder), cached=False, seconds=0.1)


class Converter:
    """convert() of the converters room; failing: variant id -> Failure."""

    def __init__(self, failing: Mapping[str, Failure] | None = None) -> None:
        self.failing = dict(failing or {})
        self.made: list[str] = []

    def __call__(
        self, prepared: converters.Prepared, runtime: Runtime, recipe: Recipe, *, workshop: converters.Workshop
    ) -> Variant:
        id_ = f"{runtime}/{recipe.name}"
        if id_ in self.failing:
            return Variant(id=id_, runtime=runtime, recipe=recipe.name, failure=self.failing[id_])
        self.made.append(id_)
        size = 1000 if recipe.name == "fp32" else 260
        dtype = "float32" if recipe.name == "fp32" else "int8"
        contents = Contents(
            format="tflite" if runtime == "tflite" else "pte",
            size_bytes=size,
            download_bytes=size - 100,
            weight_elements={dtype: 200},
            weight_bytes={dtype: size - 200},
            sparsity=0.0,
            operators={"FULLY_CONNECTED": 1},
            delegates={"xnnpack": 1},
            delegated_operators=1,
            total_operators=1,
            macs=16,
            delegated_macs_share=1.0,
            inputs=(SPEC,),
            outputs=(SPEC,),
        )
        path = Path(workshop.cache) / f"{runtime}-{recipe.name}.bin"
        path.write_text(id_)
        return Variant(
            id=id_,
            runtime=runtime,
            recipe=recipe.name,
            path=str(path),
            sha256=hashlib.sha256(id_.encode()).hexdigest(),
            contents=contents,
        )


class Runner:
    """run() of a device; slow_ns: variant id -> ns per call, failing: variant id -> error, from its n-th run on."""

    def __init__(
        self,
        slow_ns: Mapping[str, int] | None = None,
        failing: Mapping[str, PocketbenchError | KeyboardInterrupt] | None = None,
        fail_at: int = 0,
    ) -> None:
        self.slow_ns = dict(slow_ns or {})
        self.failing = dict(failing or {})
        self.fail_at = fail_at
        self.runs: list[str] = []
        self.closed = False
        self.sessions: list[Session] = []
        self.turns = ""  # who timed a block, in order: the last letter of the build's label

    def device(self) -> Device:
        return Device(kind="host", name="fake host", cores=2)

    def run(self, request: Request, *, folder: Path, bounds: Bounds) -> Response:
        (build,) = request.builds
        count = self.runs.count(build.id)
        self.runs.append(build.id)
        if build.id in self.failing and count >= self.fail_at:
            raise self.failing[build.id]
        per_call = self.slow_ns.get(build.id, 1_000_000)
        noise = np.random.default_rng(len(self.runs)).integers(0, 2_000, size=10)
        block = Block(wall_ns=tuple(int(per_call + n) for n in noise), wait_ns=(0,) * 10, canary_ns=40_000)
        result = BuildResult(
            build=build.id,
            load_ns=5_000_000,
            first_inference_ns=3 * per_call,
            warmup=block,
            blocks=(block,) * request.timing.blocks,
            memory=Memory(peak_rss_mb=4.0, total_peak_rss_mb=40.0),
            inputs=(SPEC,),
            outputs=(SPEC,),
            output_files=(self._outputs(request),) if request.outputs else (),
            delegate="xnnpack",
            delegated_operators=1,
            total_operators=1,
        )
        return Response(run_id=request.run_id, started="2026-01-01T00:00:00+00:00", results=(result,))

    def start(self, request: Request, *, folder: Path, bounds: Bounds) -> Session:
        self.runs.append(request.builds[0].id)
        session = Session(self, request, np.random.default_rng(len(self.runs)))
        self.sessions.append(session)
        return session

    def close(self) -> None:
        self.closed = True

    def _outputs(self, request: Request) -> TensorFile:
        (given,) = request.inputs
        values = np.fromfile(given.path, dtype=given.dtype).reshape((given.samples, *given.shape))
        path = Path(request.outputs) / "output_0.bin"
        (2 * values).tofile(path)
        return TensorFile(path=str(path), dtype="float32", shape=given.shape, samples=given.samples)


class Session:
    """A paced run of a fake Runner: per-call times with 2 % of noise, a tenth of the wall time in the run queue."""

    def __init__(self, runner: Runner, request: Request, random: np.random.Generator) -> None:
        self._runner, self._request, self._random = runner, request, random
        self._blocks: list[Block] = []
        self._level = float(random.normal(1, 0.005))
        self.closed = False

    def ready(self) -> None:
        name = self._request.builds[0].id
        if name in self._runner.failing:
            raise self._runner.failing[name]

    def block(self) -> None:
        name = self._request.builds[0].id
        self._runner.turns += name[-1]
        calls = self._request.plan[len(self._blocks)].calls
        on_cpu = self._runner.slow_ns.get(name, 1_000_000) * self._level * self._random.normal(1, 0.02, size=calls)
        wait = on_cpu // 9
        wall = tuple(int(v) for v in on_cpu + wait)
        waits = tuple(int(v) for v in wait) if self._request.timing.num_threads == 1 else ()
        self._blocks.append(Block(wall_ns=wall, wait_ns=waits))

    def finish(self) -> Response:
        result = BuildResult(build=self._request.builds[0].id, blocks=tuple(self._blocks))
        return Response(run_id=self._request.run_id, started="2026-01-01T00:00:00+00:00", results=(result,))

    def close(self) -> None:
        self.closed = True


def crashed() -> ProcessCrashed:
    return ProcessCrashed("device_runners.host_worker was ended by SIGSEGV", returncode=-11)


def rooms(runner: Runner, converter: Converter | None = None) -> Rooms:
    return Rooms(
        prepare=prepare,
        convert=converter or Converter(),
        score=lambda *_, **__: None,
        runner=lambda *_: runner,
    )
