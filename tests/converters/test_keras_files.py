"""Keras files are looked through before anything of them is loaded."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from converters import keras_files
from harness.errors import SourceError

DENSE: dict[str, Any] = {"module": "keras.layers", "class_name": "Dense", "config": {"name": "dense"}}
LAMBDA = {"module": "keras.layers", "class_name": "Lambda", "config": {"name": "leak"}}


def _archive(path: Path, *layers: dict[str, Any], **metadata: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Sequential", "config": {"layers": layers}}))
        archive.writestr("metadata.json", json.dumps(metadata))
    return path


def _refused(path: Path) -> str:
    with pytest.raises(SourceError) as refused:
        keras_files.refuse_unsafe(path, keras_files.describe(path))
    assert refused.value.remedy
    return refused.value.message


def test_a_plain_model_passes_and_says_who_wrote_it(tmp_path: Path) -> None:
    path = _archive(tmp_path / "net.keras", DENSE, keras_version="3.9.2")
    description = keras_files.describe(path)
    keras_files.refuse_unsafe(path, description)
    assert description.written_by == "3.9.2"
    assert not keras_files.has_own_classes(description)


def test_a_lambda_is_found_however_deep_it_lies(tmp_path: Path) -> None:
    wrapped = {"class_name": "TimeDistributed", "config": {"name": "all", "layer": LAMBDA}}
    assert "`leak`" in _refused(_archive(tmp_path / "net.keras", DENSE, wrapped))
    code = {"class_name": "Dense", "config": {"name": "d", "activation": {"class_name": "__lambda__", "config": {}}}}
    assert "which is code" in _refused(_archive(tmp_path / "other.keras", code))


@pytest.mark.parametrize(
    "dtype", ["mixed_float16", "bfloat16", {"class_name": "DTypePolicy", "config": {"name": "mixed_bfloat16"}}]
)
def test_layers_that_do_not_compute_in_float32_are_named(tmp_path: Path, dtype: object) -> None:
    half = {"class_name": "Dense", "config": {"name": "half", "dtype": dtype}}
    assert "`half`" in _refused(_archive(tmp_path / "net.keras", DENSE, half))


@pytest.mark.parametrize("dtype", ["float32", "int32", {"class_name": "DTypePolicy", "config": {"name": "float32"}}])
def test_float32_layers_and_integer_inputs_pass(tmp_path: Path, dtype: object) -> None:
    path = _archive(tmp_path / "net.keras", {"class_name": "InputLayer", "config": {"name": "x", "dtype": dtype}})
    keras_files.refuse_unsafe(path, keras_files.describe(path))


def test_classes_of_the_users_own_are_seen(tmp_path: Path) -> None:
    own = {"module": "model_source", "class_name": "Own", "registered_name": "mine>Own", "config": {}}
    assert keras_files.has_own_classes(keras_files.describe(_archive(tmp_path / "net.keras", own)))


def test_another_archive_is_no_keras_model(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.keras", "w") as archive:
        archive.writestr("photo.jpg", b"x")
    with pytest.raises(SourceError, match=r"no config\.json"):
        keras_files.describe(tmp_path / "net.keras")


def test_a_damaged_hdf5_file_is_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "net.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(SourceError, match="damaged or truncated"):
        keras_files.describe(tmp_path / "net.h5")


def test_a_savedmodel_with_lambdas_is_not_opened_for_its_layers(tmp_path: Path) -> None:
    keras_files.refuse_unsafe_folder(tmp_path)
    (tmp_path / "keras_metadata.pb").write_bytes(b'...{"class_name": "Lambda", "config": {}}...')
    assert keras_files.has_layers(tmp_path)
    with pytest.raises(SourceError, match="holds Lambda layers"):
        keras_files.refuse_unsafe_folder(tmp_path)
