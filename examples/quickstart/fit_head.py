"""Fits the last layer of the quick-start model and writes `head.npz`. `python fit_head.py --help`

Multinomial logistic regression on the 1,280 pooled features of the frozen backbone. The features are brought to
scale by ONE common factor: scaling each feature by its own spread and folding that back into the layer makes
some columns huge, and then every int8 build of the layer loses most of its accuracy. The strength of the L2 penalty
is chosen on a fifth of the training images; the test images are only looked at to report.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from fashion_mnist import DEBIAN_FOLDER, balanced, read
from model import CLASSES, HERE, backbone, preprocess
from torch import nn

SEED = 1
BATCH = 50
PENALTIES = (1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEBIAN_FOLDER, help="folder with the four .gz files")
    parser.add_argument("--train", type=int, default=10000, help="training images (default %(default)s)")
    parser.add_argument("--test", type=int, default=2000, help="test images to report on (default %(default)s)")
    parser.add_argument("--out", type=Path, default=HERE / "head.npz")
    options = parser.parse_args()
    rng = np.random.default_rng(SEED)
    train_x, train_y = sample("train", options.train, rng, options.data)
    test_x, test_y = sample("t10k", options.test, rng, options.data)
    head = fit(train_x, train_y, choose_penalty(train_x, train_y))
    for name, x, y in (("training", train_x, train_y), ("test", test_x, test_y)):
        print(f"accuracy on {len(y)} {name} images: {accuracy(head, x, y):.4f}")
    np.savez_compressed(options.out, weight=head.weight.detach().numpy(), bias=head.bias.detach().numpy())
    print(f"{options.out}: {options.out.stat().st_size} bytes")


def sample(split: str, count: int, rng: np.random.Generator, folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Pooled features [count, 1280] and labels [count] of a class-balanced draw."""
    images, labels = read(split, folder)
    chosen = balanced(labels, count // len(CLASSES), rng)
    return features(images[chosen]), torch.from_numpy(labels[chosen].astype(np.int64))


@torch.inference_mode()
def features(images: np.ndarray) -> torch.Tensor:
    net = backbone()
    net._fc = nn.Identity()
    started, parts = time.monotonic(), []
    for start in range(0, len(images), BATCH):
        parts.append(net(torch.from_numpy(preprocess(images[start : start + BATCH]))))
    print(f"features of {len(images)} images in {time.monotonic() - started:.0f} s")
    return torch.cat(parts).clone()


def choose_penalty(x: torch.Tensor, y: torch.Tensor) -> float:
    """The one of PENALTIES that predicts every fifth image best from the other four fifths."""
    held_out = torch.arange(len(y)) % 5 == 0
    scores = {}
    for penalty in PENALTIES:
        scores[penalty] = accuracy(fit(x[~held_out], y[~held_out], penalty), x[held_out], y[held_out])
        print(f"penalty {penalty:g}: {scores[penalty]:.4f} on {int(held_out.sum())} held-out training images")
    return max(scores, key=lambda penalty: scores[penalty])


def fit(x: torch.Tensor, y: torch.Tensor, penalty: float) -> nn.Linear:
    """L-BFGS on float64, from zero: deterministic. The common scale is folded back into the weights."""
    scale = x.double().std()
    scaled = x.double() / scale
    head = nn.Linear(x.shape[1], len(CLASSES), dtype=torch.float64)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    search = torch.optim.LBFGS(head.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        search.zero_grad()
        value = nn.functional.cross_entropy(head(scaled), y) + penalty * head.weight.square().sum()
        value.backward()
        return value

    search.step(loss)
    with torch.no_grad():
        head.weight /= scale
    return head.float()


@torch.inference_mode()
def accuracy(head: nn.Linear, x: torch.Tensor, y: torch.Tensor) -> float:
    return float((head(x).argmax(1) == y).double().mean())


if __name__ == "__main__":
    main()
