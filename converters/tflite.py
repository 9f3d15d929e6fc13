"""Model -> .tflite: lowered once by litert-torch, or TensorFlow, then quantized per recipe by ai-edge-quantizer.

The quantizer needs neither torch nor the user's code, so a quantized build starts from the fp32 file and takes a
second. The model's own input layout stays (an NCHW model gives an NCHW file). For child processes only.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from converters import (
    contents,
    dead_channels,
    digests,
    frameworks,
    keras_compress,
    keras_tflite,
    numerics,
    recipes,
    samples,
    sparse,
)
from converters.job import Build, ConvertJob
from converters.samples import Arrays
from converters.workshop import read_facts
from harness.errors import ConversionError
from harness.records import Recipe, WeightTensor

FILE = "model.tflite"
_ONE_BATCH = "takes as many samples as the example inputs: model.dynamic_batch ends where a recipe is done on torch"
FEWEST_WEIGHTS = 1024  # of a layer that a dynamic recipe quantizes
_SIGNATURE = "serving_default"
_DOTTED = re.compile(r"(?:[A-Za-z_]\w*\.|<locals>\.)+(?=[A-Za-z_<])")


def convert(job: ConvertJob) -> Build:
    """Make the file, run it next to the source model, look inside. Raises ConversionError, or what a tool raises."""
    prepared, target = Path(job.prepared), Path(job.folder) / FILE
    name = recipes.quantization(job.recipe)
    warnings: tuple[str, ...] = ()
    if name == "fp32":
        _lower(job, target)
    else:
        warnings = _quantize(job, target)
    if read_facts(prepared).dynamic_batch and not _through_keras(job):
        warnings += (_ONE_BATCH,)
    if recipes.sparse(job.recipe):
        warnings += _encode_zeros(target)
    inputs, expected = numerics.of_prepared(prepared, job.shaped)
    whose = numerics.COMPRESSED if job.shaped else numerics.SOURCE
    warnings += numerics.check(target, inputs, expected, "float" if name == "fp32" else "quantized", whose)
    return Build(file=FILE, sha256=digests.of_file(target), contents=contents.inspect(target), warnings=warnings)


def _through_keras(job: ConvertJob) -> bool:
    """Whether what is converted is a Keras model, and no torch model that was made of one."""
    return keras_compress.does(job.format, recipes.compressions(job.recipe))


def _lower(job: ConvertJob, target: Path) -> None:
    """Write the fp32 file."""
    inputs = read_facts(Path(job.prepared)).model.inputs
    if _through_keras(job):
        keras_tflite.lower(Path(job.shaped or job.prepared), inputs, target)
        return
    _lower_torch(job, target)
    if job.format in frameworks.KERAS_FORMATS:
        keras_tflite.name_inputs(target, [spec.name for spec in inputs])


def _lower_torch(job: ConvertJob, target: Path) -> None:
    import litert_torch

    from converters import torchmodel

    prepared = Path(job.prepared)
    if job.shaped:
        model = torchmodel.shaped(Path(job.shaped))
    else:
        model = torchmodel.again(Path(job.path), prepared, read_facts(prepared))
    arguments = torchmodel.tensors(numerics.of_prepared(prepared)[0][0])
    litert_torch.convert(torchmodel.flat(model, arguments), arguments).export(str(target))
    _shorten_names(target)


def _encode_zeros(target: Path) -> tuple[str, ...]:
    """The zeros left out of the file; raises ConversionError where that would not make it smaller."""
    before = target.stat().st_size
    count, reasons = sparse.encode(target)
    if not count or target.stat().st_size >= before:
        raise ConversionError(
            "; ".join([f"sparse storage would not make the file of {before} bytes smaller", *reasons]),
            remedy="leave `sparse` out, or prune more",
        )
    return tuple(reasons)


def _shorten_names(path: Path) -> None:
    """Tensor names carry the Python module path of every layer: keep `Linear_head`, drop where its class is written.

    Names stay unique, which the quantizer needs, and the same code gives the same bytes wherever it lies.
    """
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(str(path))
    for graph in model.subgraphs:
        taken: set[str] = set()
        for index, tensor in enumerate(graph.tensors):
            name = _DOTTED.sub("", tensor.name.decode(errors="replace"))
            name = f"{name}#{index}" if name in taken or not name else name
            taken.add(name)
            tensor.name = name.encode()
    flatbuffer_utils.write_model(model, str(path))


def _quantize(job: ConvertJob, target: Path) -> tuple[str, ...]:
    """Write the quantized file; what the recipe leaves out on purpose comes back as warnings."""
    from ai_edge_quantizer import quantizer

    source, name, prepared = Path(job.float_build), recipes.quantization(job.recipe), Path(job.prepared)
    start, revived = _without_dead_channels(source, name, target)
    rules = _RECIPES[name](_granularity(job.recipe))
    if read_facts(prepared).integer_io:
        rules = [rule for rule in rules if rule["operation"] not in ("INPUT", "OUTPUT")]
    tool = quantizer.Quantizer(str(start), rules)
    ranges = None
    if tool.need_calibration:
        # A list, not a generator: it is read twice. One thread: sums in one order, and the machine is shared.
        rows = {_SIGNATURE: _calibration(source, prepared)}
        # What `qat` trained on torch has learned to live with is the quantizer's own way.
        qat = any(step.name == "qat" for step in job.recipe.steps)
        extremes = job.format in frameworks.KERAS_FORMATS and (not qat or _through_keras(job))
        ranges = _extremes(start, rules, rows) if extremes else tool.calibrate(rows, num_threads=1)
    tool.quantize(ranges, enable_progress_report=False).export_model(str(target))
    if start != source:
        start.unlink()
    operators = contents.read(source).operators
    left_out = [_LEFT_OUT[name, operator] for operator in sorted(operators) if (name, operator) in _LEFT_OUT]
    if name == "dynamic_wi8_afp32" and (small := sum(map(_is_small, contents.read(target).weights))):
        left_out.append(
            f"{small} layers of fewer than {FEWEST_WEIGHTS} weights stay float32: integers would cost more time there "
            "than they save"
        )
    return (*revived, *left_out)


def _is_small(weights: WeightTensor) -> bool:
    """Whether a dynamic recipe left them alone for that; depthwise ones it leaves alone anyway."""
    layer = bool(weights.macs) and weights.operator != "DEPTHWISE_CONV_2D"
    return layer and weights.dtype == "float32" and weights.elements < FEWEST_WEIGHTS


def _extremes(start: Path, rules: Any, rows: Any) -> Any:
    """Ranges as TensorFlow's converter takes them: the extremes over all samples. The quantizer's own way, a moving
    average over the samples, cuts activations off; docs/keras.md has what that costs."""
    from ai_edge_quantizer import calibrator, recipe_manager
    from ai_edge_quantizer.utils import qsv_utils

    manager = recipe_manager.RecipeManager()
    manager.load_quantization_recipe(rules)
    finder = calibrator.Calibrator(str(start), num_threads=1, qsv_update_func=qsv_utils.min_max_update)
    finder.calibrate(rows, manager)
    return finder.get_model_qsvs()


def _without_dead_channels(source: Path, name: str, target: Path) -> tuple[Path, tuple[str, ...]]:
    """What a static recipe starts from, and a word about it where that is not the fp32 file as it is."""
    revived = target.with_name("revived.tflite")
    dead = dead_channels.revive(source, revived) if recipes.RECIPES[name].calibrated else 0
    if not dead:
        return source, ()
    return revived, (
        f"{dead} output channels have a bias but no weights; each got a tiny weight, so that its integer bias fits",
    )


def _calibration(source: Path, prepared: Path) -> list[dict[str, np.ndarray[Any, Any]]]:
    """Samples by the name of the signature's inputs."""
    dtypes = [np.dtype(spec.dtype) for spec in contents.read(source).inputs]
    names = keras_tflite.signature_inputs(source)
    rows = samples.read(prepared / "calibration", "input", read_facts(prepared).model.calibration_samples)
    return [_named(row, names, dtypes) for row in rows]


