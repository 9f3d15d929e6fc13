"""What the child says of sources that cannot be used: each with the fault, the place and the remedy."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from converters import job, userfile, worker
from harness.records import ModelSource

pytestmark = pytest.mark.runtimes

# A model of one multiplication: `{0}` is where a test puts its own lines.
SMALL = """
import torch

class Double(torch.nn.Module):
    def forward(self, x):
        return {forward}

def get_model():
    {model}

def get_args():
    return (torch.ones(1, 4),)

{data}
"""


def _small(forward: str = "2 * x", model: str = "return Double().eval()", data: str = "") -> str:
    return SMALL.format(forward=forward, model=model, data=data)


PAIRS = """
def get_evaluation_data():
    for number in range(5):
        yield torch.full((1, 4), float(number)), {label}
"""


CALIBRATION = "def get_calibration_data():\n    {}"
REFUSED: dict[str, tuple[str, str]] = {
    "a model that is none": (_small(model="return {'weight': 1}"), "get_model() returned dict, not a torch.nn.Module"),
    "TorchScript": (_small(model="return torch.jit.script(Double())"), "TorchScript"),
    "half precision": (_small(model="return torch.nn.Linear(4, 4).half()"), "`weight` is float16, not float32"),
    "a failing function": (
        _small(model="raise ValueError('no weights')"),
        "model.py failed in get_model(): model.py, line 9, in get_model, `raise ValueError('no weights')`: "
        "ValueError: no weights",
    ),
    "a failing forward": (
        _small(forward="x @ x"),
        "when the model was run on get_args(): model.py, line 6, in forward",
    ),
    "arguments that are no tensors": (_small().replace("torch.ones(1, 4)", "3"), "input 0 of get_args() is int"),
    "NaN for its arguments": (_small(forward="x / 0 * 0"), "returns NaN for get_args()"),
    "NaN for its data": (
        _small(forward="(1 - x) / (1 - x)", data=PAIRS.format(label="None")).replace("torch.ones", "torch.zeros"),
        "returns NaN for evaluation sample 1",
    ),
    "no tensors out": (_small(forward="'text'"), "the model returned str, no tensor"),
    "wrong shape of calibration data": (
        _small(data=CALIBRATION.format("return [torch.ones(1, 4), torch.ones(1, 5)]")),
        "calibration sample 1, input 0 (`x`) is float32 [1, 5], expected float32 [1, 4]",
    ),
    "wrong dtype of calibration data": (
        _small(data="import numpy\n" + CALIBRATION.format("yield numpy.ones((1, 4))")),
        "calibration sample 0, input 0 (`x`) is float64 [1, 4], expected float32 [1, 4]",
    ),
    "no calibration samples": (_small(data=CALIBRATION.format("return []")), "get_calibration_data() gave no samples"),
    "no iterable": (_small(data=CALIBRATION.format("return 5")), "returned int, which cannot be iterated"),
    "data that fails half way": (
        _small(data=CALIBRATION.format("yield torch.ones(1, 4); raise OSError('disk gone')")),
        "in get_calibration_data(), sample 1: model.py, line 15",
    ),
    "evaluation data without labels": (
        _small(data="def get_evaluation_data(): yield torch.ones(1, 4)"),
        "evaluation sample 0 is Tensor, not a pair",
    ),
    "labels for some": (_small(data=PAIRS.format(label="number or None")), "evaluation sample 0 has no label"),
    "a label that is no class": (
        _small(data=PAIRS.format(label="number")),
        "the label 4 of evaluation sample 4 is outside of 0 to 3",
    ),
    "a metric of another form": (_small(data="def get_metric(): return 'f1'"), "get_metric() returned str"),
    "a metric with a taken name": (
        _small(data="def get_metric(): return 'size_mb', len, 'lower'"),
        "names its metric 'size_mb'",
    ),
    "a metric that fails": (
        _small(data="def get_metric(): return 'f1', lambda outputs, labels: labels[0], 'higher'"),
        "failed in the metric `f1`: model.py, line 14, in <lambda>",
    ),
    "output shapes that follow the data": (
        _small(forward="x[x > 1]", data=PAIRS.format(label="None")),
        "their shape depends on the data",
    ),
}


@pytest.fixture
def answer_to(tmp_path: Path) -> Iterator[Callable[[str], job.Answer]]:
    """Do the child's part of prepare() for the text of a model file, without the child."""
    path = list(sys.path)

    def answer(text: str) -> job.Answer:
        (tmp_path / "model.py").write_text(text)
        (tmp_path / "folder").mkdir()
        task = job.PrepareJob(
            source=ModelSource(source="model.py"),
            path=str(tmp_path / "model.py"),
            format="python",
            root=str(tmp_path),
            folder=str(tmp_path / "folder"),
        )
        (tmp_path / "job.json").write_bytes(msgspec.json.encode(task))
        assert worker.main([str(tmp_path / "job.json")]) == 0
        return msgspec.json.decode((tmp_path / job.ANSWER).read_bytes(), type=job.Answer)

    yield answer
    sys.path[:] = path
    sys.modules.pop(userfile.MODULE, None)


@pytest.mark.parametrize("what", REFUSED)
def test_a_source_that_cannot_be_judged_is_refused(answer_to: Callable[[str], job.Answer], what: str) -> None:
    text, expected = REFUSED[what]
    failure = answer_to(text).failure
    assert failure is not None
    assert failure.stage == "prepare"
    assert expected in failure.reason
    assert "\n" not in failure.reason
    assert failure.remedy


def test_a_source_that_has_all_is_answered_with_the_model(answer_to: Callable[[str], job.Answer]) -> None:
    answer = answer_to(_small(data=PAIRS.format(label="number % 4")))
    assert answer.failure is None
    assert answer.model is not None
    assert (answer.model.metric, answer.model.evaluation_samples) == ("accuracy", 5)
