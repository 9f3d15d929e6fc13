"""Convolutions behind a padding of their own, where activations are quantized on the fly.

XNNPACK fails to set such a convolution up (`Propagating input shapes failed` when the file is run), so these stay
float32. Frameworks with asymmetric padding (TensorFlow's `same` with a stride) have many of them.
"""

from __future__ import annotations

import torch

_PADDINGS = (torch.ops.aten.pad.default, torch.ops.aten.constant_pad_nd.default)
_CONVOLUTIONS = (torch.ops.aten.conv1d.default, torch.ops.aten.conv2d.default)


def is_padded(node: torch.fx.Node) -> bool:
    """Whether the node is a convolution that reads a padding, with nothing but permutations between them."""
    if node.target not in _CONVOLUTIONS:
        return False
    source = node.args[0]
    while source.target is torch.ops.aten.permute.default:
        source = source.args[0]
    return source.target in _PADDINGS


def warnings(module: torch.fx.GraphModule) -> tuple[str, ...]:
    """One line for a dynamic build whose quantizer left these out."""
    count = sum(map(is_padded, module.graph.nodes))
    if not count:
        return ()
    return (f"{count} padded convolutions stay float32: XNNPACK fails on them with activations quantized on the fly",)
