"""Trains the example's network and writes `fashion.npz` and `digits.npz`. `python train.py --help`

Adam with a cosine schedule and random shifts by two pixels; the weights are stored as 16-bit floats, which costs no
accuracy and halves the files. The test images are only looked at to report.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pictures
import torch
from model import HERE, Network
from torch import nn

SEED = 1
BATCH = 128
SHIFT = 2
EPOCHS = {pictures.FASHION: 10, pictures.DIGITS: 12}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(EPOCHS), help="one of the two (default: both)")
    options = parser.parse_args()
    for name in [options.only] if options.only else EPOCHS:
        network = fit(name, EPOCHS[name])
        path = HERE / f"{name}.npz"
        np.savez_compressed(path, **{key: small(tensor) for key, tensor in network.state_dict().items()})
        print(f"{path.name}: {path.stat().st_size} bytes")


def fit(name: str, epochs: int) -> Network:
    torch.manual_seed(SEED)
    images, labels = pictures.training(name)
    inputs, targets = torch.from_numpy(pictures.to_inputs(images)), torch.from_numpy(labels)
    network = Network()
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3, weight_decay=1e-5)
    steps = epochs * (len(targets) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for epoch in range(epochs):
        started, network = time.monotonic(), network.train()
        for rows in torch.randperm(len(targets)).split(BATCH):
            if len(rows) == BATCH:
                optimizer.zero_grad()
                nn.functional.cross_entropy(network(shifted(inputs[rows])), targets[rows]).backward()
                optimizer.step()
                schedule.step()
        print(f"{name}, epoch {epoch + 1} of {epochs}: {score(network, name):.4f}, {time.monotonic() - started:.0f} s")
    return network


def shifted(batch: torch.Tensor) -> torch.Tensor:
    """Every image of the batch moved by up to SHIFT pixels each way, all by the same."""
    down, right = (int(torch.randint(-SHIFT, SHIFT + 1, ())) for _ in range(2))
    return torch.roll(batch, (down, right), dims=(2, 3))


@torch.inference_mode()
def score(network: Network, name: str) -> float:
    """Share of right answers on all test images."""
    images, labels = pictures.testing(name)
    scores = network.eval()(torch.from_numpy(pictures.to_inputs(images)))
    return float((scores.argmax(1).numpy() == labels).mean())


def small(tensor: torch.Tensor) -> np.ndarray:
    return (tensor.half() if tensor.is_floating_point() else tensor).numpy()


if __name__ == "__main__":
    main()