def _named(row: Arrays, names: list[str], dtypes: list[np.dtype[Any]]) -> dict[str, np.ndarray[Any, Any]]:
    return {name: array.astype(dtype) for name, array, dtype in zip(names, row, dtypes, strict=True)}


def _granularity(recipe: Recipe) -> Any:
    """One scale per output channel, or per tensor where a scale for each channel would spread shared values again."""
    from ai_edge_quantizer.qtyping import QuantGranularity

    return QuantGranularity.TENSORWISE if recipes.one_scale(recipe.steps) else QuantGranularity.CHANNELWISE


def _static(activation_bits: int, granularity: Any) -> Any:
    """Integers inside, float32 at the inputs and outputs, so that the build can replace the fp32 one; the rules for the
    ends are taken out again where the user wants integers there too."""
    manager, operation, algorithm = _tools()
    manager.add_static_config(".*", operation.ALL_SUPPORTED, activation_bits, 8, granularity)
    for end in (operation.INPUT, operation.OUTPUT):
        manager.add_quantization_config(".*", end, None, algorithm.NO_QUANTIZE)
    return manager.get_quantization_recipe()


def _dynamic(granularity: Any) -> Any:
    """All but depthwise convolutions: XNNPACK has no dynamic-range kernel for them, and the plain one is so slow that a
    network of them runs slower than in float (MobileNetV2: 12.7 ms with, 3.4 ms without, 3.8 ms in float). And all but
    small layers, as TensorFlow's converter does it: at each call activations are turned into integers, which takes
    longer than few weights can save (benchmarks/keras_dynamic.py)."""
    manager, operation, algorithm = _tools()
    manager.add_dynamic_config(".*", operation.ALL_SUPPORTED, 8, granularity)
    manager.add_quantization_config(".*", operation.DEPTHWISE_CONV_2D, None, algorithm.NO_QUANTIZE)
    rules = manager.get_quantization_recipe()
    for rule in rules:
        if "op_config" in rule:
            rule["op_config"]["min_weight_elements"] = FEWEST_WEIGHTS
    return rules


