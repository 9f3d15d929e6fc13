"""Output channels without weights, before a .tflite is quantized per channel.

Networks have channels whose weights died in training while the bias lives on. Per-channel int8 takes the scale of such
a channel from its largest weight, 1e-8 say, and the int32 bias, in units of that scale, hits its limit: the channel
then computes something else. One weight of 3e-4 of the bias gives it a scale that the bias fits, and moves its output
by less than int8 can tell. For child processes only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

SHARE_OF_BIAS = 3e-4
# Operators with a bias per output channel -> the axis of their weights that counts these.
_CHANNEL_AXIS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}


def revive(source: Path, target: Path) -> int:
    """Write the float file `source`, with a small weight in every dead channel, to `target`.

    Returns how many channels were dead; with none, `target` is not written.
    """
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(str(source))
    done: set[int] = set()
    count = 0
    for graph in model.subgraphs:
        for operator in graph.operators:
            axis = _CHANNEL_AXIS.get(flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex))
            if axis is not None and len(operator.inputs) > 2:
                count += _revive_operator(model, graph, operator, axis, done)
    if count:
        flatbuffer_utils.write_model(model, str(target))
    return count


def _revive_operator(model: Any, graph: Any, operator: Any, axis: int, done: set[int]) -> int:
    kernel, bias = (graph.tensors[operator.inputs[place]] for place in (1, 2))
    weights, offsets = _floats(model, kernel), _floats(model, bias)
    if weights is None or offsets is None or kernel.buffer in done:
        return 0
    done.add(kernel.buffer)
    channels = np.moveaxis(weights.reshape([int(size) for size in kernel.shape]), axis, 0)
    needed = SHARE_OF_BIAS * np.abs(offsets)
    largest = np.abs(channels).reshape(len(channels), -1).max(axis=1)
    dead = np.flatnonzero(largest < needed)
    for channel in dead:
        channels[channel].flat[0] = needed[channel]
    if dead.size:
        model.buffers[kernel.buffer].data = np.frombuffer(weights.tobytes(), dtype=np.uint8)
    return int(dead.size)


def _floats(model: Any, tensor: Any) -> np.ndarray[Any, Any] | None:
    """A copy of a constant float32 tensor's values, flat; None for anything else."""
    from ai_edge_litert.tools import flatbuffer_utils

    data = model.buffers[tensor.buffer].data
    if data is None or not len(data) or flatbuffer_utils.type_to_name(tensor.type) != "FLOAT32":
        return None
    return np.frombuffer(bytes(data), dtype=np.float32).copy()
