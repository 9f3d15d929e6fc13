"""A Keras model on Keras's torch backend -> the graph that somebody writing PyTorch would have got.

Keras keeps images as NHWC and kernels as HWIO, turns both round at every layer, and computes batch norms out of their
parts. torch.export writes all of that down; ExecuTorch refuses some of it, XNNPACK takes only static weights, and
quantizers look for `conv2d` and `linear`. These passes leave the numbers and the input's layout as they are.
For child processes only.
"""

from __future__ import annotations

import torch

from converters.bridge import cleaning, folding, layout, naming, norms
from converters.bridge.shapes import note_shapes

_MAX_ROUNDS = 50


def tidy(
    module: torch.fx.GraphModule, arguments: tuple[torch.Tensor, ...], *, keep_norms: bool = False
) -> torch.fx.GraphModule:
    """Change the exported module in place: constants computed, layouts turned round once, norms in the weights.

    keep_norms: batch norms stay operators of their own, for trainings.
    """
    cleaning.drop_idle(module.graph)
    if keep_norms:
        norms.gather(module)
    cleaning.fold_constants(module)
    note_shapes(module, arguments)
    naming.name_linears(module)
    naming.name_clamps(module)
    for _ in range(_MAX_ROUNDS):
        settled = not layout.sink_permutes(module) and not folding.absorb(module)
        if settled and not folding.make_layers(module):
            break
    naming.keep_pooled_axes(module)
    module.graph.eliminate_dead_code()
    module.graph.lint()
    module.delete_all_unused_submodules()
    module.recompile()
    cleaning.drop_unused_tensors(module)
    return module
