"""What the child says of sources that cannot be used: each with the fault, the place and the remedy."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from converters import job, userfile, worker
from harness.errors import ConversionError
from harness.records import ModelSource
from tests.fakes.model_files import PAIRS, small

pytestmark = pytest.mark.runtimes

CALIBRATION = "def get_calibration_data():\n    {}"
REFUSED: dict[str, tuple[str, str]] = {
    "a model that is none": (small(model="return {'weight': 1}"), "get_model() returned dict, not a torch.nn.Module"),
    "TorchScript": (small(model="return torch.jit.script(Double())"), "TorchScript"),
    "half precision": (small(model="return torch.nn.Linear(4, 4).half()"), "`weight` is float16, not float32"),
    "a failing function": (
        small(model="raise ValueError('no weights')"),
        "model.py failed in get_model(): model.py, line 9, in get_model, `raise ValueError('no weights')`: "
        "ValueError: no weights",
    ),
    "a failing forward": (
        small(forward="x @ x"),
        "when the model was run on get_args(): model.py, line 6, in forward",
    ),
    "arguments that are no tensors": (small().replace("torch.ones(1, 4)", "3"), "input 0 of get_args() is int"),
    "NaN for its arguments": (small(forward="x / 0 * 0"), "returns NaN for get_args()"),
    "NaN for its data": (
        small(forward="(1 - x) / (1 - x)", data=PAIRS.format(label="None")).replace("torch.ones", "torch.zeros"),
        "returns NaN for evaluation sample 1",
    ),
    "no tensors out": (small(forward="'text'"), "the model returned str, no tensor"),
    "wrong shape of calibration data": (
        small(data=CALIBRATION.format("return [torch.ones(1, 4), torch.ones(1, 5)]")),
        "calibration sample 1, input 0 (`x`) is float32 [1, 5], expected float32 [1, 4]",
    ),
    "wrong dtype of calibration data": (
        small(data="import numpy\n" + CALIBRATION.format("yield numpy.ones((1, 4))")),
        "calibration sample 0, input 0 (`x`) is float64 [1, 4], expected float32 [1, 4]",
    ),
    "no calibration samples": (small(data=CALIBRATION.format("return []")), "get_calibration_data() gave no samples"),
    "no iterable": (small(data=CALIBRATION.format("return 5")), "returned int, which cannot be iterated"),
    "data that fails half way": (
        small(data=CALIBRATION.format("yield torch.ones(1, 4); raise OSError('disk gone')")),
        "in get_calibration_data(), sample 1: model.py, line 15",
    ),
    "evaluation data without labels": (
        small(data="def get_evaluation_data(): yield torch.ones(1, 4)"),
        "evaluation sample 0 is Tensor, not a pair",
    ),
    "labels for some": (small(data=PAIRS.format(label="number or None")), "evaluation sample 0 has no label"),
    "a label that is no class": (
        small(data=PAIRS.format(label="number")),
        "the label 4 of evaluation sample 4 is outside of 0 to 3",
    ),
    "a metric of another form": (small(data="def get_metric(): return 'f1'"), "get_metric() returned str"),
    "a metric with a taken name": (
        small(data="def get_metric(): return 'size_mb', len, 'lower'"),
        "names its metric 'size_mb'",
    ),
    "a metric that fails": (
        small(data="def get_metric(): return 'f1', lambda outputs, labels: labels[0], 'higher'"),
        "failed in the metric `f1`: model.py, line 14, in <lambda>",
    ),
    "output shapes that follow the data": (
        small(forward="x[x > 1]", data=PAIRS.format(label="None")),
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
    answer = answer_to(small(data=PAIRS.format(label="number % 4")))
    assert answer.failure is None
    assert answer.model is not None
    assert (answer.model.metric, answer.model.evaluation_samples) == ("accuracy", 5)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("m = Double(); m.w = torch.tensor(float(count())); return m.eval()", "gives another model for the same"),
        ("return torch.nn.Linear(4, count()).eval()", "does not build the same network twice"),
    ],
)
def test_a_model_that_is_another_one_each_time_is_refused_when_it_is_built_again(
    answer_to: Callable[[str], job.Answer], tmp_path: Path, model: str, reason: str
) -> None:
    from converters import torchmodel
    from converters.workshop import read_facts

    calls = str(tmp_path / "calls")
    counter = f"""
import os
def count():
    open({calls!r}, "ab").write(b"1")
    return os.path.getsize({calls!r})
"""
    text = small(forward="x * getattr(self, 'w', 1)", model=model, data=counter)
    assert answer_to(text).failure is None
    with pytest.raises(ConversionError, match=reason):
        torchmodel.again(tmp_path / "model.py", tmp_path / "folder", read_facts(tmp_path / "folder"))
