"""Trainings of Keras models: seeded, taken up again where they were cut off, stopped by the floor or by a loss that is
no number."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from harness.errors import ConversionError

if TYPE_CHECKING:
    from tests.fakes.keras_pupils import Pupil

pytestmark = pytest.mark.runtimes


@pytest.fixture(scope="module")
def pupil(tmp_path_factory: pytest.TempPathFactory) -> Pupil:
    from tests.fakes.keras_pupils import Pupil

    return Pupil(tmp_path_factory.mktemp("pupil"))


def done(studio: Any, model: Any) -> Any:
    from tests.fakes import keras_pupils

    return keras_pupils.done(studio, model)


def weights(model: Any) -> list[np.ndarray]:
    return [np.asarray(array) for array in model.get_weights()]


@pytest.mark.parametrize("steps", ["prune(0.8)", "prune(0.5)+cluster(6)", "cluster(6)+qat"])
def test_a_training_that_was_killed_ends_as_if_it_had_not_been(pupil: Pupil, tmp_path: Path, steps: str) -> None:
    whole = done(pupil.studio(steps, tmp_path / "whole"), pupil.model())
    studio = pupil.studio(steps, tmp_path / "cut")
    score, looks = studio._jury.score, 0

    def kill(model: Any) -> float | None:
        nonlocal looks
        looks += 1
        if looks == 3:
            raise KeyboardInterrupt
        return score(model)

    studio._jury.score = kill  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        done(studio, pupil.model())
    resumed = done(pupil.studio(steps, tmp_path / "cut"), pupil.model())
    for one, other in zip(weights(whole), weights(resumed), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(weights(whole)[0], weights(pupil.model())[0])


def test_a_finished_training_is_not_done_again_and_says_where_it_is(
    pupil: Pupil, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    first = done(pupil.studio("prune(0.5)", tmp_path), pupil.model())
    assert re.search(r"16 of 16: prune\(0\.5\), loss [\d.]+, accuracy [\d.]+\n", capsys.readouterr().out)
    second = done(pupil.studio("prune(0.5)", tmp_path), pupil.model())
    assert "prune(0.5): going on at step 16 of 16" in capsys.readouterr().out
    assert all(map(np.array_equal, weights(first), weights(second)))
    other = done(pupil.studio("prune(0.5)", tmp_path, learning_rate=1e-2), pupil.model())
    assert "going on" not in capsys.readouterr().out
    assert not all(map(np.array_equal, weights(first), weights(other)))


@pytest.mark.parametrize(("after", "kept"), [(2, "before the training"), (9, "after step 8")])
def test_a_loss_that_turns_nan_stops_with_the_last_good_weights(
    pupil: Pupil, tmp_path: Path, after: int, kept: str
) -> None:
    from tests.fakes.keras_pupils import exploding

    studio = pupil.studio("cluster(6)", tmp_path, {"get_loss": exploding(after)})
    model = done(studio, pupil.model())
    assert studio.stopped == f"the loss became nan at step {after + 1} of 16; the weights {kept} stay"
    assert any("the loss became nan" in note for note in studio.notes)
    assert all(np.isfinite(array).all() for array in weights(model))


def test_below_the_floor_pruning_ends_with_the_last_state_that_was_good(pupil: Pupil, tmp_path: Path) -> None:
    studio = pupil.studio("prune(0.9)", tmp_path, floor=0.6, epochs=8.0)
    studio._jury.score = lambda model: 1.0 - float(np.mean(weights(model)[0] == 0))  # type: ignore[method-assign]
    model = done(studio, pupil.model())
    zeros = float(np.mean(weights(model)[0] == 0))
    assert 0 < zeros <= 0.4
    assert studio.facts["sparsity"] == pytest.approx(zeros, abs=0.1)
    assert studio.stopped.startswith(f"at {studio.facts['sparsity']:.0%} zeros: with ")
    assert "beyond the floor" in studio.stopped
    assert any("prune(0.9) stopped at" in note for note in studio.notes)


def test_a_floor_that_is_met_after_waiting_costs_no_zeros(pupil: Pupil, tmp_path: Path) -> None:
    studio = pupil.studio("prune(0.8)", tmp_path, floor=0.5, epochs=8.0)
    scores = iter([1.0, 1.0, 0.4, *[1.0] * 40])
    studio._jury.score = lambda model: next(scores)  # type: ignore[method-assign]
    done(studio, pupil.model())
    assert (studio.stopped, studio.facts["sparsity"]) == ("", pytest.approx(0.8, abs=0.02))


def test_a_step_that_cannot_keep_the_quality_says_so(pupil: Pupil, tmp_path: Path) -> None:
    from converters.keras_compress import shape

    studio = pupil.studio("cluster(2)", tmp_path, floor="baseline + 0.5")
    with pytest.raises(ConversionError, match=r"`cluster\(2\)` cannot keep the quality: it leads to accuracy"):
        shape.through(pupil.model(), studio)


def test_without_labels_the_source_model_is_the_teacher(pupil: Pupil, tmp_path: Path) -> None:
    from tests.fakes.keras_pupils import data

    studio = pupil.studio("prune(0.5)", tmp_path, {"get_training_data": lambda: (data()[0], None)}, floor=0.5)
    model = done(studio, pupil.model())
    assert studio.score(model) is None
    assert any("was not watched" in note for note in studio.notes)
    assert float(np.mean(weights(model)[0] == 0)) == pytest.approx(0.5, abs=0.02)


def test_a_train_function_of_the_users_own_is_not_called_and_that_is_said(pupil: Pupil, tmp_path: Path) -> None:
    studio = pupil.studio("prune(0.5)", tmp_path, {"train": lambda: 1 / 0})
    assert any("train() in the model's file was not called" in note for note in studio.notes)
