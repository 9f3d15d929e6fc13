"""From a model to files that one runtime can run: prepare() it once, then convert() it per runtime and recipe.

Light on purpose: the heavy libraries, and the user's own code, run only in child processes (`converters.worker`).
"""

from __future__ import annotations

from converters.building import convert
from converters.preparing import prepare
from converters.scoring import score
from converters.workshop import Prepared, Progress, Workshop

# Who makes the file, as `module:function`; imported in the child process only. Ready-made files need no converter.
CONVERTERS: dict[str, str] = {
    "tflite": "converters.tflite:convert",
    "executorch": "converters.executorch:convert",
    "as-is": "converters.passthrough:convert",
}

__all__ = ["CONVERTERS", "Prepared", "Progress", "Workshop", "convert", "prepare", "score"]
