"""shape(): the model after a recipe's compression steps, from the cache or trained anew in a child process.

A shape is an ordinary float model, the same for every quantization and both runtimes, so each is trained once.
"""

from __future__ import annotations

import platform
import shutil
import sys
from pathlib import Path

import msgspec
from msgspec.structs import replace

from converters import cache, digests, job, manifest, recipes
from converters.following import following
from converters.workshop import Prepared, Workshop, read_facts
from harness.records import Failure, Record, Step, StepResult

KIND = "shaped"
_TOOLS = ("torch", "torch-pruning", "numpy", "keras", "tensorflow", "tf_keras", "tensorflow-model-optimization")


class Shaped(Record, frozen=True, kw_only=True):
    """A shape in the cache, or why there is none. folder: model.pt2, reference/output_<j>.npy and shape.json."""

    folder: str = ""
    fingerprint: str = ""
    history: tuple[StepResult, ...] = ()
    warnings: tuple[str, ...] = ()
    failure: Failure | None = None


def shape(prepared: Prepared, steps: tuple[Step, ...], *, workshop: Workshop) -> Shaped:
    """Do the steps, in their order, unless it was done before; only StoreError (the cache folder) is raised."""
    root, path = Path(workshop.cache), Path(prepared.path)
    name = _name(prepared, steps, workshop)
    with cache.lock(root, name):
        anew = workshop.fresh and name not in workshop.remade
        key = "" if anew else manifest.recall(root, name, path)
        found = cache.find(root, KIND, key) if key else cache.Found()
        if found.folder:
            return _finished(Path(found.folder), "")
        made = _shape_anew(prepared, steps, workshop, name)
        workshop.remade.add(name)
        return made if made.failure else replace(made, warnings=(*filter(None, [found.warning]), *made.warnings))


def _name(prepared: Prepared, steps: tuple[Step, ...], shop: Workshop) -> str:
    """All that decides about the result and is known before the user's training code was seen to run."""
    facts = read_facts(Path(prepared.folder))
    asked = (steps, shop.training, shop.seed)
    machine = (sys.version, platform.machine(), digests.versions(_TOOLS), digests.of_our_code())
    return digests.of_record([prepared.path, facts.model.fingerprint, facts.calibration, asked, machine])


def _shape_anew(prepared: Prepared, steps: tuple[Step, ...], shop: Workshop, name: str) -> Shaped:
    root = Path(shop.cache)
    checkpoints = root / "training" / name
    if shop.fresh:
        shutil.rmtree(checkpoints, ignore_errors=True)
    with cache.draft(root) as draft:
        task = job.ShapeJob(
            path=prepared.path,
            format=prepared.model.format,
            prepared=prepared.folder,
            steps=steps,
            training=shop.training,
            seed=shop.seed,
            folder=str(draft),
            checkpoints=str(checkpoints),
            store=str(root),
        )
        log = Path(shop.logs) / f"shape-{_spelled(steps)}.log"
        with following(log, shop.tell):
            answer = job.run(task, workshop=shop, log=log, cwd=Path(prepared.root))
        if answer.failure is not None:
            return Shaped(failure=answer.failure)
        assert answer.known is not None
        folder = cache.publish(root, KIND, answer.known.key, draft)
    manifest.remember(root, name, answer.known)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return _finished(folder, "")


def _spelled(steps: tuple[Step, ...]) -> str:
    return "+".join(map(recipes.spell, steps)).replace("/", "-")


def _finished(folder: Path, warning: str) -> Shaped:
    made = msgspec.json.decode((folder / job.SHAPE).read_bytes(), type=job.Shape)
    return Shaped(
        folder=str(folder),
        fingerprint=made.fingerprint,
        history=made.history,
        warnings=(*filter(None, [warning]), *made.warnings),
    )
