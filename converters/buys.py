"""What each recipe and step really buys on a CPU, per runtime, in a few words.

Measured on x86-64 with XNNPACK in both runtimes; docs/compression.md has the figures. The report says of every build
whether it held ("Did it help?").
"""

from __future__ import annotations

from harness.records import Runtime

_SPEED = "real speed and a smaller file"
_SENT = "download size only: kernels store and multiply zeros"
_SENT_SHARED = "download size only: every weight is stored in full"
_BETTER = "better outputs, nothing smaller"

BUYS: dict[str, dict[Runtime, str]] = {
    "channels": {"tflite": _SPEED, "executorch": _SPEED},
    "lowrank": {"tflite": f"{_SPEED} in float; int8 seldom faster", "executorch": f"{_SPEED}, less so in int8"},
    "distill": {"tflite": _BETTER, "executorch": _BETTER},
    "prune": {"tflite": _SENT, "executorch": _SENT},
    "cluster": {"tflite": _SENT_SHARED, "executorch": _SENT_SHARED},
    "qat": {"tflite": f"{_BETTER}, in integer builds", "executorch": f"{_BETTER}, in integer builds"},
    "fp32": {"tflite": "what the others are held against", "executorch": "what the others are held against"},
    "fp16": {"tflite": "half the file, no speed", "executorch": "half the file, often slower"},
    "dynamic_wi8_afp32": {
        "tflite": "a smaller file, speed in dense layers",
        "executorch": "a smaller file, speed in dense layers; convolutions stay float",
    },
    "static_wi8_ai8": {
        "tflite": "real speed, a quarter of the file",
        "executorch": "real speed, a quarter of the file",
    },
    "static_wi8_ai16": {"tflite": "a quarter of the file, much slower"},
    "weight_only_wi8_afp32": {"tflite": "a quarter of the file, no speed"},
    "weight_only_wi4_afp32": {"tflite": "an eighth of the file, slower"},
}
