"""The contract with everything that measures: request.json in, response.json out.

The host worker and the Android app are twins that serve it. Tensors travel as raw little-endian files beside
the two JSON files, row-major, all samples one after the other; paths are relative to the request's folder
unless absolute. Unknown keys, wrong types and numbers out of range are refused on both sides.

A request names one or more builds and, when it wants to say who is timed when, a block plan: the i-th block
times `calls` calls of `builds[block.build]`, rounded up to whole samples where a sample is several calls. An
empty plan leaves it to the runner: `timing.blocks` blocks per build, the builds in turn, long enough for
`timing.num_runs` and `timing.min_secs`. `timing.max_secs` bounds the timed part of each build in both cases.

A `paced` worker serves a plan block by block, so that two live processes can alternate. One line each way:

    worker: ready              every build is loaded and warm, and memory was read
    runner: go                 time the next block of the plan
    worker: done               ... it is timed
    runner: finish             (or the end of input; not needed after the last block) write the response and end
    worker: failed <reason>    in place of `ready` or `done`: a build was refused; the response is written
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from harness.errors import RunnerError, StoreError
from harness.records import Accelerator, Block, EnergyTrace, Memory, Record, Runtime, TensorSpec

WIRE_VERSION = 1
MAX_JSON_BYTES = 64 * 2**20
# In a worker's log: what begins the lines that say what it is doing, and the last of one that takes no request.
STAGE, REFUSED = "pocketbench:", "refused:"
READY, GO, DONE, FINISH, FAILED = "ready", "go", "done", "finish", "failed"

_Message = TypeVar("_Message", "Request", "Response")
_MOST = 2**53  # what every JSON reader counts to without loss
Count = Annotated[int, msgspec.Meta(ge=0, le=_MOST)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=_MOST)]
Threads = Annotated[int, msgspec.Meta(ge=1, le=1024)]  # runtimes make as many as they are asked for
Seconds = Annotated[float, msgspec.Meta(ge=0)]


class BuildFile(Record, frozen=True, kw_only=True):
    """One build to load; sha256 is checked before the file is opened by a runtime."""

    id: str
    runtime: Runtime
    path: str
    sha256: str


class TensorFile(Record, frozen=True, kw_only=True):
    """`samples` tensors of one input or output; the file holds samples * prod(shape) elements."""

    path: str
    dtype: str
    shape: tuple[Count, ...]
    samples: Positive


class Timing(Record, frozen=True, kw_only=True):
    """How a build is timed; the same words as `harness.records.Settings`, per restart.

    No warm-up is asked for by warmup_runs 0 together with warmup_min_secs 0.
    """

    accelerator: Accelerator = "cpu"
    num_threads: Threads
    warmup_runs: Count
    warmup_min_secs: Seconds
    warmup_max_secs: Seconds
    num_runs: Positive
    min_secs: Seconds
    max_secs: Seconds
    blocks: Positive


class PlannedBlock(Record, frozen=True, kw_only=True):
    """One block of a plan: `calls` timed calls of `builds[build]`."""

    build: Count
    calls: Positive


class Request(Record, frozen=True, kw_only=True):
    """Measure these builds. inputs: the samples to time with (taken in turn) and, where `outputs` names a
    folder, to run once each after the timing, so that the measured build's own outputs can be judged.
    Empty inputs: zeros of the build's own shapes, and no outputs. samples_per_block: most that are sent back of a
    timed block, evenly spaced over it, so that minutes of short calls still fit in a response; 0 for all."""

    wire_version: int = WIRE_VERSION
    run_id: str
    builds: tuple[BuildFile, ...]
    timing: Timing
    plan: tuple[PlannedBlock, ...] = ()
    paced: bool = False
    inputs: tuple[TensorFile, ...] = ()
    outputs: str = ""
    samples_per_block: Count = 0


class BuildResult(Record, frozen=True, kw_only=True):
    """What came of one build. failure: empty, or one line; the other builds of the request go on. load_ns,
    first_inference_ns: 0 where a runner does not tell.

    delegate: name of what took operators off the runtime's own kernels ("" for nothing), with the counts as the
    runtime tells them after loading. steady: whether the warm-up rule was met before its time limit. inputs,
    outputs: the build's own; output_files: what was written, quantized outputs as the float32 they stand for.
    facts: of this build in this process, such as what was done to its inputs. energy: one group of blocks, where the
    device has a counter and the build was alone in its request.
    """

    build: str
    load_ns: int = 0
    first_inference_ns: int = 0
    warmup: Block | None = None
    blocks: tuple[Block, ...] = ()
    steady: bool = True
    memory: Memory | None = None
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    output_files: tuple[TensorFile, ...] = ()
    delegate: str = ""
    delegated_operators: int | None = None
    total_operators: int | None = None
    facts: dict[str, str] = {}
    energy: EnergyTrace | None = None
    failure: str = ""


class Response(Record, frozen=True, kw_only=True):
    """Everything one process found out: results in the order of the request's builds, facts of the process."""

    wire_version: int = WIRE_VERSION
    run_id: str
    started: str
    results: tuple[BuildResult, ...]
    facts: dict[str, str] = {}


def write(path: Path, message: Request | Response) -> None:
    """Write whole or not at all; StoreError where it cannot be written."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        temporary.write_bytes(msgspec.json.encode(message))
        temporary.replace(path)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror}", remedy="choose a folder that can be written to"
        ) from error


def read_request(path: Path) -> Request:
    """Raises RunnerError that names the file and what is wrong with it."""
    request = _read(path, Request)
    if not request.builds:
        raise RunnerError(f"{path}: the request names no build")
    for block in request.plan:
        if block.build >= len(request.builds):
            raise RunnerError(f"{path}: a planned block asks for build {block.build} of {len(request.builds)}")
    if request.paced and not request.plan:
        raise RunnerError(f"{path}: a paced request needs a plan")
    if len({file.samples for file in request.inputs}) > 1:
        raise RunnerError(f"{path}: the inputs differ in their number of samples")
    return request


def read_response(path: Path) -> Response:
    """Raises RunnerError that names the file and what is wrong with it."""
    return _read(path, Response)


def _read(path: Path, kind: type[_Message]) -> _Message:
    try:
        size = path.stat().st_size
        if size > MAX_JSON_BYTES:
            raise RunnerError(f"{path} is {size} bytes, more than the {MAX_JSON_BYTES} allowed")
        message = msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError as error:
        raise RunnerError(f"{path} was not written", remedy="see the log beside it") from error
    except OSError as error:
        raise RunnerError(f"{path} cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RunnerError(f"{path} is not a valid {kind.__name__.lower()}: {error}") from error
    if message.wire_version != WIRE_VERSION:
        raise RunnerError(
            f"{path} speaks wire version {message.wire_version}, this is version {WIRE_VERSION}",
            remedy="install the same version of pocketbench on both sides",
        )
    return message
