"""All steps of a recipe, one after the other: folded in between, watched by the floor, written as one float model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")

from converters import exported  # noqa: E402
from converters.compress import TECHNIQUES, shape  # noqa: E402
from converters.recipes import COMPRESSIONS  # noqa: E402
from harness.errors import ConversionError  # noqa: E402

if TYPE_CHECKING:
    from tests.converters.conftest import Pupil

pytestmark = pytest.mark.runtimes


def zeros(tensor: torch.Tensor) -> float:
    return float((tensor == 0).float().mean())


def spoil(model: Any, step: Any, studio: Any) -> Any:
    """A step after which the network knows nothing."""
    with torch.no_grad():
        model.head.weight.zero_()
    return model


def spoiled_by(name: str) -> Any:
    return lambda asked: spoil if asked == name else shape.find_technique(asked)


def test_every_step_of_the_grammar_has_its_module() -> None:
    assert set(TECHNIQUES) == set(COMPRESSIONS)
    assert all(callable(shape.find_technique(name)) for name in TECHNIQUES)


def test_steps_follow_each_other_and_what_the_first_made_is_there_in_the_end(pupil: Pupil, tmp_path: Path) -> None:
    studio = pupil.studio("prune(0.6)+qat", tmp_path)
    model, history = shape.through(pupil.model(), studio)
    assert [result.step for result in history] == ["prune(0.6)", "qat"]
    assert history[0].score_after == history[1].score_before
    assert history[0].facts["sparsity"] == pytest.approx(0.6, abs=0.01) and "sparsity" not in history[1].facts
    assert zeros(model.head.weight) >= 0.59
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in model.modules())


def test_a_first_step_that_cannot_keep_the_floor_is_refused(pupil: Pupil, tmp_path: Path) -> None:
    studio = pupil.studio("prune(0.5)", tmp_path, floor="baseline - 0.05")
    with pytest.raises(
        ConversionError, match=r"`prune\(0.5\)` cannot keep the quality: it leads to accuracy"
    ) as refused:
        shape.through(pupil.model(), studio, spoiled_by("prune"))
    assert "training.floor" in refused.value.remedy


def test_a_later_step_that_falls_below_the_floor_is_left_out_with_a_note(pupil: Pupil, tmp_path: Path) -> None:
    studio = pupil.studio("prune(0.5)+cluster(16)+qat", tmp_path, floor=0.8)
    model, history = shape.through(pupil.model(), studio, spoiled_by("cluster"))
    assert [result.step for result in history] == ["prune(0.5)"]
    assert studio.score(model) >= 0.8
    (note,) = studio.notes
    assert note.startswith("cluster(16) was left out, and all after it: it leads to accuracy")
    assert note.endswith("beyond the floor accuracy 0.8")


@pytest.mark.parametrize(("floor", "limit"), [(90, "90"), ("baseline + 0.5", "1."), ("baseline - 2", "-1.")])
def test_a_floor_that_no_accuracy_can_have_is_refused_before_any_training(
    pupil: Pupil, tmp_path: Path, floor: float | str, limit: str
) -> None:
    with pytest.raises(ConversionError, match=rf"floor `{re.escape(str(floor))}` is an accuracy of {limit}") as refused:
        pupil.studio("prune(0.5)", tmp_path, floor=floor)
    assert "such as 0.9" in refused.value.remedy


def test_a_floor_that_nobody_can_watch_is_said(pupil: Pupil, tmp_path: Path) -> None:
    studio = pupil.studio("prune(0.5)", tmp_path, {"get_training_data": None}, floor=0.8)
    shape.through(pupil.model(), studio)
    assert any("the floor `0.8` was not watched" in note for note in studio.notes)


def test_a_step_that_changes_the_outputs_is_refused(pupil: Pupil, tmp_path: Path) -> None:
    def cut(model: Any, step: Any, studio: Any) -> Any:
        model.head = torch.nn.Linear(256, 3)
        return model

    with pytest.raises(ConversionError, match=r"`prune\(0.5\)` changed the shape of the model's outputs"):
        shape.through(pupil.model(), pupil.studio("prune(0.5)", tmp_path), lambda name: cut)


def test_a_metric_where_lower_is_better_has_its_floor_above(pupil: Pupil, tmp_path: Path) -> None:
    def metric() -> Any:
        return "wrong", lambda outputs, labels: float((outputs[0][:, 0].argmax(1) != labels).mean()), "lower"

    studio = pupil.studio("prune(0.5)", tmp_path, {"get_metric": metric}, floor="baseline + 0.1")
    score = studio.score(pupil.model())
    assert -0.2 < score <= 0
    assert not studio.below_floor(score) and not studio.below_floor(score - 0.09) and studio.below_floor(score - 0.11)
    assert studio.spelled(score) == f"wrong {-score:.4g}"


def test_labels_that_are_no_classes_are_scored_by_the_loss(pupil: Pupil, tmp_path: Path) -> None:
    inputs, _ = pupil.module["get_training_data"]()
    with torch.no_grad():
        wanted = pupil.model()(inputs)
    studio = pupil.studio("prune(0.5)", tmp_path, {"get_training_data": lambda: (inputs, wanted)})
    assert studio.score(pupil.model()) == pytest.approx(0, abs=1e-6)
    assert studio.score(spoil(pupil.model(), None, None)) < -0.01
    assert studio.spelled(-2.0) == "loss 2"


def test_a_model_that_takes_one_batch_size_only_is_trained_with_it(pupil: Pupil, tmp_path: Path) -> None:
    class Bound(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(64, 4)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.layer(image.reshape(1, 64))

    inputs, labels = pupil.module["get_training_data"]()
    data = {"get_training_data": lambda: (inputs[:30], labels[:30])}
    studio = pupil.studio("prune(0.5)", tmp_path, data)
    assert studio.plan("train").batch_size == 24, "no more than there are"
    bound = pupil.studio("prune(0.5)", tmp_path, data, model=Bound())
    assert bound.plan("train").batch_size == 1
    assert any("trained with batches of 1:" in note for note in bound.notes)
    assert bound.tune(Bound(), label="train") and bound.score(Bound()) is not None


def test_a_model_whose_samples_change_each_others_answers_is_trained_with_its_own_batch(
    pupil: Pupil, tmp_path: Path
) -> None:
    class Mixing(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(64, 4)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.layer((image / (1 + image.abs().max())).flatten(1))

    assert pupil.studio("prune(0.5)", tmp_path, model=Mixing()).plan("train").batch_size == 1


def test_what_is_written_is_one_float_program_that_gives_the_same_outputs(pupil: Pupil, tmp_path: Path) -> None:
    studio = pupil.studio("prune(0.6)", tmp_path)
    model, _ = shape.through(pupil.model(), studio)
    shape._write(model, studio, studio._job)
    program = exported.load(tmp_path / "model.pt2").module()
    assert torch.equal(program(*studio.arguments), model(*studio.arguments))
