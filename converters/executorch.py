"""Torch model -> .pte: exported, quantized where the recipe says so, lowered to XNNPACK.

For child processes only.
"""

from __future__ import annotations

import copy
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import executorch.kernels.quantized  # noqa: F401  kernels for what XNNPACK leaves between quantized layers
import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
    XNNPACKQuantizer,
    get_symmetric_quantization_config,
)
from executorch.exir import to_edge_transform_and_lower
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from converters import (
    clamped,
    contents,
    digests,
    keras_compress,
    keras_executorch,
    numerics,
    padded,
    recipes,
    samples,
    torchmodel,
)
from converters.half import half_convolutions
from converters.job import Build, ConvertJob
from converters.samples import Arrays
from converters.workshop import read_facts

FILE = "model.pte"
Tensors = tuple[torch.Tensor, ...]


def convert(job: ConvertJob) -> Build:
    """Make the file, run it next to the eager model of the same variant and next to the source model, look inside."""
    prepared, target = Path(job.prepared), Path(job.folder) / FILE
    inputs, expected = numerics.of_prepared(prepared, job.shaped)
    arguments = torchmodel.tensors(inputs[0])
    name = recipes.quantization(job.recipe)
    whose = numerics.COMPRESSED if job.shaped else numerics.SOURCE
    variant = _variant(_float(job, arguments), job, arguments)
    with half_convolutions() if name == "fp16" else nullcontext(()) as warnings:
        target.write_bytes(_lower(variant, arguments))
    if name == "dynamic_wi8_afp32":
        warnings += padded.warnings(variant)
    if name == "fp32":
        warnings += numerics.check(target, inputs, expected, "float", whose)
    else:
        eager = [torchmodel.run(variant, arrays) for arrays in inputs]
        warnings += numerics.check(target, inputs, eager, "same-variant")
        warnings += numerics.judge(numerics.compare(eager, expected), "quantized", whose)
    if recipes.calibrated(job.recipe) and read_facts(prepared).integer_io:
        warnings += ("takes and gives float32: model.integer_io is for TFLite",)
    return Build(file=FILE, sha256=digests.of_file(target), contents=contents.inspect(target), warnings=warnings)


def _lower(model: torch.nn.Module, arguments: Tensors) -> bytes:
    program = torch.export.export(model, arguments)
    edge = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    return bytes(edge.to_executorch().buffer)


def _float(job: ConvertJob, arguments: Tensors) -> torch.nn.Module:
    """The model as it was prepared, or left by the compression steps, as a torch module."""
    prepared = Path(job.prepared)
    if keras_compress.does(job.format, recipes.compressions(job.recipe)):
        home = Path(job.shaped or job.prepared)
        return keras_executorch.module(Path(job.path), read_facts(prepared), home, arguments)
    if job.shaped:
        return torchmodel.shaped(Path(job.shaped))
    return torchmodel.flat(torchmodel.again(Path(job.path), prepared, read_facts(prepared)), arguments)


def _calibration(prepared: Path) -> list[Arrays]:
    return samples.read(prepared / "calibration", "input", read_facts(prepared).model.calibration_samples)


def _variant(model: torch.nn.Module, job: ConvertJob, arguments: Tensors) -> torch.nn.Module:
    """The eager model that the recipe's quantization makes of the float model."""
    name = recipes.quantization(job.recipe)
    if name == "fp32":
        return model
    if name == "fp16":
        return Half(model).eval()
    dynamic = name == "dynamic_wi8_afp32"
    config = get_symmetric_quantization_config(
        is_per_channel=not recipes.one_scale(job.recipe.steps), is_dynamic=dynamic
    )
    quantizer = XNNPACKQuantizer().set_global(config) if dynamic else clamped.Quantizer(config)
    if dynamic:
        quantizer.set_filter_function(lambda node: not padded.is_padded(node))
    observed: Any = prepare_pt2e(torch.export.export(model, arguments).module(), quantizer)
    with torch.no_grad():
        # A dynamic recipe has no ranges to find; one call lets its observers see the shapes.
        for tensors in [arguments] if dynamic else map(torchmodel.tensors, _calibration(Path(job.prepared))):
            observed(*tensors)
    return convert_pt2e(observed)


class Half(torch.nn.Module):  # type: ignore[misc]  # torch is not type-checked here
    """A model in 16-bit floats with 32-bit floats at its inputs and outputs, so that it can replace the fp32 build."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).half()

    def forward(self, *arguments: torch.Tensor) -> tuple[torch.Tensor, ...]:
        halves = (each.half() if each.is_floating_point() else each for each in arguments)
        outputs = self.model(*halves)
        parts = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
        return tuple(part.float() if part.is_floating_point() else part for part in parts)
