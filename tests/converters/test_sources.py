"""What is refused before anything of it is loaded."""

from __future__ import annotations

import pickle
import struct
import zipfile
from pathlib import Path

import pytest

from converters import sources
from harness.errors import SourceError
from harness.records import ModelSource


class Bomb:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (self.mark,)


def _archive(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(f"{path.stem}/{name}", b"x")
    return path


def _refusal(path: Path) -> SourceError:
    with pytest.raises(SourceError) as refused:
        sources.locate(ModelSource(source=path.name), path.parent)
    assert "\n" not in refused.value.message
    assert refused.value.remedy
    return refused.value


def test_a_missing_file_is_named_with_its_whole_path(tmp_path: Path) -> None:
    assert str(tmp_path / "absent.py") in _refusal(tmp_path / "absent.py").message


def test_a_relative_path_starts_at_the_root_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("x")
    located = sources.locate(ModelSource(source="model.py"), tmp_path)
    assert located == sources.Located(path=str(tmp_path / "model.py"), format="python")


@pytest.mark.parametrize("name", ["model.py", "model.pt2", "model.tflite", "model.pte"])
def test_an_empty_file_is_refused_as_empty(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert "is empty (0 bytes)" in _refusal(tmp_path / name).message


def test_a_folder_is_refused_unless_it_is_a_savedmodel(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    assert "is a folder" in _refusal(folder).message
    (folder / "saved_model.pb").touch()
    assert sources.locate(ModelSource(source="model"), tmp_path).format == "savedmodel"


@pytest.mark.parametrize(("name", "content"), [("m.keras", b"PK\x03\x04 and no more"), ("m.h5", b"weights, honestly")])
def test_a_keras_file_is_told_by_its_first_bytes(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert "not a Keras model" in _refusal(tmp_path / name).message


def test_an_open_batch_is_for_keras_models_alone(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("import torch")
    with pytest.raises(SourceError, match="dynamic_batch is for Keras"):
        sources.locate(ModelSource(source="model.py", dynamic_batch=True), tmp_path)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ".ckpt", ".safetensors"])
def test_bare_weights_are_refused_with_the_loader_that_is_missing(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(b"\x00" * 64)
    refused = _refusal(path)
    assert "weights" in refused.message
    assert "get_model()" in refused.remedy


@pytest.mark.parametrize("name", ["model.pkl", "model.pth", "model.weights", "model"])
def test_a_pickle_is_refused_and_never_opened(tmp_path: Path, name: str) -> None:
    mark = tmp_path / "ran"
    (tmp_path / name).write_bytes(pickle.dumps(Bomb(mark)))
    _refusal(tmp_path / name)
    assert not mark.exists()


@pytest.mark.parametrize("name", ["model.pt", "model.pt2", "model.ptl", "model.jit"])
def test_a_torchscript_archive_is_told_by_its_contents(tmp_path: Path, name: str) -> None:
    path = _archive(tmp_path / name, "constants.pkl", "data.pkl", "code/__torch__.py", "version")
    refused = _refusal(path)
    assert "TorchScript" in refused.message
    assert "torch.export" in refused.remedy


def test_an_exported_program_under_another_suffix_is_to_be_renamed(tmp_path: Path) -> None:
    path = _archive(tmp_path / "model.pt", "archive_format", "models/model.json")
    assert _refusal(path).remedy == "rename it to model.pt2"


@pytest.mark.parametrize("content", [b"PK\x03\x04 and no more", b"no archive at all"])
def test_a_pt2_that_is_no_whole_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.pt2").write_bytes(content)
    assert "not a whole .pt2" in _refusal(tmp_path / "model.pt2").message


def test_an_archive_of_something_else_is_no_pt2(tmp_path: Path) -> None:
    assert "no ExportedProgram" in _refusal(_archive(tmp_path / "model.pt2", "photo.jpg")).message


@pytest.mark.parametrize(("name", "word"), [("model.tflite", "TFL3"), ("model.pte", "ET")])
def test_a_ready_made_file_without_its_magic_bytes_is_refused(tmp_path: Path, name: str, word: str) -> None:
    (tmp_path / name).write_bytes(b"something else altogether")
    assert word in _refusal(tmp_path / name).message


def test_a_truncated_pte_is_told_by_its_own_header(tmp_path: Path) -> None:
    header = struct.pack("<I4s4sIQQQ", 60, b"ET12", b"eh00", 32, 500, 512, 1000)
    path = tmp_path / "model.pte"
    path.write_bytes(header + bytes(600))
    assert f"truncated: {len(header) + 600} of 1512 bytes" in _refusal(path).message
    path.write_bytes(header + bytes(1512 - len(header)))
    assert sources.locate(ModelSource(source="model.pte"), tmp_path).format == "pte"


@pytest.mark.parametrize(("name", "word"), [("model.onnx", "ONNX"), ("model.zip", "unknown suffix `.zip`")])
def test_other_formats_are_refused_by_name(tmp_path: Path, name: str, word: str) -> None:
    (tmp_path / name).write_bytes(b"content")
    assert word in _refusal(tmp_path / name).message


def test_a_dependency_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("x")
    with pytest.raises(SourceError, match=r"depends_on names labels\.txt"):
        sources.locate(ModelSource(source="model.py", depends_on=("labels.txt",)), tmp_path)
