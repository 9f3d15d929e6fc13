"""prepare(): from what the user names to a model whose weights and data lie in the cache."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from converters import cache, job, manifest, sources
from converters.sources import Located
from converters.workshop import Prepared, Workshop, read_facts
from harness.errors import SourceError
from harness.records import ModelSource

KIND = "prepared"


def prepare(source: ModelSource, *, root: Path, workshop: Workshop) -> Prepared:
    """Look at a source once; a source of which nothing changed is taken from the cache, its code not even run.

    root: where relative paths start, and the working directory of the model's code. Raises SourceError with what to
    do instead, and StoreError when the cache folder cannot be used.
    """
    started = time.monotonic()
    located = sources.locate(source, root)
    name = manifest.name(Path(located.path), source)
    found = cache.Found() if workshop.fresh else _recall(workshop, name, located)
    if not found.folder:
        with cache.lock(Path(workshop.cache), name):
            again = cache.Found() if workshop.fresh else _recall(workshop, name, located)
            if not again.folder:
                folder = _prepare_anew(source, located, root, workshop)
                prepared = _prepared(source, located, root, folder)
                return _finished(prepared, started, found.warning or again.warning)
            found = again
    prepared = _prepared(source, located, root, Path(found.folder))
    return replace(_finished(prepared, started, found.warning), cached=True)


def _recall(shop: Workshop, name: str, located: Located) -> cache.Found:
    root = Path(shop.cache)
    key = manifest.recall(root, name, Path(located.path))
    return cache.find(root, KIND, key) if key else cache.Found()


def _prepare_anew(source: ModelSource, located: Located, root: Path, shop: Workshop) -> Path:
    store = Path(shop.cache)
    with cache.draft(store) as draft:
        task = job.PrepareJob(
            source=source, path=located.path, format=located.format, root=str(root.resolve()), folder=str(draft)
        )
        log = Path(shop.logs) / "prepare.log"
        answer = ask(task, lambda each: job.run(each, workshop=shop, log=log, cwd=Path(each.root)))
        if answer.failure is not None:
            failure = answer.failure
            raise SourceError(failure.reason, remedy=failure.remedy or f"see {failure.log}")
        assert answer.known is not None
        folder = cache.publish(store, KIND, answer.known.key, draft)
    manifest.remember(store, manifest.name(Path(located.path), source), answer.known)
    return folder


def ask(task: job.PrepareJob, run: Callable[[job.PrepareJob], job.Answer]) -> job.Answer:
    """The child's answer; it may first say in which other way the source must be looked at, which takes another child
    because the frameworks do not share one. When neither generation of Keras opens a file, both reasons are in it."""
    answer = run(task)
    if not answer.elsewhere:
        return answer
    if answer.elsewhere != "tf_keras":
        return run(replace(task, format=answer.elsewhere))
    second = run(replace(task, generation="tf_keras"))
    if second.failure is None or answer.failure is None:
        return second
    reason = f"{answer.failure.reason}; {second.failure.reason}"
    return replace(second, failure=replace(second.failure, reason=reason))


def _prepared(source: ModelSource, located: Located, root: Path, folder: Path) -> Prepared:
    """The entry may stem from a copy of the source elsewhere: name and place are this call's own."""
    facts = read_facts(folder)
    path = Path(located.path)
    model = replace(facts.model, name=source.name or path.stem, source=source.source)
    return Prepared(
        model=model,
        key=folder.name,
        folder=str(folder),
        cached=False,
        seconds=0.0,
        path=located.path,
        root=str(root.resolve()),
    )


def _finished(prepared: Prepared, started: float, warning: str) -> Prepared:
    warnings = (warning,) if warning else ()
    return replace(prepared, seconds=time.monotonic() - started, warnings=warnings)
