""".pt2 files, and models with several inputs and nested outputs."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import converters
from converters import engines, exported, numerics, recipes, torchmodel
from harness.errors import SourceError
from harness.records import ModelSource, Runtime

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.runtimes

INPUTS = (torch.ones(1, 4),)


def _save(path: Path, layers: list[torch.nn.Module] | None = None, *, train: bool = False) -> Path:
    model = torch.nn.Sequential(*(layers or [torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)]))
    torch.export.save(torch.export.export(model.train(train), INPUTS), path)
    return path


def _rewrite(path: Path, change: Callable[[str, bytes], bytes | None], **added: bytes) -> None:
    """Rewrite the members of an archive; None removes one."""
    old = shutil.move(path, path.with_suffix(".old"))
    with zipfile.ZipFile(old) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            data = change(name.partition("/")[2], source.read(name))
            if data is not None:
                target.writestr(name, data)
        for name, data in added.items():
            target.writestr(f"model/{name}", data)


def test_a_pt2_becomes_a_build_of_the_same_model(tmp_path: Path, workshop: converters.Workshop) -> None:
    source = ModelSource(source=_save(tmp_path / "net.pt2").name)
    prepared = converters.prepare(source, root=tmp_path, workshop=workshop)
    assert (prepared.model.format, prepared.model.parameters) == ("pt2", 4 * 8 + 8 + 8 * 3 + 3)
    assert converters.prepare(source, root=tmp_path, workshop=workshop).cached
    (tmp_path / "net.pt2").unlink()  # what was prepared needs it no longer
    variant = converters.convert(prepared, "tflite", recipes.parse("fp32"), workshop=workshop)
    assert variant.failure is None
    assert variant.warnings == ()
    static = converters.convert(prepared, "tflite", recipes.parse("static_wi8_ai8"), workshop=workshop)
    assert static.failure is not None
    assert "needs calibration data" in static.failure.reason
    assert "get_calibration_data()" in static.failure.remedy


def test_a_pt2_exported_in_train_mode_is_refused(tmp_path: Path) -> None:
    path = _save(tmp_path / "net.pt2", [torch.nn.Linear(4, 4), torch.nn.Dropout()], train=True)
    with pytest.raises(SourceError, match="train mode") as refused:
        exported.check_mode(exported.load(path))
    assert "model.eval()" in refused.value.remedy
    exported.check_mode(exported.load(_save(path, [torch.nn.Linear(4, 4), torch.nn.Dropout()])))


def test_example_inputs_that_are_pickled_objects_are_refused_and_never_opened(tmp_path: Path) -> None:
    import io
    import pickle

    mark = tmp_path / "ran"

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (mark,)

    buffer = io.BytesIO()
    torch.save(Bomb(), buffer, pickle_module=pickle)
    path = _save(tmp_path / "net.pt2")
    _rewrite(path, lambda name, data: buffer.getvalue() if name.startswith("data/sample_inputs/") else data)
    with pytest.raises(SourceError, match="pickled objects"):
        exported.load(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'"use_pickle": false', b'"use_pickle": true'), (b'"path_name": "weight_0"', b'"path_name": "opaque_obj_0"')],
)
def test_weights_that_are_marked_as_pickled_are_refused(tmp_path: Path, old: bytes, new: bytes) -> None:
    path = _save(tmp_path / "net.pt2")
    _rewrite(path, lambda name, data: data.replace(old, new))
    with pytest.raises(SourceError, match="pickled"):
        exported.load(path)


def test_compiled_code_inside_a_pt2_is_refused(tmp_path: Path) -> None:
    path = _save(tmp_path / "net.pt2")
    _rewrite(path, lambda _, data: data, **{"data/aotinductor/model/x.so": b"\x7fELF"})
    with pytest.raises(SourceError, match="compiled code"):
        exported.load(path)


def test_a_pt2_that_torch_cannot_read_says_so(tmp_path: Path) -> None:
    path = _save(tmp_path / "net.pt2")
    _rewrite(path, lambda name, data: b"{}" if name.startswith("models/") else data)
    with pytest.raises(SourceError, match=r"net\.pt2 cannot be read by torch"):
        exported.load(path)


def test_a_python_file_may_hand_out_the_module_of_a_pt2(
    prepare: Callable[..., converters.Prepared], workshop: converters.Workshop, tmp_path: Path
) -> None:
    """The way to calibrate a .pt2."""
    _save(tmp_path / "net.pt2")
    prepared = prepare(
        "import torch\n"
        f"def get_model(): return torch.export.load({str(tmp_path / 'net.pt2')!r}).module()\n"
        "def get_args(): return torch.ones(1, 4)\n"
        "def get_calibration_data(): return [get_args()] * 4"
    )
    assert not prepared.model.random_weights
    variant = converters.convert(prepared, "tflite", recipes.parse("static_wi8_ai8"), workshop=workshop)
    assert variant.failure is None


@pytest.mark.parametrize("guards", [True, False])  # without, as where the executorch package was imported before
def test_the_module_of_a_pt2_and_a_network_around_it_are_put_into_eval_mode(guards: bool) -> None:
    inner = torch.export.export(torch.nn.Linear(2, 2), (torch.ones(1, 2),)).module(check_guards=guards)
    assert torchmodel.evaluate(inner) == ""
    net = torch.nn.Sequential(inner, torch.nn.Dropout(0.9), torch.nn.Linear(2, 2))
    assert "was in train mode (1 layers" in torchmodel.evaluate(net)
    assert not any(part.training for part in net.modules())
    assert torch.equal(net(torch.ones(1, 2)), net(torch.ones(1, 2)))


SEVERAL = """
import torch

class Several(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.words = torch.nn.Embedding(30, 8)
        self.image = torch.nn.Linear(6, 8)

    def forward(self, tokens, pixels, unused, scale):
        words = self.words(tokens).mean(1)
        joined = words + self.image(pixels) * scale
        return {"z": joined, "rest": (words, None), "a": [joined.sum(1, keepdim=True)]}

def get_model():
    return Several()

def get_args():
    return torch.tensor([[3, 1, 29]]), torch.linspace(-1, 1, 6)[None], torch.ones(2), torch.full((1, 1), 0.5)

def get_calibration_data():
    return [get_args()] * 4

def get_evaluation_data():
    return [(get_args(), None)] * 3
"""


@pytest.mark.parametrize(
    ("runtime", "recipe"), [("tflite", "fp32"), ("tflite", "static_wi8_ai8"), ("executorch", "fp32")]
)
def test_inputs_and_outputs_keep_their_order_in_the_file(
    prepare: Callable[..., converters.Prepared], workshop: converters.Workshop, runtime: Runtime, recipe: str
) -> None:
    """Integers among the inputs, one of them unused, outputs nested: runners feed and read files by position."""
    prepared = prepare(SEVERAL)
    assert [spec.name for spec in prepared.model.inputs] == ["tokens", "pixels", "unused", "scale"]
    assert [spec.shape for spec in prepared.model.outputs] == [(1, 8), (1, 8), (1, 1)]
    inputs, expected = numerics.of_prepared(Path(prepared.folder))
    variant = converters.convert(prepared, runtime, recipes.parse(recipe), workshop=workshop)
    assert variant.failure is None
    engine = engines.open_build(Path(variant.path))
    for got, wanted in zip(engine.run(inputs[0]), expected[0], strict=True):
        assert np.abs(got - wanted).max() < (1e-5 if recipe == "fp32" else 0.1)
