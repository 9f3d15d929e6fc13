"""convert(): one build of a prepared model, from the cache or from a child process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec.structs import replace

from converters import cache, digests, frameworks, job, keras_compress, recipes, shaping
from converters.shaping import Shaped
from converters.workshop import Prepared, Workshop, read_facts
from harness.records import Failure, Recipe, Record, Runtime, Variant

KIND = "builds"
_INT8, _LISTED = "static_wi8_ai8", 5
BUILD = "build.json"

# Distributions that have a part in a build, by runtime; their versions are part of the cache key.
_LOWERING = {
    "tflite": ("torch", "litert-torch", "litert-converter", "ai-edge-litert"),
    "executorch": ("torch", "torchao", "executorch"),
}
_KERAS_LOWERING = {
    "tflite": ("tensorflow", "keras", "tf_keras", "ai-edge-litert"),
    "executorch": ("keras", "torch", "torchao", "executorch"),
}
_RUNNING = {"tflite": ("ai-edge-litert",), "executorch": ("torch", "executorch")}
_QUANTIZING = ("ai-edge-quantizer",)
_TOOLKIT = ("tensorflow-model-optimization", "tf_keras")
_TORCH_SHAPING = ("torch", "torch-pruning", "keras")
_READY: dict[str, Runtime] = {"tflite": "tflite", "pte": "executorch"}
_CALIBRATE = {
    "python": "add get_calibration_data() to the model's file",
    "keras-python": "add get_calibration_data() to the model's file",
    "keras": "name a Python file instead, whose get_model() returns keras.models.load_model(path), "
    "with get_calibration_data()",
    "savedmodel": "name a Python file instead, whose get_model() builds the Keras model, with get_calibration_data()",
    "pt2": "name a Python file instead, whose get_model() returns torch.export.load(path).module(), "
    "with get_args() and get_calibration_data()",
}


class _Order(Record, frozen=True, kw_only=True):
    """One build to be had, and the key under which the cache knows it."""

    variant: Variant
    prepared: Prepared
    recipe: Recipe
    workshop: Workshop
    key: str
    shaped: Shaped = Shaped()


def convert(prepared: Prepared, runtime: Runtime, recipe: Recipe, *, workshop: Workshop) -> Variant:
    """Make one build, or say in Variant.failure why there is none; only StoreError (the cache folder) is raised.

    Variant.path lies in the cache; `seconds` is what this call took.
    """
    started = time.monotonic()
    stem = Path(prepared.path).stem if prepared.model.format in _READY else recipe.name
    tools = digests.versions(_tools(prepared, runtime, recipe))
    variant = Variant(id=f"{runtime}/{stem}", runtime=runtime, recipe=recipe.name, tools=tools)
    failure = _refusal(prepared, runtime, recipe) or _missing(tools, prepared, runtime)
    if failure is None:
        variant = _made(variant, prepared, recipe, workshop)
        return replace(variant, seconds=time.monotonic() - started)
    return replace(variant, failure=failure, seconds=time.monotonic() - started)


def _made(variant: Variant, prepared: Prepared, recipe: Recipe, workshop: Workshop) -> Variant:
    """Compressed first where the recipe says so, then built."""
    steps = recipes.compressions(recipe)
    shaped = shaping.shape(prepared, steps, workshop=workshop) if steps else Shaped()
    if shaped.failure is not None:
        return replace(variant, failure=shaped.failure)
    variant = replace(_build(_order(variant, prepared, recipe, workshop, shaped)), history=shaped.history)
    return replace(variant, warnings=(*shaped.warnings, *_costly_splits(variant, recipe), *variant.warnings))


def _costly_splits(variant: Variant, recipe: Recipe) -> Iterator[str]:
    """`lowrank` splits what is faster in float, once for all builds; where that costs time, the build says so."""
    if variant.runtime != "tflite" or variant.failure or recipes.quantization(recipe) != _INT8:
        return
    for result in variant.history:
        slower, split = result.facts.get("slower_in_tflite_int8"), result.facts.get("ranks")
        if isinstance(slower, list) and isinstance(split, dict) and slower:
            named = ", ".join(f"`{name}`" for name in slower[:_LISTED]) + ", ..." * (len(slower) > _LISTED)
            yield (
                f"{result.step}: {len(slower)} of {len(split)} split layers ({named}) are faster in float, but slower "
                "in int8 kernels, where one more operator costs more than narrow layers save"
            )


def _refusal(prepared: Prepared, runtime: Runtime, recipe: Recipe) -> Failure | None:
    """What can be said without starting anything."""
    ready = _READY.get(prepared.model.format)
    if ready is not None and (ready != runtime or recipe.name != recipes.AS_IS):
        reason = f"a ready-made .{prepared.model.format} file runs in {ready}, as it is"
        return _unsupported(reason, "name the model's source to make other builds of it")
    if runtime == "executorch" and (unbridged := read_facts(Path(prepared.folder)).unbridged):
        return _unsupported(
            f"the model cannot go over to torch: {unbridged}", "see docs/keras.md; TFLite has its builds"
        )
    if ready is None and recipe.name == recipes.AS_IS:
        return _unsupported("`as-is` is for ready-made .tflite and .pte files", "name a recipe, such as fp32")
    if reason := recipes.supported(recipe, runtime):
        return _unsupported(reason, "see `pocketbench recipes` for what each runtime has")
    if failure := _uncompressed(prepared, recipe):
        return failure
    if recipes.calibrated(recipe) and not prepared.model.calibration_samples:
        reason = f"{recipe.name} needs calibration data, the model has none"
        return Failure(stage="convert", reason=reason, remedy=_CALIBRATE[prepared.model.format])
    return None


def _uncompressed(prepared: Prepared, recipe: Recipe) -> Failure | None:
    """Why the recipe's compression steps cannot be done on this kind of source."""
    steps = recipes.compressions(recipe)
    if not steps or prepared.model.format == "python":
        return None
    if not _is_keras(prepared):
        reason = "compression steps work on the layers of a model's Python code, which a .pt2 no longer has"
        return Failure(stage="convert", reason=reason, remedy="name the Python file with the model's get_model()")
    if unbridged := read_facts(Path(prepared.folder)).unbridged:
        return _unsupported(f"the compression steps cannot rebuild the model: {unbridged}", "see docs/keras.md")
    toolkit = keras_compress.does(prepared.model.format, steps)
    versions = digests.versions(_TOOLKIT if toolkit else _TORCH_SHAPING)
    if absent := [name for name, version in versions.items() if version == digests.ABSENT]:
        reason = f"{', '.join(absent)} not installed, which this compression of Keras models needs"
        remedy = f"pip install 'pocketbench[keras{'' if toolkit else ',compress'}]'"
        return Failure(stage="convert", reason=reason, remedy=remedy)
    return None


