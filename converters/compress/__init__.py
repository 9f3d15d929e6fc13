"""Compression steps: each takes a float torch model and gives a smaller or coarser one, composed by the recipe grammar.

A technique is one module with `apply(model, step, studio)`, and one line here. It may change the model in place or
return another; it trains and scores through the studio, and says there what a user must know.
"""

from __future__ import annotations

# Who does a step, as `module:function`; imported in the child process only.
TECHNIQUES: dict[str, str] = {
    "channels": "converters.compress.channels:apply",
    "lowrank": "converters.compress.lowrank:apply",
    "distill": "converters.compress.distill:apply",
    "prune": "converters.compress.prune:apply",
    "cluster": "converters.compress.cluster:apply",
    "qat": "converters.compress.qat:apply",
}
