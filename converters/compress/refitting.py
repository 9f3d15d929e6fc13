"""The readers of removed channels made to do without them: their weights fitted anew, by least squares.

What a layer computed from all its inputs, it computes as well as it can from those that stay; the samples say which of
them speak for the lost ones (as in channel pruning by reconstruction, arXiv:1707.06168, with a ridge). Imports torch:
for child processes only.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from converters.compress.dependencies import Group
from converters.compress.multiplyadds import Tensors

MOST_INPUTS = 2400  # of a layer, kernel positions included: the system to solve is that large squared
RIDGE = 0.1  # of the mean square of the inputs: few samples would otherwise be learnt by heart


def refit(
    model: nn.Module, groups: Sequence[Group], removed: Mapping[str, Sequence[int]], batches: Sequence[Tensors]
) -> nn.Module:
    """A copy in which the weights that read kept channels make up for the removed ones, which are still there.

    removed: channels by the group's layer.
    """
    model = copy.deepcopy(model)
    lost = _lost_inputs(groups, removed)
    fitted = {name: model.get_submodule(name) for name in lost if fits(model.get_submodule(name))}
    for name, moment in second_moments(model, fitted, batches).items():
        _solve(fitted[name], moment, lost[name])
    return model


def _lost_inputs(groups: Sequence[Group], removed: Mapping[str, Sequence[int]]) -> dict[str, set[int]]:
    lost: dict[str, set[int]] = {}
    for group in groups:
        unwanted = set(removed.get(group.layer, ()))
        for member in group.readers if unwanted else ():
            gone = {channel for channel, root in zip(member.channels, member.roots, strict=True) if root in unwanted}
            lost.setdefault(member.layer, set()).update(gone)
    return lost


def fits(layer: Any) -> bool:
    if isinstance(layer, nn.Linear):
        return bool(layer.in_features <= MOST_INPUTS)
    return isinstance(layer, nn.Conv2d) and layer.groups == 1 and bool(layer.weight[0].numel() <= MOST_INPUTS)


def second_moments(model: nn.Module, layers: Mapping[str, Any], batches: Sequence[Tensors]) -> dict[str, torch.Tensor]:
    """Sum of x xT over all positions that each layer reads; x in the order of the layer's flattened weight."""
    moments = {name: torch.zeros(layer.weight[0].numel(), layer.weight[0].numel()) for name, layer in layers.items()}

    def gathering(name: str) -> Callable[..., None]:
        def hook(layer: Any, inputs: Tensors) -> None:
            rows = _rows(layer, inputs[0])
            moments[name] += rows.T @ rows

        return hook

    hooks = [layer.register_forward_pre_hook(gathering(name)) for name, layer in layers.items()]
    try:
        with torch.no_grad():
            for batch in batches:
                model(*batch)
    finally:
        for hook in hooks:
            hook.remove()
    return moments


def _rows(layer: Any, inputs: torch.Tensor) -> torch.Tensor:
    if isinstance(layer, nn.Linear):
        return inputs.reshape(-1, layer.in_features)
    if layer.kernel_size == (1, 1):
        return inputs[:, :, :: layer.stride[0], :: layer.stride[1]].transpose(0, 1).flatten(1).T
    padding = (
        layer.padding if isinstance(layer.padding, tuple) else (layer.kernel_size[0] // 2, layer.kernel_size[1] // 2)
    )
    patches = nn.functional.unfold(inputs, layer.kernel_size, layer.dilation, padding, layer.stride)
    return patches.transpose(1, 2).reshape(-1, patches.shape[1])


def _solve(layer: Any, moment: torch.Tensor, lost: set[int]) -> None:
    inputs, places = layer.weight.shape[1], layer.weight[0, 0].numel()
    kept = torch.tensor([channel for channel in range(inputs) if channel not in lost])
    columns = (kept[:, None] * places + torch.arange(places)).flatten()
    inner = moment[columns][:, columns].double()
    inner += RIDGE * moment.diagonal().mean().double().clamp_min(1e-12) * torch.eye(len(columns))
    weight = layer.weight.detach().flatten(1).double()
    # What the kept inputs cannot explain stays lost; the ridge pulls towards the weights as they were, not to zero.
    missing = weight @ moment.double()[:, columns] - weight[:, columns] @ moment.double()[columns][:, columns]
    change = torch.linalg.solve(inner, missing.T).T
    flat = layer.weight.detach().flatten(1).clone()
    flat[:, columns] += change.to(flat.dtype)
    with torch.no_grad():
        layer.weight.copy_(flat.reshape(layer.weight.shape))
