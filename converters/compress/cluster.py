"""`cluster(16)`, `cluster(16,channel)`: the weights of a tensor, or of each output channel, share so many values.

The values are found by k-means and then trained: all weights that share one move together, by the mean of what each of
them would have done (Han, Mao, Dally: "Deep Compression", arXiv:1510.00149). No runtime stores such a codebook, so the
gain is in the zipped and, above all, the packed file (`pocketbench pack`). Imports torch: for child processes only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import nn

from converters.compress import codebooks, weights
from converters.compress.studio import Studio
from converters.compress.weights import Weight
from harness.errors import ConversionError
from harness.records import Step

MOST_VALUES = 256  # more are no less than int8 has without any training
_WEIGHTS_PER_VALUE = 2  # a codebook with more entries than that saves nothing


def apply(model: nn.Module, step: Step, studio: Studio) -> nn.Module:
    """Raises ConversionError for a number of values that no tensor of the model can hold."""
    count, per_channel = _asked(step)
    chosen, left = _choose(model, count, per_channel)
    if not chosen:
        raise ConversionError(
            f"no weight tensor of the model has so many weights that they could share {count} values"
            + (" in each channel" if per_channel else "")
            + f": {'; '.join(left[:3]) or 'it has none'}",
            remedy="ask for fewer values" + (", or for a codebook per tensor" if per_channel else ""),
        )
    for weight in chosen:
        share(weight, count, per_channel=per_channel)
    _train(model, chosen, f"cluster({','.join(step.arguments)})", studio)
    studio.record(
        values={weight.name: _distinct(weight, per_channel) for weight in chosen},
        zeros_kept={weight.name: _zeros(weight) for weight in chosen if _zeros(weight)},
        layers_left=left,
    )
    return model


def share(weight: Weight, count: int, *, per_channel: bool) -> None:
    """Replace the weights by their centroids, in place. Zeros stay zero: they are there because pruning made them."""
    rows = weight.rows()
    parts: Sequence[torch.Tensor] = rows if per_channel else [rows]
    clustered = [torch.from_numpy(codebooks.shared(part.numpy(), count, keep_zero=True)) for part in parts]
    together = torch.stack(clustered) if per_channel else clustered[0]
    with torch.no_grad():
        weight.parameter.copy_(weights.from_rows(together, weight.parameter, weight.kind))


def _asked(step: Step) -> tuple[int, bool]:
    number, *options = step.arguments
    count = int(number)
    if not 2 <= count <= MOST_VALUES:
        raise ConversionError(
            f"`cluster({','.join(step.arguments)})` asks for {count} values",
            remedy=f"ask for 2 to {MOST_VALUES}: one carries nothing, and {MOST_VALUES} are what int8 has anyway",
        )
    return count, "channel" in options


def _choose(model: nn.Module, count: int, per_channel: bool) -> tuple[list[Weight], list[str]]:
    """The weights to cluster, and for each other one why it stays as it is."""
    chosen, left = [], []
    for weight in weights.of(model):
        held = weight.rows().shape[1] if per_channel else weight.parameter.numel()
        if held < _WEIGHTS_PER_VALUE * count:
            left.append(f"{weight.name} (only {held} weights{' in a channel' if per_channel else ''})")
        else:
            chosen.append(weight)
    return chosen, left


def _train(model: nn.Module, chosen: list[Weight], label: str, studio: Studio) -> None:
    with _moving_together(chosen):
        after_step = weights.holder(chosen, zeros=True, shared=True)
        if not studio.tune(model, label=label, after_step=after_step):
            studio.note(f"{label}: the values were not fine-tuned: the model's file has no get_training_data()")


@contextmanager
def _moving_together(chosen: list[Weight]) -> Iterator[None]:
    """While training, every weight gets the mean gradient of those that share its value, so that the optimizer takes a
    full step with each value; without this, steps of opposite sign cancel out after it."""
    with ExitStack() as stack:
        for weight in chosen:
            if weight.parameter.requires_grad:
                hook = weight.parameter.register_hook(_averaging(weight.parameter.detach()))
                stack.callback(hook.remove)
        yield


def _averaging(values: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    _, group = values.flatten().unique(return_inverse=True)
    count = torch.bincount(group).to(values.dtype)

    def averaged(gradient: torch.Tensor) -> torch.Tensor:
        means = torch.zeros_like(count).index_add_(0, group, gradient.flatten()) / count
        return means[group].view_as(gradient)

    return averaged


def _distinct(weight: Weight, per_channel: bool) -> int:
    """Distinct values of the tensor, or the most of any of its channels."""
    parts = weight.rows() if per_channel else [weight.parameter.detach()]
    return max(int(part.unique().numel()) for part in parts)


def _zeros(weight: Weight) -> int:
    return int((weight.parameter == 0).sum())
