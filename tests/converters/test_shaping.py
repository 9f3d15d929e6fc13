"""Compressed builds with the real converters: trained once for both runtimes, cached, the file as promised."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

import converters
from converters import manifest, recipes, shaping
from converters.workshop import Progress
from harness.records import Limits, Runtime, Training, Variant

if TYPE_CHECKING:
    from tests.converters.conftest import Pupil

pytestmark = pytest.mark.runtimes
RECIPE = "prune(0.6)+cluster(16)+qat+static_wi8_ai8"


class Made:
    """Both runtimes' builds of one recipe, in the order in which they were made."""

    def __init__(self, pupil: Pupil) -> None:
        self.pupil = pupil
        self.told: list[Progress] = []
        self.workshop = msgspec.structs.replace(pupil.workshop, tell=self.told.append)
        self.tflite = self.convert("tflite", RECIPE)
        self.executorch = self.convert("executorch", RECIPE)

    def convert(self, runtime: Runtime, recipe: str, **changes: object) -> Variant:
        shop = msgspec.structs.replace(self.workshop, **changes)
        return converters.convert(self.pupil.prepared, runtime, recipes.parse(recipe), workshop=shop)


@pytest.fixture(scope="module")
def made(pupil: Pupil) -> Made:
    return Made(pupil)


def test_both_files_hold_integers_and_the_zeros_that_were_asked_for(made: Made) -> None:
    for variant in (made.tflite, made.executorch):
        assert variant.failure is None and variant.contents is not None
        assert set(variant.contents.weight_elements) == {"int8"}
        pruned = [weight for weight in variant.contents.weights if weight.elements >= 128]
        assert len(pruned) == 2
        for weight in pruned:
            assert weight.zeros / weight.elements == pytest.approx(0.6, abs=0.02)
        assert all(weight.distinct <= 16 for weight in variant.contents.weights)
        assert variant.contents.packed_bytes < variant.contents.download_bytes
        assert variant.contents.macs is not None
        assert not any(weight.saturated_biases for weight in variant.contents.weights)


def test_it_was_trained_once_and_each_build_tells_what_was_done(made: Made) -> None:
    assert len(list((Path(made.workshop.logs)).glob("shape-*.log"))) == 1
    assert made.tflite.history == made.executorch.history
    assert [result.step for result in made.tflite.history] == ["prune(0.6)", "cluster(16)", "qat"]
    assert made.tflite.history[-1].score_after > 0.85
    log = (Path(made.workshop.logs) / "shape-prune(0.6)+cluster(16)+qat.log").read_text()
    assert log.count("[training] 16 of 16: prune(0.6)") == 1


def test_the_integers_in_the_files_are_those_that_were_trained(made: Made) -> None:
    """Both files give what the simulation gave: the classes of the float model whose weights lie on the grid."""
    assert not any("differ" in warning for warning in (*made.tflite.warnings, *made.executorch.warnings))


def test_progress_was_told_while_it_ran(made: Made) -> None:
    assert made.told
    assert {progress.total for progress in made.told} == {16}
    assert any("prune(0.6)" in progress.now or "qat" in progress.now for progress in made.told)


def test_the_second_time_nothing_is_trained_or_converted(made: Made) -> None:
    again = made.convert("tflite", RECIPE)
    assert again.cached and again.sha256 == made.tflite.sha256 and again.history == made.tflite.history


def test_making_anew_trains_once_for_all_builds_that_share_the_steps(made: Made) -> None:
    steps = recipes.compressions(recipes.parse(RECIPE))
    shop = msgspec.structs.replace(made.workshop, fresh=True, remade=set())
    shop.remade.add(shaping._name(made.pupil.prepared, steps, shop))
    assert shaping.shape(made.pupil.prepared, steps, workshop=shop).history == made.tflite.history


def test_the_next_run_looks_at_the_files_that_training_read(made: Made) -> None:
    steps = recipes.compressions(recipes.parse(RECIPE))
    name = shaping._name(made.pupil.prepared, steps, made.workshop)
    (known,) = manifest._read(Path(made.workshop.cache), name).known
    assert {Path(file).name for file in known.files} == {"learner.py", "learned.pt"}


def test_another_floor_is_another_training_and_its_failure_is_a_row(made: Made) -> None:
    variant = made.convert("tflite", "prune(0.6)+fp32", training=Training(epochs=1.0, floor=0.9999))
    assert variant.failure is not None and not variant.failure.unsupported
    assert variant.failure.stage == "convert"
    assert "cannot keep the quality" in variant.failure.reason and "floor accuracy 0.9999" in variant.failure.reason


def test_a_training_that_takes_too_long_is_a_row_that_says_so(made: Made) -> None:
    variant = made.convert("tflite", "prune(0.7)+fp32", limits=Limits(timeout_secs=1.0))
    assert variant.failure is not None
    assert variant.failure.reason == "the compression was stopped after its limit of 1 s"
    assert "goes on from its last checkpoint" in variant.failure.remedy


def test_what_a_pt2_lacks_is_said_before_any_work(made: Made) -> None:
    prepared = made.pupil.prepared
    exported = msgspec.structs.replace(prepared, model=msgspec.structs.replace(prepared.model, format="pt2"))
    variant = converters.convert(exported, "tflite", recipes.parse(RECIPE), workshop=made.workshop)
    assert variant.failure is not None
    assert "Python code" in variant.failure.reason and "get_model()" in variant.failure.remedy
