"""Pruning: gradual and in one shot, what is left alone and why, and the floor that it does not fall below."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from converters.compress import folding, prune  # noqa: E402
from harness.errors import ConversionError  # noqa: E402
from harness.records import Schedule, Step  # noqa: E402

if TYPE_CHECKING:
    from tests.converters.conftest import Pupil

pytestmark = pytest.mark.runtimes


def step(*arguments: str) -> Step:
    return Step(name="prune", arguments=arguments)


def zeros(tensor: torch.Tensor) -> float:
    return float((tensor == 0).float().mean())


def test_zeros_grow_along_the_cubic_between_begin_and_end() -> None:
    schedule = Schedule(initial_sparsity=0.2, begin=0.1, end=0.6)
    assert prune.share_at(0.0, 0.8, schedule) == 0.0
    assert prune.share_at(0.1, 0.8, schedule) == pytest.approx(0.2)
    assert prune.share_at(0.35, 0.8, schedule) == pytest.approx(0.8 - 0.6 / 8)
    assert prune.share_at(0.6, 0.8, schedule) == prune.share_at(1.0, 0.8, schedule) == pytest.approx(0.8)
    course = [prune.share_at(time / 100, 0.8, schedule) for time in range(10, 61)]
    assert course == sorted(course)
    assert prune.share_at(0.1, 0.1, schedule) == pytest.approx(0.1), "it never starts above what is asked for"


@pytest.mark.parametrize("arguments", [("0.7",), ("0.7", "global"), ("0.75", "1x4"), ("2:4",)])
def test_a_trained_network_is_pruned_gradually_and_stays_good(
    pupil: Pupil, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    studio, model = pupil.studio(f"prune({','.join(arguments)})", tmp_path), pupil.model()
    target = 0.5 if arguments == ("2:4",) else float(arguments[0])
    before = studio.score(model)
    pruned = prune.apply(model, step(*arguments), studio)
    assert studio.score(pruned) > before - 0.05
    assert studio.facts["sparsity"] == pytest.approx(target, abs=0.02)
    assert studio.stopped == "" and studio.notes == []
    layers = [pruned.pointwise.weight, pruned.head.weight]
    layers += [pruned.stem.weight] if "global" in arguments else []
    assert sum(zeros(layer) * layer.numel() for layer in layers) / sum(layer.numel() for layer in layers) == (
        pytest.approx(target, abs=0.02)
    )
    assert all((layer.flatten(1) != 0).any(dim=1).all() for layer in layers)
    if arguments == ("2:4",):
        for layer in layers:
            assert ((layer.reshape(-1, 4) == 0).sum(1) == 2).all()


def test_zeros_stay_when_batch_norm_is_folded_afterwards(pupil: Pupil, tmp_path: Path) -> None:
    studio = pupil.studio("prune(0.7,global)", tmp_path)
    pruned = prune.apply(pupil.model(), step("0.7", "global"), studio)
    folded = folding.fold(pruned, studio.arguments)
    assert zeros(folded.stem.weight) == zeros(pruned.stem.weight) > 0


def test_depthwise_and_the_first_convolution_are_left_and_it_is_said_why(pupil: Pupil, tmp_path: Path) -> None:
    studio = pupil.studio("prune(0.7)", tmp_path, {"get_training_data": None})
    pruned = prune.apply(pupil.model(), step("0.7"), studio)
    assert zeros(pruned.depthwise.weight) == zeros(pruned.stem.weight) == 0
    left = studio.facts["layers_left"]
    assert [text.partition(" ")[0] for text in left] == ["stem.weight", "depthwise.weight"]
    assert "few weights" in left[0]


def test_without_training_data_it_is_done_in_one_shot_with_a_note(pupil: Pupil, tmp_path: Path) -> None:
    studio = pupil.studio("prune(0.7)", tmp_path, {"get_training_data": None})
    pruned = prune.apply(pupil.model(), step("0.7"), studio)
    assert zeros(pruned.head.weight) == pytest.approx(0.7, abs=0.01)
    assert any("one shot" in note and "get_training_data" in note for note in studio.notes)


def test_in_one_shot_batch_norms_are_measured_anew_on_the_calibration_samples(pupil: Pupil, tmp_path: Path) -> None:
    studio = pupil.studio("prune(0.9,global)", tmp_path, {"get_training_data": None})
    pruned, plain = prune.apply(pupil.model(), step("0.9", "global"), studio), pupil.model()
    assert not torch.equal(pruned.second.running_mean, plain.second.running_mean)
    stale = pupil.model()
    stale.load_state_dict({**pruned.state_dict(), **{k: v for k, v in plain.state_dict().items() if "running" in k}})
    inputs = torch.cat([batch[0] for batch in studio.calibration()])
    with torch.no_grad():
        wanted = plain(inputs)
        assert (pruned(inputs) - wanted).square().mean() < (stale(inputs) - wanted).square().mean()


def test_a_network_without_a_layer_that_the_pattern_divides_is_refused(pupil: Pupil, tmp_path: Path) -> None:
    studio = pupil.studio("prune(2:4)", tmp_path)
    with pytest.raises(ConversionError, match=r"finds no layer.*7 inputs are no multiple of 4") as refused:
        prune.apply(nn.Sequential(nn.Linear(7, 8)), step("2:4"), studio)
    assert refused.value.remedy


def test_at_the_floor_it_stops_keeps_the_best_and_says_where(pupil: Pupil, tmp_path: Path) -> None:
    studio, model = pupil.studio("prune(0.99)", tmp_path, floor="baseline - 0.05", epochs=4.0), pupil.model()
    limit = studio.score(model) - 0.05
    pruned = prune.apply(model, step("0.99"), studio)
    assert studio.score(pruned) >= limit
    assert 0.1 < studio.facts["sparsity"] < 0.98
    assert studio.stopped.startswith(f"at {studio.facts['sparsity']:.0%} zeros: with ")
    assert "beyond the floor accuracy" in studio.stopped
    assert any(note.startswith("prune(0.99) stopped at") for note in studio.notes)
    assert zeros(torch.cat([pruned.pointwise.weight.flatten(), pruned.head.weight.flatten()])) == pytest.approx(
        studio.facts["sparsity"], abs=1e-3
    )


def test_a_floor_that_is_kept_does_not_stop_anything(pupil: Pupil, tmp_path: Path) -> None:
    studio = pupil.studio("prune(0.6)", tmp_path, floor="baseline - 0.1")
    prune.apply(pupil.model(), step("0.6"), studio)
    assert studio.stopped == "" and studio.facts["sparsity"] == pytest.approx(0.6, abs=0.01)


def test_nan_on_the_way_keeps_the_zeros_that_were_good(pupil: Pupil, tmp_path: Path) -> None:
    calls = 0

    def loss(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += torch.is_grad_enabled()  # only those that train
        return nn.functional.cross_entropy(outputs, labels) * (float("inf") if calls > 9 else 1.0)

    studio = pupil.studio("prune(0.9)", tmp_path, {"get_loss": lambda: loss}, schedule=Schedule(frequency=2, end=0.9))
    pruned = prune.apply(pupil.model(), step("0.9"), studio)
    assert 0.3 < studio.facts["sparsity"] < 0.9
    assert "the loss became inf at step 10 of 16; the weights after step 8 stay" in studio.stopped
    assert torch.isfinite(pruned.head.weight).all()
    assert studio.score(pruned) > 0.5


@pytest.mark.parametrize("last_look", [2, 4], ids=["while zeros grow", "when all are there"])
def test_a_gradual_pruning_that_was_killed_ends_as_if_it_had_not_been(
    pupil: Pupil, tmp_path: Path, last_look: int
) -> None:
    whole = prune.apply(pupil.model(), step("0.8"), pupil.studio("prune(0.8)", tmp_path / "whole", epochs=4.0))
    studio = pupil.studio("prune(0.8)", tmp_path / "cut", epochs=4.0)
    score = studio._jury.score
    looks = 0

    def kill(model: nn.Module) -> float | None:
        nonlocal looks
        looks += 1
        if looks == last_look:
            raise KeyboardInterrupt
        return score(model)

    studio._jury.score = kill
    with pytest.raises(KeyboardInterrupt):
        prune.apply(pupil.model(), step("0.8"), studio)
    resumed = prune.apply(pupil.model(), step("0.8"), pupil.studio("prune(0.8)", tmp_path / "cut", epochs=4.0))
    for one, other in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(one, other)
