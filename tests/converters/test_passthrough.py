"""Ready-made files: benchmarked as they are, or refused with what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import converters
from converters import digests, recipes
from harness.errors import SourceError
from harness.records import ModelSource, Runtime

if TYPE_CHECKING:
    from tests.converters.conftest import Everything

pytestmark = pytest.mark.runtimes

READY: dict[str, Runtime] = {"net.tflite": "tflite", "net.pte": "executorch"}


@pytest.fixture(params=READY)
def ready(request: pytest.FixtureRequest, everything: Everything, tmp_path: Path) -> Path:
    """An int8 build, under a user's name."""
    built = Path(everything.variants[f"{READY[request.param]}/static_wi8_ai8"].path)
    path = tmp_path / request.param
    path.write_bytes(built.read_bytes())
    return path


def _prepare(path: Path, workshop: converters.Workshop) -> converters.Prepared:
    return converters.prepare(ModelSource(source=path.name), root=path.parent, workshop=workshop)


def test_a_ready_made_file_is_measured_as_it_is(ready: Path, workshop: converters.Workshop) -> None:
    prepared = _prepare(ready, workshop)
    assert prepared.model.inputs[0].shape == (1, 3, 16, 16)
    assert np.load(Path(prepared.folder) / "evaluation" / "input_0.npy").shape[1:] == (1, 3, 16, 16)
    assert not (Path(prepared.folder) / "reference").exists()
    runtime = READY[ready.name]
    variant = converters.convert(prepared, runtime, recipes.parse("as-is"), workshop=workshop)
    assert variant.failure is None
    assert (variant.id, variant.recipe) == (f"{runtime}/net", "as-is")
    assert variant.sha256 == digests.of_file(ready)
    assert variant.contents is not None
    assert variant.contents.weight_elements.keys() == {"int8"}
    assert _prepare(ready, workshop).cached
    assert converters.convert(prepared, runtime, recipes.parse("as-is"), workshop=workshop).cached


def test_it_runs_in_its_own_runtime_and_recipe_only(ready: Path, workshop: converters.Workshop) -> None:
    prepared = _prepare(ready, workshop)
    other: Runtime = "executorch" if ready.suffix == ".tflite" else "tflite"
    for runtime, recipe in ((other, "as-is"), (READY[ready.name], "fp16")):
        failure = converters.convert(prepared, runtime, recipes.parse(recipe), workshop=workshop).failure
        assert failure is not None
        assert failure.unsupported


@pytest.mark.parametrize("kept", [0.05, 0.5, 0.99])
def test_a_truncated_file_is_refused(ready: Path, workshop: converters.Workshop, kept: float) -> None:
    data = ready.read_bytes()
    ready.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(SourceError) as refused:
        _prepare(ready, workshop)
    assert ready.name in refused.value.message
    assert "\n" not in refused.value.message
    assert refused.value.remedy


def test_a_file_of_rubbish_behind_the_magic_bytes_is_refused(ready: Path, workshop: converters.Workshop) -> None:
    """A runtime may even crash on it; the child process is there for that."""
    noise = np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8).tobytes()
    ready.write_bytes(ready.read_bytes()[:8] + noise)
    with pytest.raises(SourceError) as refused:
        _prepare(ready, workshop)
    assert refused.value.remedy


def test_a_custom_operator_that_the_runtime_lacks_is_named(
    everything: Everything, workshop: converters.Workshop, tmp_path: Path
) -> None:
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(everything.variants["tflite/fp32"].path)
    model.operatorCodes[0].builtinCode = model.operatorCodes[0].deprecatedBuiltinCode = 32  # CUSTOM
    model.operatorCodes[0].customCode = b"MadeUpOp"
    flatbuffer_utils.write_model(model, str(tmp_path / "net.tflite"))
    with pytest.raises(SourceError, match=r"net\.tflite cannot be run: the file uses the custom operator `MadeUpOp`"):
        _prepare(tmp_path / "net.tflite", workshop)


def test_open_dimensions_of_a_tflite_are_set_to_one_and_noted(
    everything: Everything, workshop: converters.Workshop, tmp_path: Path
) -> None:
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(everything.variants["tflite/fp32"].path)
    model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]].shapeSignature = [-1, 3, 16, 16]
    flatbuffer_utils.write_model(model, str(tmp_path / "net.tflite"))
    prepared = _prepare(tmp_path / "net.tflite", workshop)
    assert prepared.model.inputs[0].shape == (1, 3, 16, 16)
    assert any("set to 1" in note for note in prepared.model.notes)


def test_as_is_is_for_ready_made_files_only(everything: Everything) -> None:
    failure = everything.convert("tflite", "as-is").failure
    assert failure is not None
    assert "ready-made" in failure.reason