def _unsupported(reason: str, remedy: str) -> Failure:
    return Failure(stage="convert", reason=reason, remedy=remedy, unsupported=True)


def _missing(tools: dict[str, str], prepared: Prepared, runtime: Runtime) -> Failure | None:
    absent = [name for name, version in tools.items() if version == digests.ABSENT]
    if not absent:
        return None
    verb = "is" if len(absent) == 1 else "are"
    return Failure(
        stage="convert",
        reason=f"{', '.join(absent)} {verb} not installed",
        remedy=f"pip install 'pocketbench[{runtime}{',keras' if _is_keras(prepared) else ''}]'",
    )


def _tools(prepared: Prepared, runtime: Runtime, recipe: Recipe) -> tuple[str, ...]:
    if prepared.model.format in _READY:
        return _RUNNING[runtime]
    quantized = runtime == "tflite" and recipes.quantization(recipe) != "fp32"
    through_keras = keras_compress.does(prepared.model.format, recipes.compressions(recipe))
    lowering = _KERAS_LOWERING if through_keras else _LOWERING
    return (*lowering[runtime], *(_QUANTIZING if quantized else ()))


def _is_keras(prepared: Prepared) -> bool:
    return prepared.model.format in frameworks.KERAS_FORMATS


def _order(variant: Variant, prepared: Prepared, recipe: Recipe, shop: Workshop, shaped: Shaped) -> _Order:
    facts = read_facts(Path(prepared.folder))
    calibration = facts.calibration if recipes.calibrated(recipe) else ""
    ends = facts.integer_io and bool(calibration)
    parts = (prepared.model.fingerprint, variant.runtime, recipe.name, calibration, ends, variant.tools)
    key = digests.of_record([*parts, shaped.fingerprint, digests.of_our_code()])
    return _Order(variant=variant, prepared=prepared, recipe=recipe, workshop=shop, key=key, shaped=shaped)


def _build(order: _Order) -> Variant:
    """From the cache, else made anew while others that want the same build wait."""
    root = Path(order.workshop.cache)
    found = _find(order)
    if found.folder:
        return _finished(order, Path(found.folder), cached=True)
    with cache.lock(root, order.key):
        again = _find(order)
        if again.folder:
            return _finished(order, Path(again.folder), cached=True)
        return _build_anew(order, found.warning or again.warning)


def _find(order: _Order) -> cache.Found:
    shop = order.workshop
    return cache.Found() if shop.fresh else cache.find(Path(shop.cache), KIND, order.key)


def _build_anew(order: _Order, damage: str) -> Variant:
    """Convert in a child process and put the result into the store; damage: what the copy there had."""
    variant, root = order.variant, Path(order.workshop.cache)
    first = _float_build(order)
    if first is not None and first.failure is not None:
        return replace(variant, failure=first.failure)
    with cache.draft(root) as draft:
        answer = _run(order, draft, first.path if first else "")
        if answer.build is None:
            return replace(variant, failure=answer.failure)
        with cache.store_errors(root):
            (draft / BUILD).write_bytes(msgspec.json.encode(answer.build))
        folder = cache.publish(root, KIND, order.key, draft)
    made = _finished(order, folder, cached=False)
    return replace(made, warnings=(damage, *made.warnings)) if damage else made


def _float_build(order: _Order) -> Variant | None:
    """TFLite's quantizer starts from the fp32 file, which is made once for all of them."""
    if order.variant.runtime != "tflite" or recipes.quantization(order.recipe) in ("", "fp32"):
        return None
    shop = replace(order.workshop, fresh=False)
    return convert(order.prepared, "tflite", recipes.floating(order.recipe), workshop=shop)


def _run(order: _Order, draft: Path, float_build: str) -> job.Answer:
    prepared, variant = order.prepared, order.variant
    task = job.ConvertJob(
        path=prepared.path,
        format=prepared.model.format,
        prepared=prepared.folder,
        runtime=variant.runtime,
        recipe=order.recipe,
        folder=str(draft),
        float_build=float_build,
        shaped=order.shaped.folder,
    )
    log = Path(order.workshop.logs) / f"convert-{variant.id.replace('/', '-')}.log"
    return job.run(task, workshop=order.workshop, log=log, cwd=Path(prepared.root))


def _finished(order: _Order, folder: Path, *, cached: bool) -> Variant:
    build = msgspec.json.decode((folder / BUILD).read_bytes(), type=job.Build)
    return replace(
        order.variant,
        path=str(folder / build.file),
        sha256=build.sha256,
        contents=build.contents,
        warnings=build.warnings,
        cached=cached,
    )
