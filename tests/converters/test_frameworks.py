"""Which child process a Python source goes to, told from its imports alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from converters import frameworks, preparing
from converters.job import Answer, PrepareJob
from harness.records import Failure, ModelSource


@pytest.mark.parametrize(
    ("text", "format_"),
    [
        ("import keras", "keras-python"),
        ("import tensorflow as tf", "keras-python"),
        ("from tensorflow.keras import layers", "keras-python"),
        ("def get_model():\n    import tf_keras", "keras-python"),
        ("import torch", "python"),
        ("import kerasify", "python"),
        ("this is no Python", "python"),
        ("from . import keras", "keras-python"),
    ],
)
def test_the_imports_of_a_file_say_which_framework_it_is_written_in(tmp_path: Path, text: str, format_: str) -> None:
    (tmp_path / "model.py").write_text(text)
    assert frameworks.of_python(tmp_path / "model.py") == format_


def test_a_file_beside_it_that_it_imports_counts_too(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("from layers import block\nimport model")
    (tmp_path / "layers.py").write_text("import numpy\nimport more")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "__init__.py").write_text("from keras import ops")
    assert frameworks.of_python(tmp_path / "model.py") == "keras-python"


def test_nothing_is_run_to_find_out(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    (tmp_path / "model.py").write_text(f"open({str(mark)!r}, 'w')\nimport keras")
    frameworks.of_python(tmp_path / "model.py")
    assert not mark.exists()


def _failure(reason: str) -> Failure:
    return Failure(stage="prepare", reason=reason, remedy="wrap it")


@pytest.mark.parametrize(
    ("answers", "asked", "reason"),
    [
        ([Answer()], ["keras/keras"], None),
        ([Answer(elsewhere="python"), Answer()], ["keras/keras", "python/keras"], None),
        (
            [Answer(failure=_failure("3 cannot"), elsewhere="tf_keras"), Answer()],
            ["keras/keras", "keras/tf_keras"],
            None,
        ),
        (
            [Answer(failure=_failure("3 cannot"), elsewhere="tf_keras"), Answer(failure=_failure("2 cannot"))],
            ["keras/keras", "keras/tf_keras"],
            "3 cannot; 2 cannot",
        ),
    ],
)
def test_a_source_is_looked_at_again_where_the_first_child_could_not(
    answers: list[Answer], asked: list[str], reason: str | None
) -> None:
    seen: list[str] = []

    def run(task: PrepareJob) -> Answer:
        seen.append(f"{task.format}/{task.generation}")
        return answers[len(seen) - 1]

    task = PrepareJob(source=ModelSource(source="m"), path="m", format="keras", root="", folder="")
    failure = preparing.ask(task, run).failure
    assert seen == asked
    assert (failure.reason if failure else None) == reason
