"""Small made-up builds and measurements, sound unless told otherwise, for what is judged about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.facts import Facts
from harness.records import (
    Block,
    Contents,
    Device,
    Experiment,
    Measurement,
    Memory,
    Model,
    ModelSource,
    Quality,
    Restart,
    Settings,
    Variant,
)

HOST = Device(kind="host", name="this computer", soc="x86", abi="x86_64")
PHONE = Device(kind="phone", name="Pixel", soc="Tensor", abi="arm64-v8a")
SANDBOX = Device(kind="sandbox", name="sandbox", soc="", abi="x86_64")
EMULATOR = Device(kind="emulator", name="avd", soc="", abi="x86_64")


def experiment(**changes: Any) -> Experiment:
    return Experiment(**{"model": ModelSource(source="model.py"), **changes})


def model(**changes: Any) -> Model:
    fields = {"name": "net", "source": "model.py", "format": "python", "fingerprint": "f", "labelled": True}
    return Model(**{**fields, "metric": "accuracy", **changes})


def contents(**changes: Any) -> Contents:
    fields: dict[str, Any] = {
        "format": "tflite",
        "size_bytes": 4_000_000,
        "download_bytes": 3_600_000,
        "packed_bytes": 3_400_000,
        "weight_elements": {"float32": 1_000_000},
        "weight_bytes": {"float32": 4_000_000},
        "sparsity": 0.0,
        "operators": {"CONV_2D": 10},
        "delegated_macs_share": 1.0,
    }
    return Contents(**{**fields, **changes})


def variant(id_: str = "tflite/fp32", **changes: Any) -> Variant:
    runtime, _, recipe = id_.partition("/")
    held = changes.pop("contents", None) or contents(format="tflite" if runtime == "tflite" else "pte")
    return Variant(**{"id": id_, "runtime": runtime, "recipe": recipe, "contents": held, **changes})


def blocks(milliseconds: Sequence[float], *, wait_share: float | None = 0.0, count: int = 8) -> tuple[Block, ...]:
    """On-CPU milliseconds -> blocks whose wall time has the wait on top."""
    parts = np.array_split(np.asarray(milliseconds, dtype=np.float64), count)
    made = []
    for part in parts:
        on_cpu = (part * 1e6).round().astype(int)
        wait = (on_cpu * (wait_share or 0.0) / (1 - (wait_share or 0.0))).round().astype(int)
        told = () if wait_share is None else tuple(wait.tolist())
        made.append(Block(wall_ns=tuple((on_cpu + wait).tolist()), wait_ns=told))
    return tuple(made)


def restart(**changes: Any) -> Restart:
    fields: dict[str, Any] = {
        "started": "2026-01-01T00:00:00",
        "load_ms": 5.0,
        "first_inference_ms": 3.0,
        "warmup": Block(wall_ns=(2_000_000,)),
        "blocks": blocks([2.0] * 80),
        "memory": Memory(peak_rss_mb=20.0, total_peak_rss_mb=60.0),
        "delegate": "xnnpack",
    }
    return Restart(**{**fields, **changes})


def restarts(median_ms: float = 2.0, *, count: int = 5, calls: int = 80, seed: int = 0, **changes: Any) -> tuple:
    """Restarts 1 % apart with calls 2 % apart."""
    random = np.random.default_rng(seed)
    wait_share = changes.pop("wait_share", 0.0)
    made = []
    for _ in range(count):
        level = median_ms * random.lognormal(0, 0.01)
        timed = blocks(level * random.lognormal(0, 0.02, calls), wait_share=wait_share)
        made.append(restart(**{"blocks": timed, **changes}))
    return tuple(made)


def quality(**changes: Any) -> Quality:
    fields: dict[str, Any] = {
        "samples": 1000,
        "cosine": 1.0,
        "max_abs_diff": 1e-5,
        "max_rel_diff": 1e-6,
        "snr_db": 100.0,
        "top1_agreement": 1.0,
        "score": 0.9,
        "reference_score": 0.9,
    }
    return Quality(**{**fields, **changes})


def measurement(id_: str = "tflite/fp32", **changes: Any) -> Measurement:
    fields: dict[str, Any] = {"device": HOST, "settings": Settings(), "restarts": restarts(), "quality": quality()}
    return Measurement(**{"variant": id_, **fields, **changes})


def facts(id_: str = "tflite/fp32", **changes: Any) -> Facts:
    """A sound, measured build; name any field of Facts, or `measured` for fields of the measurement alone."""
    measured = changes.pop("measured", {})
    fields: dict[str, Any] = {
        "experiment": experiment(),
        "model": model(),
        "variant": variant(id_),
        "measurement": measurement(id_, **measured),
    }
    return Facts(**{**fields, **changes})
