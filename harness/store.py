"""The run folder, in and out.

::

    runs/<id>/results.json       one Report: the truth, with every raw sample
              samples.parquet    the same samples as a table, for pandas and friends
              report.html gate.junit.xml gate.md       views, remade at any time
              builds/            the files that were measured
              bench.yaml logs/   what was asked for, and everything the child processes said

results.json is written whole to a temporary name and renamed, so that whatever happens, a valid one is there.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from harness.errors import StoreError
from harness.records import SCHEMA_VERSION, Report, Variant

RESULTS = "results.json"


@contextlib.contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Turns what the file system refuses into a StoreError that says which folder and what to do."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror or error}",
            remedy="name a folder that is writable and has space with --output",
        ) from error


def create(root: Path, name: str) -> Path:
    """A new run folder below `root`, named by time and experiment; raises StoreError when it cannot be written."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    slug = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")[:40] or "run"
    with guarded(root):
        root.mkdir(parents=True, exist_ok=True)
        for attempt in range(100):
            folder = root / (f"{stamp}-{slug}" + (f"-{attempt}" if attempt else ""))
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
                (folder / "logs").mkdir()
                return folder.resolve()
    raise StoreError(f"{root} already holds a hundred runs of this second")


def write_text(path: Path, text: str) -> None:
    """Whole or not at all."""
    _write(path, text.encode())


def save(folder: Path, report: Report) -> None:
    _write(folder / RESULTS, msgspec.json.encode(report))


def load(run: Path) -> Report:
    """The Report of a run folder, or of a results.json; raises StoreError."""
    path = run / RESULTS if run.is_dir() else run
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StoreError(
            f"{path} cannot be read: {error.strerror}", remedy="name a run folder, or its results.json"
        ) from error
    try:
        version = msgspec.json.decode(data, type=_Version).schema_version
        if version != SCHEMA_VERSION:
            raise StoreError(
                f"{path} has schema version {version}, this pocketbench reads {SCHEMA_VERSION}",
                remedy="use the version of pocketbench that wrote it (it is named in the file)",
            )
        return msgspec.json.decode(data, type=Report)
    except msgspec.DecodeError as error:
        raise StoreError(f"{path} is not a pocketbench report: {error}") from error


def latest(root: Path) -> Path:
    """The newest run folder below `root`."""
    runs = sorted(path.parent for path in root.glob(f"*/{RESULTS}"))
    if not runs:
        raise StoreError(f"there is no run in {root}", remedy="start one with `pocketbench run bench.yaml`")
    return runs[-1]


def slug(variant: str) -> str:
    """A folder name for a variant id: readable, and no two ids alike."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", variant).strip("-")
    if plain == variant.replace("/", "-"):
        return plain
    return f"{plain}-{hashlib.sha256(variant.encode()).hexdigest()[:8]}"


def keep_build(folder: Path, variant: Variant) -> Variant:
    """The same variant with its file in the run folder (`builds/`); its path, or its log, relative to that folder.

    A hard link where the file system allows, else a copy: a run keeps what it measured, whatever becomes of the cache.
    """
    if variant.failure:
        log = variant.failure.log
        inside = Path(log).relative_to(folder) if log and Path(log).is_relative_to(folder) else log
        return msgspec.structs.replace(variant, failure=msgspec.structs.replace(variant.failure, log=str(inside)))
    name = Path("builds", slug(variant.id) + Path(variant.path).suffix)
    target = folder / name
    with guarded(target):
        target.parent.mkdir(exist_ok=True)
        target.unlink(missing_ok=True)
        try:
            os.link(variant.path, target)
        except OSError:
            shutil.copyfile(variant.path, target)
    return msgspec.structs.replace(variant, path=str(name))


def save_samples(folder: Path, report: Report) -> None:
    """samples.parquet: one row per timed sample; times in ms per call, NaN where the wait is not known."""
    import pandas

    rows = [
        (m.variant, m.device.name, r, b, block.calls_per_sample, block.wall_ns, block.wait_ns)
        for m in report.measurements
        for r, restart in enumerate(m.restarts)
        for b, block in enumerate(restart.blocks)
    ]
    frames = [
        pandas.DataFrame(
            {
                "variant": variant,
                "device": device,
                "restart": restart,
                "block": number,
                "sample": range(len(wall)),
                "calls_per_sample": calls,
                "latency_ms": [ns / calls / 1e6 for ns in wall],
                "wait_ms": [ns / calls / 1e6 for ns in wait] or float("nan"),
            }
        )
        for variant, device, restart, number, calls, wall, wait in rows
        if wall
    ]
    if frames:
        with guarded(folder):
            pandas.concat(frames, ignore_index=True).to_parquet(folder / "samples.parquet", index=False)


class _Version(msgspec.Struct):
    schema_version: int


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with guarded(path):
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
