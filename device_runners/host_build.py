"""One build in the worker, from its file to its result: the steps in their order, each once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter_ns
from typing import TypeVar

import numpy as np

from device_runners import linux, memory, tensors
from device_runners.engines import Delegation, Engine, EngineRuntime, one_line
from device_runners.loop import Loop, thinned
from device_runners.stopwatch import Stopwatch
from device_runners.tensors import Array
from device_runners.wire import BuildFile, BuildResult, Request, TensorFile
from harness.errors import PocketbenchError, RunnerError
from harness.records import Block, EnergyTrace, Memory, TensorSpec

ROTATED_SAMPLES = 8  # as many different inputs take turns in the timing; all of them are run afterwards
_T = TypeVar("_T")


class Build:
    """open -> warm_up -> blocks -> run_samples -> result; any of them may raise a PocketbenchError, and after
    `refuse` all but the last do nothing."""

    def __init__(self, file: BuildFile, request: Request, *, folder: Path, stopwatch: Stopwatch) -> None:
        self.file = file
        self.failure = ""
        self._request = request
        self._folder = folder
        self._stopwatch = stopwatch
        self._engine: Engine | None = None
        self._loop: Loop | None = None
        self._samples: list[Array] = []
        self._load_ns = self._first_ns = 0
        self._mark: memory.Mark | None = None
        self._warm: tuple[Block | None, bool] = (None, False)
        self._blocks: list[Block] = []
        self._memory: Memory | None = None
        self._output_files: tuple[TensorFile, ...] = ()
        self._delegation = Delegation()
        self._facts: dict[str, str] = {}
        self._waited_ns = self._wall_ns = 0
        self.timed_calls = 0

    def refuse(self, error: PocketbenchError) -> None:
        """Its failure, in one line; its numbers are void."""
        self.failure = f"{error.message}; {error.remedy}" if error.remedy else error.message
        self._engine = self._loop = None

    def open(self, runtime: EngineRuntime) -> None:
        """Check the file, load it, and call it once; the memory mark stands right before the load."""
        path = self._folder / self.file.path
        _check_hash(path, self.file.sha256)
        self._samples = [tensors.samples_of(file, self._folder) for file in self._request.inputs]
        first = [np.array(sample[0]) for sample in self._samples]
        self._mark = memory.mark()
        start = perf_counter_ns()
        engine = runtime.load(path, [sample.shape for sample in first])
        self._load_ns = perf_counter_ns() - start
        feed = engine.feeding(_fitted(first, engine.inputs) if first else tensors.zeros_for(engine.inputs))
        loop = Loop(self._stopwatch, engine.invoke, feeds=[feed], timing=self._request.timing, idle=engine.idle)
        self._first_ns, waited_ns = _called(loop.first)
        _called(lambda: loop.size(self._first_ns - waited_ns, lambda: _repeatable(engine)))
        self._facts = {"first_inference_wait_ns": str(waited_ns), **engine.facts(), **self._input_facts(engine)}
        self._engine, self._loop = engine, loop

    def warm_up(self) -> None:
        """Until steady; then memory is read, and the other samples join the rotation."""
        if self._engine is None or self._loop is None or self._mark is None:
            return
        self._warm = _called(self._loop.warm_up)
        self._memory = memory.since(self._mark)
        self._delegation = self._engine.delegation()
        if self._samples:
            count = min(ROTATED_SAMPLES, len(self._samples[0]))
            chosen = [_fitted([sample[i] for sample in self._samples], self._engine.inputs) for i in range(count)]
            self._loop.rotate([self._engine.feeding(arrays) for arrays in chosen])

    def block(self) -> None:
        """One of `timing.blocks` equal shares of the runs and the time asked for."""
        timing = self._request.timing
        if self._loop is None or (self._blocks and self._loop.left_ns <= 0):
            return
        calls = -(-timing.num_runs // timing.blocks)
        self._timed(lambda loop: loop.block(calls, min_secs=timing.min_secs / timing.blocks, share=1 / timing.blocks))

    def planned_block(self, calls: int) -> None:
        if self._loop is not None:
            self._timed(lambda loop: loop.block(calls))

    def run_samples(self) -> None:
        """Every sample once; outputs go to disk one by one."""
        if self._engine is None or not self._request.outputs or not self._samples:
            return
        engine, place = self._engine, Path(self._request.outputs)
        several = len(self._request.builds) > 1
        stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", self.file.id) + "-" if several else ""
        writer = tensors.OutputWriter(self._folder / place, named=self._request.outputs, stem=stem)
        for number in range(len(self._samples[0])):
            engine.reset()
            engine.feeding(_fitted([sample[number] for sample in self._samples], engine.inputs))()
            _called(engine.invoke)
            outputs = engine.read()
            writer.add([tensors.restored(v, spec) for v, spec in zip(outputs, engine.outputs, strict=True)])
        self._output_files = writer.files
        self._facts["non_finite_outputs"] = str(writer.non_finite)

    def result(self, energy: EnergyTrace | None = None) -> BuildResult:
        if self.failure:
            return BuildResult(build=self.file.id, failure=self.failure, steady=False)
        assert self._engine is not None
        return BuildResult(
            build=self.file.id,
            load_ns=self._load_ns,
            first_inference_ns=self._first_ns,
            warmup=self._warm[0],
            blocks=tuple(self._blocks),
            steady=self._warm[1],
            memory=self._memory,
            inputs=self._engine.inputs,
            outputs=self._engine.outputs,
            output_files=self._output_files,
            delegate=self._delegation.delegate,
            delegated_operators=self._delegation.delegated_operators,
            total_operators=self._delegation.total_operators,
            facts=self._facts | self._loop_facts(),
            energy=energy,
        )

    def _timed(self, work: Callable[[Loop], Block]) -> None:
        loop = self._loop
        assert loop is not None
        before = linux.run_queue_wait_ns()
        block = _called(lambda: work(loop))
        after = linux.run_queue_wait_ns()
        self._wall_ns += sum(block.wall_ns)
        self.timed_calls += len(block.wall_ns) * block.calls_per_sample
        self._blocks.append(thinned(block, self._request.samples_per_block))
        if before is not None and after is not None:
            self._waited_ns += after - before

    def _input_facts(self, engine: Engine) -> dict[str, str]:
        """What stands between the samples and the build."""
        given = [sample.dtype.name for sample in self._samples]
        facts = {"num_threads": str(self._request.timing.num_threads)}
        for number, (dtype, spec) in enumerate(zip(given, engine.inputs, strict=False)):
            if dtype != spec.dtype:
                how = "quantized" if tensors.is_quantized(spec) else "cast"
                facts[f"input_{number}"] = f"{how} from {dtype} to {spec.dtype}"
        for number, spec in enumerate(engine.outputs):
            if tensors.is_quantized(spec):
                facts[f"output_{number}"] = f"dequantized from {spec.dtype} to float32"
        return facts

    def _loop_facts(self) -> dict[str, str]:
        """run_queue_wait_share: of all threads of the process, of the time on the wall in the blocks; above 1 when
        more than one waited at a time."""
        assert self._loop is not None
        facts = {"calls_per_sample": str(self._loop.calls_per_sample), "idle_call_ns": str(self._loop.idle_ns)}
        if self._wall_ns and linux.run_queue_wait_ns() is not None:
            facts["run_queue_wait_share"] = f"{self._waited_ns / self._wall_ns:.3f}"
        if self._loop.cut_short:
            facts["cut_short"] = f"max_secs {self._request.timing.max_secs:g} ended the timing"
        return facts


def _check_hash(path: Path, sha256: str) -> None:
    try:
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RunnerError(f"{path} cannot be read: {error.strerror}") from error
    if found != sha256:
        raise RunnerError(
            f"{path} is not the file that was asked for: sha256 {found[:12]}..., expected {sha256[:12]}...",
            remedy="it changed or was cut off on the way; make it anew",
        )


def _called(work: Callable[[], _T]) -> _T:
    """A runtime that fails in the middle of a call says so with a RuntimeError or a ValueError."""
    try:
        return work()
    except (RuntimeError, ValueError) as error:
        raise RunnerError(f"the build failed when it was run: {one_line(error)}") from error


def _repeatable(engine: Engine) -> bool:
    """Whether a call leaves the inputs as they were fed; a memory plan may put other tensors in their place."""
    fed = engine.read()
    engine.invoke()
    return all(a.tobytes() == b.tobytes() for a, b in zip(fed, engine.read(), strict=True))


def _fitted(arrays: Sequence[Array], specs: Sequence[TensorSpec]) -> list[Array]:
    tensors.check_count(len(arrays), specs)
    return [tensors.fitted(array, spec) for array, spec in zip(arrays, specs, strict=True)]
