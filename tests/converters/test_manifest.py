"""When an earlier preparation still holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from converters import digests, manifest
from converters.manifest import Known
from harness.records import ModelSource


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "a.png").write_bytes(b"a")
    (folder / "net.py").write_text("net")
    (folder / "net.pth").write_bytes(b"weights")
    return folder / "net.py"


def _known(path: Path, **changes: object) -> Known:
    missing = path.with_name("optional.json")
    return Known(
        key="k1",
        files={str(path): digests.of_file(path), str(missing): digests.ABSENT},
        folders={str(path.parent / "images"): digests.of_names(path.parent / "images")},
        beside=manifest.beside(path),
        distributions=digests.versions(["numpy"]),
        **changes,
    )


def test_nothing_is_recalled_before_something_is_remembered(tmp_path: Path, model: Path) -> None:
    assert manifest.recall(tmp_path, "m", model) == ""


def test_what_did_not_change_is_recalled(tmp_path: Path, model: Path) -> None:
    manifest.remember(tmp_path, "m", _known(model))
    assert manifest.recall(tmp_path, "m", model) == "k1"
    assert manifest.recall(tmp_path, "other", model) == ""


def test_a_touched_file_with_the_same_bytes_still_holds(tmp_path: Path, model: Path) -> None:
    manifest.remember(tmp_path, "m", _known(model))
    model.write_text("net")
    assert manifest.recall(tmp_path, "m", model) == "k1"


CHANGES: dict[str, Callable[[Path], object]] = {
    "one byte of the code": lambda path: path.write_text("nat"),
    "one byte of the weights beside it": lambda path: path.with_name("net.pth").write_bytes(b"weightz"),
    "new weights beside it": lambda path: path.with_name("new.safetensors").write_bytes(b"x"),
    "a new file in a folder that was listed": lambda path: (path.parent / "images" / "b.png").touch(),
    "a file that was looked for and missing": lambda path: path.with_name("optional.json").touch(),
    "the source gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_ends_it(tmp_path: Path, model: Path, change: str) -> None:
    manifest.remember(tmp_path, "m", _known(model))
    CHANGES[change](model)
    assert manifest.recall(tmp_path, "m", model) == ""


def test_another_version_of_a_used_distribution_ends_it(tmp_path: Path, model: Path) -> None:
    old = msgspec.structs.replace(_known(model), distributions={"numpy": "0.1"})
    manifest.remember(tmp_path, "m", old)
    assert manifest.recall(tmp_path, "m", model) == ""


def test_going_back_to_an_earlier_state_finds_the_earlier_result(tmp_path: Path, model: Path) -> None:
    manifest.remember(tmp_path, "m", _known(model))
    model.write_text("second")
    manifest.remember(tmp_path, "m", msgspec.structs.replace(_known(model), key="k2"))
    assert manifest.recall(tmp_path, "m", model) == "k2"
    model.write_text("net")
    assert manifest.recall(tmp_path, "m", model) == "k1"


def test_a_spoilt_manifest_is_as_good_as_none(tmp_path: Path, model: Path) -> None:
    manifest.remember(tmp_path, "m", _known(model))
    for file in (tmp_path / "manifests").iterdir():
        file.write_bytes(b"\x00")
    assert manifest.recall(tmp_path, "m", model) == ""
    manifest.remember(tmp_path, "m", _known(model))
    assert manifest.recall(tmp_path, "m", model) == "k1"


def test_what_is_asked_of_a_source_is_part_of_its_name_and_its_label_is_not(model: Path) -> None:
    source = ModelSource(source="net.py")
    name = manifest.name(model, source)
    assert manifest.name(model, msgspec.structs.replace(source, calibration_samples=3)) != name
    assert manifest.name(model, msgspec.structs.replace(source, evaluation_samples=3)) != name
    assert manifest.name(model, msgspec.structs.replace(source, depends_on=("a",))) != name
    assert manifest.name(model.with_name("other.py"), source) != name
    assert manifest.name(model, msgspec.structs.replace(source, name="a nicer name")) == name
