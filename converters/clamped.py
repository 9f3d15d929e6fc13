"""Quantizes a convolution or dense layer together with the clamp behind it (ReLU6 and other hardtanh).

ExecuTorch's XNNPACK quantizer knows layer + ReLU only. With ReLU6 it gives the layer's output, values that the clamp is
about to cut off included, a scale of its own; of the 256 steps few are left for what goes on. XNNPACK itself clamps
inside the layer, so one scale behind the clamp is both finer and faster, as in LiteRT's builds.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer_utils import (
    QuantizationConfig,
    get_bias_qspec,
    get_input_act_qspec,
    get_output_act_qspec,
    get_weight_qspec,
    propagate_annotation,
)
from torchao.quantization.pt2e.quantizer import QuantizationAnnotation, SharedQuantizationSpec

_ANNOTATION = "quantization_annotation"
_LAYERS = (
    torch.ops.aten.conv1d.default,
    torch.ops.aten.conv2d.default,
    torch.ops.aten.conv2d.padding,
    torch.ops.aten.linear.default,
)
_PADS = (torch.ops.aten.pad.default, torch.ops.aten.constant_pad_nd.default)
_CLAMPS = (torch.ops.aten.hardtanh.default, torch.ops.aten.hardtanh_.default)


class Quantizer(XNNPACKQuantizer):  # type: ignore[misc]  # executorch is not type-checked here
    """The XNNPACK quantizer for static int8, clamps first; `config` holds for the whole model."""

    def __init__(self, config: QuantizationConfig) -> None:
        super().__init__()
        self.set_global(config)
        self._config = config

    def annotate(self, model: torch.fx.GraphModule) -> torch.fx.GraphModule:
        for layer, clamp in _pairs(model):
            wanted = {layer.args[0]: get_input_act_qspec(self._config), layer.args[1]: get_weight_qspec(self._config)}
            if len(layer.args) > 2 and isinstance(layer.args[2], torch.fx.Node):
                wanted[layer.args[2]] = get_bias_qspec(self._config)
            layer.meta[_ANNOTATION] = QuantizationAnnotation(input_qspec_map=wanted, _annotated=True)
            clamp.meta[_ANNOTATION] = QuantizationAnnotation(
                output_qspec=get_output_act_qspec(self._config), _annotated=True
            )
        annotated = super().annotate(model)
        for pad in _zero_pads(annotated):
            _share(pad)
            propagate_annotation(annotated)  # to what only moves values, behind the pad
        return annotated


def _zero_pads(model: torch.fx.GraphModule) -> Iterator[torch.fx.Node]:
    """Nodes that put zeros around something, in the order of the graph; what goes in comes out as it was."""
    for node in model.graph.nodes:
        how = node.args[2:] if node.target in _PADS else ()
        if node.target in _PADS and how in ((), ("constant",), ("constant", 0.0), ("constant", None), (0.0,)):
            yield node


def _share(pad: torch.fx.Node) -> None:
    """Let it keep the scale of what it reads: XNNPACK refuses a pad between two scales, and none is needed."""
    source = pad.args[0]
    before = source.meta.get(_ANNOTATION)
    if before is None or before.output_qspec is None or _ANNOTATION in pad.meta:
        return
    shared = SharedQuantizationSpec(source)
    pad.meta[_ANNOTATION] = QuantizationAnnotation(
        input_qspec_map={source: shared}, output_qspec=shared, _annotated=True
    )


def _pairs(model: torch.fx.GraphModule) -> Iterator[tuple[torch.fx.Node, torch.fx.Node]]:
    """Layers with weights whose only user is a clamp."""
    for clamp in model.graph.nodes:
        layer = clamp.args[0] if clamp.target in _CLAMPS else None
        if isinstance(layer, torch.fx.Node) and layer.target in _LAYERS and len(layer.users) == 1:
            yield layer, clamp
