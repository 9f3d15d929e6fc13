"""What training makes small: the user's get_loss(), else what the labels suggest, else how far the source model is.

Imports torch: for child processes only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch.nn import functional

from converters import userfile
from harness.errors import SourceError

Inputs = tuple[torch.Tensor, ...]


class Objective:
    """The loss of one batch. loss: (outputs as the model returns them, labels) -> scalar; reference: the source model,
    whose outputs stand in for labels where there are none."""

    def __init__(self, loss: Callable[[Any, Any], Any] | None, reference: torch.nn.Module) -> None:
        self._loss = loss
        self._reference = reference

    @contextmanager
    def attached(self, model: torch.nn.Module) -> Iterator[None]:
        """Around a training of `model`; for objectives that look inside it."""
        yield

    def __call__(self, model: torch.nn.Module, inputs: Inputs, labels: torch.Tensor | None) -> torch.Tensor:
        return self.judged(model(*inputs), inputs, labels)

    def judged(self, outputs: Any, inputs: Inputs, labels: torch.Tensor | None) -> torch.Tensor:
        if self._loss is not None:
            return self._loss(outputs, labels)
        if labels is not None:
            return suggested(leaves(outputs)[0], labels)
        with torch.no_grad():
            wanted = leaves(self._reference(*inputs))
        return distance(leaves(outputs), wanted)


def own(module: ModuleType | None, path: Path, *, keras: bool = False) -> Callable[[Any, Any], Any] | None:
    """The user's loss, or None. Raises SourceError when get_loss() gives something else.

    keras: it is written for a Keras model, whose losses may be one number per sample.
    """
    get = userfile.function(module, "get_loss")
    if get is None:
        return None
    with userfile.blaming(path, "in get_loss()"):
        loss = get()
    if not callable(loss):
        raise SourceError(
            f"get_loss() returned {type(loss).__name__}, not a function", remedy="return loss(outputs, labels)"
        )

    def judged(outputs: Any, labels: Any) -> torch.Tensor:
        with userfile.blaming(path, "in the loss of get_loss()"):
            value = loss(outputs, labels)
        if keras and not isinstance(value, torch.Tensor):
            raise SourceError(
                f"the loss is {type(value).__name__}, no tensor of torch, on which this recipe trains",
                remedy="write it with keras.losses or keras.ops, which compute on any backend",
            )
        if keras:
            return value.mean()
        if not isinstance(value, torch.Tensor) or value.numel() != 1:
            raise SourceError(f"the loss is {type(value).__name__}, not one number as a tensor", remedy="reduce it")
        return value.reshape(())

    return judged


def suggested(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy for classes with scores along axis 1, else mean squared error for labels like the outputs.

    Raises SourceError for anything else.
    """
    if labels.dim() == outputs.dim() and labels.shape[1:].numel() == 1 and outputs.shape[1:].numel() > 1:
        labels = labels.flatten()
    if not labels.is_floating_point() and outputs.dim() == labels.dim() + 1 and outputs.shape[1] > 1:
        return functional.nll_loss(log_scores(outputs), labels)
    if labels.numel() == outputs.numel():
        return functional.mse_loss(outputs, labels.to(outputs.dtype).reshape(outputs.shape))
    raise SourceError(
        f"no loss is known for outputs {list(outputs.shape)} with labels {labels.dtype} {list(labels.shape)}",
        remedy="add get_loss() to the model's file, which returns loss(outputs, labels)",
    )


def log_scores(outputs: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    """Logarithms of class probabilities along axis 1, whether the model ends in a softmax or before it."""
    detached = outputs.detach()
    if bool((detached >= 0).all()) and torch.allclose(detached.sum(1), torch.ones(()), atol=1e-3):
        outputs = outputs.clamp_min(1e-9).log()
    return functional.log_softmax(outputs / temperature, dim=1)


def distance(outputs: list[torch.Tensor], wanted: list[torch.Tensor]) -> torch.Tensor:
    """Mean squared error of all outputs, each in units of what it should be."""
    terms = [
        functional.mse_loss(output, target) / target.square().mean().clamp_min(1e-12)
        for output, target in zip(outputs, wanted, strict=True)
        if output.is_floating_point()
    ]
    return torch.stack(terms).mean()


def leaves(outputs: Any) -> list[torch.Tensor]:
    found = torch.utils._pytree.tree_leaves(outputs)
    return [leaf for leaf in found if isinstance(leaf, torch.Tensor)]
