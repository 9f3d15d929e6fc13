"""Shared weights: as many values as asked for, fine-tuned together, zeros kept, nonsense refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.errors import ConversionError
from harness.records import Step

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.runtimes


class FakeStudio:
    """Trains a regression by plain Adam, and keeps what it is told."""

    def __init__(self, *, trainable: bool = True) -> None:
        self.trainable = trainable
        self.notes: list[str] = []
        self.facts: dict[str, Any] = {}
        torch.manual_seed(0)
        self.inputs = torch.randn(64, 1, 8, 8)
        self.targets = torch.randn(64, 10)

    def loss(self, model: Any) -> Any:
        return torch.nn.functional.mse_loss(model(self.inputs), self.targets)

    def tune(self, model: Any, *, label: str, after_step: Callable[[int, int], None]) -> bool:
        if not self.trainable:
            return False
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
        for step in range(1, 31):
            optimizer.zero_grad()
            self.loss(model).backward()
            optimizer.step()
            after_step(step, 30)
        return True

    def note(self, text: str) -> None:
        self.notes.append(text)

    def record(self, **facts: Any) -> None:
        self.facts.update(facts)


def network() -> Any:
    torch.manual_seed(1)
    nn = torch.nn
    convolutions = [nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.ReLU()]
    return nn.Sequential(*convolutions, nn.Conv2d(8, 16, 3, stride=4), nn.Flatten(), nn.Linear(64, 10))


def clustered(*arguments: str, model: Any = None, studio: FakeStudio | None = None) -> tuple[Any, FakeStudio]:
    from converters.compress import cluster

    studio, model = studio or FakeStudio(), model or network()
    return cluster.apply(model, Step(name="cluster", arguments=arguments), studio), studio


def distinct(tensor: Any) -> int:
    return int(tensor.unique().numel())


def test_every_tensor_holds_the_number_of_values_asked_for_after_training() -> None:
    model, studio = clustered("8")
    assert [distinct(model[place].weight) for place in (0, 2, 4, 6)] == [8, 8, 8, 8]
    assert studio.facts["values"] == {"0.weight": 8, "2.weight": 8, "4.weight": 8, "6.weight": 8}
    assert studio.notes == []


def test_per_channel_each_channel_holds_values_of_its_own() -> None:
    model, studio = clustered("4", "channel")
    rows = model[4].weight.detach().flatten(1)
    assert max(distinct(row) for row in rows) == 4
    assert distinct(rows) > 4
    assert studio.facts["values"]["4.weight"] == 4


def test_training_moves_the_shared_values_and_makes_the_model_better() -> None:
    untrained, _ = clustered("8", studio=FakeStudio(trainable=False))
    trained, studio = clustered("8")
    assert studio.loss(trained) < studio.loss(untrained) - 0.02
    for before, after in zip(untrained[4].weight.flatten().unique(), trained[4].weight.flatten().unique(), strict=True):
        assert before != after


def test_weights_that_share_a_value_keep_sharing_it() -> None:
    untrained, _ = clustered("8", studio=FakeStudio(trainable=False))
    trained, _ = clustered("8")
    pairs = torch.stack([untrained[6].weight.flatten(), trained[6].weight.flatten()]).T
    assert len(pairs.unique(dim=0)) == 8


def test_zeros_of_a_pruned_tensor_stay_zeros_and_no_others_come() -> None:
    model = network()
    mask = torch.rand_like(model[4].weight) < 0.9
    model[4].weight.data.masked_fill_(mask, 0)
    model, studio = clustered("8", model=model)
    assert torch.equal(model[4].weight == 0, mask)
    assert not bool(torch.signbit(model[4].weight[mask]).any())
    assert distinct(model[4].weight) == 8
    assert studio.facts["zeros_kept"] == {"4.weight": int(mask.sum())}


def test_no_hook_stays_on_the_model() -> None:
    model, _ = clustered("8")
    assert not any(parameter._backward_hooks for parameter in model.parameters())


def test_without_training_data_the_build_says_so() -> None:
    _, studio = clustered("8", studio=FakeStudio(trainable=False))
    assert studio.notes == ["cluster(8): the values were not fine-tuned: the model's file has no get_training_data()"]


def test_tensors_too_small_for_the_codebook_are_left_and_named() -> None:
    before = network()
    model, studio = clustered("64")
    assert torch.equal(model[0].weight, before[0].weight) is False  # trained with the others, but not shared
    assert distinct(model[0].weight) == 72
    assert studio.facts["layers_left"] == ["0.weight (only 72 weights)", "2.weight (only 72 weights)"]


def test_a_count_that_no_tensor_can_hold_is_refused_with_the_reason() -> None:
    tiny = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 3))
    with pytest.raises(ConversionError, match=r"share 64 values: 1\.weight \(only 12 weights\)"):
        clustered("64", model=tiny)
    with pytest.raises(ConversionError, match=r"share 64 values in each channel: .* \(only 9 weights in a channel\)"):
        clustered("64", "channel")


@pytest.mark.parametrize("count", ["1", "257"])
def test_counts_that_mean_nothing_are_refused(count: str) -> None:
    with pytest.raises(ConversionError, match=f"asks for {count} values"):
        clustered(count)


def test_frozen_weights_are_shared_all_the_same() -> None:
    model = network()
    model[4].weight.requires_grad_(False)
    model, _ = clustered("8", model=model)
    assert distinct(model[4].weight) == 8
