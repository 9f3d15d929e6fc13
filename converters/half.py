"""Lets XNNPACK's serializer store the weights of 16-bit convolutions in 16 bits.

ExecuTorch 1.5 asks for 32 bits there whatever the model says (https://github.com/pytorch/executorch/issues/9753 changed
dense layers only), so an fp16 file would stay almost as large as fp32. XNNPACK itself takes 16-bit filters: outputs are
the same. The switch is inside the exporter, so it is looked for first and put back afterwards.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

_NOT_FOUND = "the weights of convolutions stay float32: this version of ExecuTorch stores them so in fp16 files"


@contextmanager
def half_convolutions() -> Iterator[tuple[str, ...]]:
    """Inside, 16-bit filters are stored as they are; the value is a warning where that is not possible."""
    from executorch.backends.xnnpack.operators.node_visitor import NodeVisitor

    original = NodeVisitor.define_tensor
    if "force_fp32" not in inspect.signature(original).parameters and "force_fp32" not in original.__code__.co_varnames:
        yield (_NOT_FOUND,)
        return

    def define_tensor(self: Any, tensor: torch.fx.Node, *arguments: Any, **options: Any) -> Any:
        if options.get("force_fp32") and options.get("quant_params") is None and _is_half_filter(tensor):
            options["force_fp32"] = False
        return original(self, tensor, *arguments, **options)

    NodeVisitor.define_tensor = define_tensor
    try:
        yield ()
    finally:
        NodeVisitor.define_tensor = original


def _is_half_filter(tensor: torch.fx.Node) -> bool:
    value = tensor.meta.get("val")
    return value is not None and value.dtype == torch.float16 and value.dim() in (3, 4)
