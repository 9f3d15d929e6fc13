"""Multiply-adds of TFLite operators, from the shapes of what they read and write."""

from __future__ import annotations

from typing import Any, NamedTuple

from converters.contents.tflite_scope import Scope, constant_behind, listed, shape_of
from converters.contents.values import elements


class Rule(NamedTuple):
    """Multiply-adds are elements(output) * elements(weight) / weight.shape[axis], axis being the channels that
    the output has; for transposed convolutions the same with the input's elements and channels."""

    axis: int
    bias: int
    source: int | None = None  # the input whose elements count, instead of the output's


RULES = {
    "CONV_2D": Rule(axis=0, bias=2),
    "DEPTHWISE_CONV_2D": Rule(axis=3, bias=2),
    "FULLY_CONNECTED": Rule(axis=0, bias=2),
    "CONV_3D": Rule(axis=4, bias=2),
    "TRANSPOSE_CONV": Rule(axis=3, bias=3, source=2),
    "CONV_3D_TRANSPOSE": Rule(axis=4, bias=3, source=2),
}
_RECURRENT = {
    "LSTM",
    "RNN",
    "SVDF",
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
    "UNIDIRECTIONAL_SEQUENCE_RNN",
    "BIDIRECTIONAL_SEQUENCE_LSTM",
    "BIDIRECTIONAL_SEQUENCE_RNN",
}


def macs_of(scope: Scope, op: Any, name: str) -> int:
    inputs, outputs = listed(op.inputs), listed(op.outputs)
    rule = RULES.get(name)
    if rule is not None:
        weight = shape_of(scope, int(inputs[1]))
        across = int(outputs[0]) if rule.source is None else int(inputs[rule.source])
        return elements(shape_of(scope, across)) * elements(weight) // max(weight[rule.axis], 1)
    if name == "BATCH_MATMUL":
        summed = shape_of(scope, int(inputs[0]))[-2 if op.builtinOptions.adjX else -1]
        return elements(shape_of(scope, int(outputs[0]))) * abs(summed)
    if name in _RECURRENT:
        return _recurrent_macs(scope, [int(index) for index in inputs])
    return 0


def _recurrent_macs(scope: Scope, inputs: list[int]) -> int:
    """Every matrix is applied once per step: all of the input's axes but the last are steps and samples."""
    source = shape_of(scope, inputs[0])
    constants = [constant_behind(scope, index) for index in inputs[1:] if index >= 0]
    shapes = [shape_of(scope, index) for index in constants if index is not None]
    return elements(source[:-1]) * sum(elements(shape) for shape in shapes if len(shape) == 2)
