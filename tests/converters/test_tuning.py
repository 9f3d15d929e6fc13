"""One training: seeded, taken up again where it was cut off, stopped by a loss that is no number."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")

from msgspec.structs import replace  # noqa: E402

from harness.errors import SourceError  # noqa: E402

if TYPE_CHECKING:
    from tests.converters.conftest import Pupil

pytestmark = pytest.mark.runtimes


def same(model: Any, other: Any) -> bool:
    return all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True))


def test_training_makes_the_model_better_and_the_same_seed_gives_the_same_weights(pupil: Pupil, tmp_path: Path) -> None:
    models = []
    for number in range(2):
        studio, model = pupil.studio("qat", tmp_path / str(number)), pupil.model()
        before = studio.score(model)
        assert studio.tune(model, label="train")
        assert studio.score(model) > before
        assert not model.training
        models.append(model)
    assert same(*models)
    other = pupil.studio("qat", tmp_path / "other")
    other.seed = 1
    model = pupil.model()
    other.tune(model, label="train")
    assert not same(models[0], model)


def test_a_training_that_was_killed_goes_on_and_ends_with_the_same_weights(pupil: Pupil, tmp_path: Path) -> None:
    whole, cut = pupil.model(), pupil.model()
    pupil.studio("qat", tmp_path / "whole").tune(whole, label="train")
    steps: list[int] = []

    def kill(step: int, total: int) -> None:
        steps.append(step)
        if step == 11 and len(steps) == 11:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pupil.studio("qat", tmp_path / "cut").tune(cut, label="train", after_step=kill)
    fresh = pupil.model()
    pupil.studio("qat", tmp_path / "cut").tune(fresh, label="train", after_step=kill)
    assert steps == [*range(1, 12), *range(9, 17)], "it went on after the checkpoint of the first epoch"
    assert same(fresh, whole)


def test_a_finished_training_is_not_done_again(pupil: Pupil, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    first, second = pupil.model(), pupil.model()
    pupil.studio("qat", tmp_path).tune(first, label="train")
    calls: list[int] = []
    pupil.studio("qat", tmp_path).tune(second, label="train", after_step=lambda step, total: calls.append(step))
    assert calls == [] and same(first, second)
    assert "train: going on at step 16 of 16" in capsys.readouterr().out


@pytest.mark.parametrize("changes", [{"epochs": 1.0}, {"learning_rate": 1e-4}, {"samples": 300}])
def test_a_checkpoint_of_another_training_is_none(pupil: Pupil, tmp_path: Path, changes: dict) -> None:
    pupil.studio("qat", tmp_path).tune(pupil.model(), label="train")
    calls: list[int] = []
    pupil.studio("qat", tmp_path, **changes).tune(
        pupil.model(), label="train", after_step=lambda step, total: calls.append(step)
    )
    assert calls[0] == 1


def test_a_damaged_checkpoint_is_none(pupil: Pupil, tmp_path: Path) -> None:
    (tmp_path / "training-1.pt").write_bytes(b"PK\x03\x04 not a checkpoint")
    assert pupil.studio("qat", tmp_path).tune(pupil.model(), label="train")


def exploding(after: int) -> Any:
    calls = 0

    def loss(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += torch.is_grad_enabled()  # only those that train
        value = torch.nn.functional.cross_entropy(outputs, labels)
        return value * float("nan") if calls > after else value

    return lambda: loss


@pytest.mark.parametrize(("after", "kept"), [(3, "before the training"), (13, "after step 8")])
def test_a_loss_that_turns_nan_stops_with_the_last_good_weights(
    pupil: Pupil, tmp_path: Path, after: int, kept: str
) -> None:
    studio, model = pupil.studio("qat", tmp_path, {"get_loss": exploding(after)}), pupil.model()
    studio.tune(model, label="train")
    assert studio.stopped == f"the loss became nan at step {after + 1} of 16; the weights {kept} stay"
    assert any("the loss became nan" in note for note in studio.notes)
    assert all(torch.isfinite(tensor).all() for tensor in model.state_dict().values())
    assert same(model, pupil.model()) == (after == 3)


def test_without_training_data_nothing_is_trained(pupil: Pupil, tmp_path: Path) -> None:
    studio, model = pupil.studio("prune(0.5)", tmp_path, {"get_training_data": None}), pupil.model()
    assert not studio.trainable
    assert not studio.tune(model, label="train")
    assert studio.score(model) is None
    assert same(model, pupil.model())


def test_the_users_own_training_is_called_with_the_step_to_repeat(pupil: Pupil, tmp_path: Path) -> None:
    def train(model: Any, after_step: Any) -> None:
        assert model.training
        with torch.no_grad():
            model.head.bias.add_(1)
        after_step(1, 1)

    studio, model = pupil.studio("prune(0.5)", tmp_path, {"train": train, "get_training_data": None}), pupil.model()
    called: list[tuple[int, int]] = []
    assert studio.tune(model, label="train", after_step=lambda *step: called.append(step))
    assert called == [(1, 1)] and not model.training
    assert torch.allclose(model.head.bias, pupil.model().head.bias + 1)


def test_a_training_of_the_users_own_that_forgets_the_step_is_told_and_one_that_fails_is_blamed(
    pupil: Pupil, tmp_path: Path
) -> None:
    studio = pupil.studio("prune(0.5)", tmp_path, {"train": lambda model, after_step: None})
    studio.tune(pupil.model(), label="train", after_step=lambda *_: None)
    assert any("never called after_step" in note for note in studio.notes)
    failing = pupil.studio("prune(0.5)", tmp_path, {"train": lambda model, after_step: 1 / 0})
    with pytest.raises(SourceError, match=r"learner\.py failed in train\(\)"):
        failing.tune(pupil.model(), label="train")


def test_a_training_of_the_users_own_that_leaves_nan_is_undone(pupil: Pupil, tmp_path: Path) -> None:
    def train(model: Any, after_step: Any) -> None:
        with torch.no_grad():
            model.head.bias.fill_(float("nan"))

    studio, model = pupil.studio("prune(0.5)", tmp_path, {"train": train}), pupil.model()
    studio.tune(model, label="train")
    assert same(model, pupil.model())
    assert "no numbers" in studio.stopped


def test_the_look_with_the_best_score_is_kept_unless_told_otherwise(pupil: Pupil, tmp_path: Path) -> None:
    """Past the first look the weights are spoilt."""

    def spoil(step: int, total: int) -> None:
        if step > 8:
            with torch.no_grad():
                model.head.weight.zero_()

    scores = []
    for keep_best in (True, False):
        studio, model = pupil.studio("qat", tmp_path / str(keep_best)), pupil.model()
        studio.train(model, replace(studio.plan("train"), after_step=spoil, keep_best=keep_best))
        scores.append(studio.score(model))
    assert scores[0] > 0.8 > scores[1]


def test_a_model_frozen_as_a_whole_is_trained_and_a_frozen_part_is_not(pupil: Pupil, tmp_path: Path) -> None:
    frozen = pupil.model().requires_grad_(False)
    pupil.studio("qat", tmp_path / "a").tune(frozen, label="train")
    assert not torch.equal(frozen.stem.weight, pupil.model().stem.weight)
    partly = pupil.model()
    partly.stem.requires_grad_(False)
    pupil.studio("qat", tmp_path / "b").tune(partly, label="train")
    assert torch.equal(partly.stem.weight, pupil.model().stem.weight)
    assert not torch.equal(partly.head.weight, pupil.model().head.weight)


def test_batch_norms_that_do_not_fit_the_data_are_held_and_others_train_along(pupil: Pupil, tmp_path: Path) -> None:
    foreign, own = pupil.model(), pupil.model()
    with torch.no_grad():  # the same function, told in statistics that are not those of the data
        foreign.second.running_mean.add_(10 * foreign.second.running_var.sqrt())
        foreign.second.bias.add_(10 * foreign.second.weight)
    before = foreign.second.running_mean.clone()
    studio = pupil.studio("prune(0.5)", tmp_path / "foreign")
    studio.tune(foreign, label="train")
    assert torch.equal(foreign.second.running_mean, before) and "held" in studio.facts["batch_norms"]
    studio = pupil.studio("prune(0.5)", tmp_path / "own")
    studio.tune(own, label="train")
    assert not torch.equal(own.norm.running_mean, pupil.model().norm.running_mean) and studio.facts == {}


def test_batches_of_a_few_rows_do_not_move_batch_norms(pupil: Pupil, tmp_path: Path) -> None:
    studio, model = pupil.studio("prune(0.5)", tmp_path, batch_size=4, epochs=0.2), pupil.model()
    studio.tune(model, label="train")
    assert torch.equal(model.norm.running_mean, pupil.model().norm.running_mean)
    assert not torch.equal(model.norm.weight, pupil.model().norm.weight)
