"""A teacher's soft labels and features, and the teachers that are refused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from converters.compress import distill, objective  # noqa: E402
from harness.errors import ConversionError  # noqa: E402
from harness.records import Step  # noqa: E402

if TYPE_CHECKING:
    from tests.converters.conftest import Pupil

pytestmark = pytest.mark.runtimes

TEACHER = """
import torch
from torch import nn

class Teacher(nn.Module):
    def __init__(self):
        super().__init__()
        self.wide = nn.Conv2d({channels}, 12, 3, padding=1)
        self.head = nn.Linear(12 * 64, {classes})

    def forward(self, image):
        return self.head(torch.relu(self.wide(image)).flatten(1))

def get_model():
    torch.manual_seed(5)
    return Teacher()
"""


@pytest.fixture
def teacher(tmp_path: Path) -> Any:
    def written(channels: int = 1, classes: int = 4) -> Step:
        (tmp_path / "teacher.py").write_text(TEACHER.format(channels=channels, classes=classes))
        return Step(name="distill", arguments=(str(tmp_path / "teacher.py"),))

    return written


def test_soft_labels_are_the_divergence_at_a_temperature_times_its_square() -> None:
    ours, theirs = torch.randn(5, 4), torch.randn(5, 4)
    wanted = 9 * functional.kl_div(
        functional.log_softmax(ours / 3, 1), functional.softmax(theirs / 3, 1), reduction="batchmean"
    )
    assert torch.allclose(distill.softly([ours], [theirs], 3.0), wanted, atol=1e-6)
    assert float(distill.softly([ours], [ours], 3.0)) == pytest.approx(0, abs=1e-6)


def test_a_model_that_ends_in_a_softmax_is_taken_like_one_that_ends_before_it() -> None:
    scores, theirs = torch.randn(5, 4), torch.randn(5, 4)
    assert torch.allclose(
        distill.softly([scores.softmax(1)], [theirs], 2.0), distill.softly([scores], [theirs], 2.0), atol=1e-4
    )
    labels = torch.tensor([0, 1, 2, 3, 0])
    assert torch.allclose(
        objective.suggested(scores.softmax(1), labels), functional.cross_entropy(scores, labels), atol=1e-4
    )


def test_outputs_that_are_no_classes_are_compared_as_numbers() -> None:
    images = [torch.randn(2, 3, 4, 4)]
    assert float(distill.softly(images, images, 4.0)) == 0
    assert float(distill.softly(images, [2 * images[0]], 4.0)) == pytest.approx(0.25)


def test_the_student_comes_nearer_to_its_teacher(pupil: Pupil, tmp_path: Path, teacher: Any) -> None:
    step = teacher()
    studio, model = pupil.studio(f"distill({step.arguments[0]})", tmp_path, soft_share=1.0, epochs=4.0), pupil.model()
    master = distill.load(tmp_path / "teacher.py", ())
    inputs, _ = studio.lessons.batch(studio.lessons.validation)

    def apart() -> float:
        with torch.no_grad():
            return float(distill.softly([model(*inputs)], [master(*inputs)], 4.0))

    before = apart()
    distill.prepare(step, studio)
    distill.apply(model, step, studio)
    assert apart() < 0.7 * before
    assert any("is no better than the model" in note for note in studio.notes)


def test_it_trains_by_itself_only_where_no_other_step_trains_with_its_loss(
    pupil: Pupil, tmp_path: Path, teacher: Any
) -> None:
    step = teacher()
    studio, model = pupil.studio(f"distill({step.arguments[0]})+prune(0.5)", tmp_path), pupil.model()
    distill.prepare(step, studio)
    assert isinstance(studio.objective, distill.SoftLabels)
    distill.apply(model, step, studio)
    for got, wanted in zip(model.state_dict().values(), pupil.model().state_dict().values(), strict=True):
        assert torch.equal(got, wanted)
    assert studio.facts["used_by"] == ["prune"]


@pytest.mark.parametrize("hint", ["norm=wide", "stem=wide"])
def test_hints_pull_features_together_also_of_another_width(
    pupil: Pupil, tmp_path: Path, teacher: Any, hint: str
) -> None:
    studio, model = pupil.studio("qat", tmp_path, hints=(hint,), hint_weight=10.0), pupil.model()
    distill.prepare(teacher(), studio)
    (pair,) = studio.objective._hints
    inputs, labels = studio.lessons.batch(studio.lessons.validation)

    def apart() -> float:
        with studio.objective.attached(model), torch.no_grad():
            studio.objective(model, inputs, labels)
            return float(pair.distance())

    before = apart()
    studio.tune(model, label="train")
    assert apart() < before
    assert not model.norm._forward_hooks and not model.stem._forward_hooks


@pytest.mark.parametrize(
    ("hints", "fault"),
    [
        (("stom=wide",), "the model has no layer `stom`"),
        (("stem=wode",), "the teacher has no layer `wode`"),
        (("depthwise=wide",), "compares"),
    ],
)
def test_a_hint_that_cannot_be_followed_is_refused(
    pupil: Pupil, tmp_path: Path, teacher: Any, hints: tuple[str, ...], fault: str
) -> None:
    studio = pupil.studio("qat", tmp_path, hints=hints)
    with pytest.raises(ConversionError, match=fault) as refused:
        distill.prepare(teacher(), studio)
        studio.tune(pupil.model(), label="train")
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"classes": 7}, r"the teacher's outputs are \[\[1, 7\]\], the model's \[\[1, 4\]\]"),
        ({"channels": 3}, "does not take the model's inputs"),
    ],
)
def test_a_teacher_of_another_task_is_refused(
    pupil: Pupil, tmp_path: Path, teacher: Any, changes: dict, fault: str
) -> None:
    with pytest.raises(ConversionError, match=fault) as refused:
        distill.prepare(teacher(**changes), pupil.studio("qat", tmp_path))
    assert refused.value.remedy


def test_no_teacher_no_data_and_a_training_of_the_users_own_are_refused(
    pupil: Pupil, tmp_path: Path, teacher: Any
) -> None:
    absent = Step(name="distill", arguments=(str(tmp_path / "nobody.py"),))
    with pytest.raises(ConversionError, match=r"nobody\.py does not exist"):
        distill.prepare(absent, pupil.studio("qat", tmp_path))
    with pytest.raises(ConversionError, match="no get_training_data"):
        distill.prepare(teacher(), pupil.studio("qat", tmp_path, {"get_training_data": None}))
    with pytest.raises(ConversionError, match=r"own train\(\)"):
        distill.prepare(teacher(), pupil.studio("qat", tmp_path, {"train": lambda model, after_step: None}))