def _weight_only(bits: int, granularity: Any) -> Any:
    manager, operation, _ = _tools()
    manager.add_weight_only_config(".*", operation.ALL_SUPPORTED, bits, granularity)
    return manager.get_quantization_recipe()


def _float16(_: Any) -> Any:
    """16 bits are a cast; the weight-only algorithm would leave the file as it is without a word."""
    manager, operation, algorithm = _tools()
    manager.add_weight_only_config(".*", operation.ALL_SUPPORTED, 16, algorithm_key=algorithm.FLOAT_CASTING)
    return manager.get_quantization_recipe()


def _tools() -> Any:
    """An empty recipe, the names of operators and of algorithms: the one place that knows where they are."""
    from ai_edge_quantizer import qtyping
    from ai_edge_quantizer.algorithm_manager import AlgorithmName
    from ai_edge_quantizer.recipe_manager import RecipeManager

    return RecipeManager(), qtyping.TFLOperationName, AlgorithmName


_RECIPES: dict[str, Callable[[Any], Any]] = {
    "fp16": _float16,
    "dynamic_wi8_afp32": _dynamic,
    "static_wi8_ai8": lambda granularity: _static(8, granularity),
    "static_wi8_ai16": lambda granularity: _static(16, granularity),
    "weight_only_wi8_afp32": lambda granularity: _weight_only(8, granularity),
    "weight_only_wi4_afp32": lambda granularity: _weight_only(4, granularity),
}
_LEFT_OUT = {
    ("dynamic_wi8_afp32", "DEPTHWISE_CONV_2D"): "depthwise convolutions stay float32: XNNPACK has no dynamic-range "
    "kernel for them, and with the plain one the build is slower than fp32",
    ("weight_only_wi4_afp32", "DEPTHWISE_CONV_2D"): "depthwise convolutions stay float32: there is no int4 kernel",
}
