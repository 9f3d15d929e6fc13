"""Files that are not what they should be: one line that names the file and what is wrong, before any runtime."""

import random
import sys

import pytest

from converters.contents import inspect
from harness.errors import ConversionError
from harness.process import Bounds, execute

TFLITE, PTE = b"\x1c\0\0\0TFL3" + bytes(64), b"\x1c\0\0\0ET12" + bytes(64)


def refusal(path) -> ConversionError:
    with pytest.raises(ConversionError) as caught:
        inspect(path)
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message
    return caught.value


@pytest.mark.parametrize("name", ["a.tflite", "a.pte"])
def test_an_empty_file_is_called_empty(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"")
    assert refusal(path).message.endswith("is empty")


def test_a_missing_file_says_so(tmp_path):
    assert "No such file" in refusal(tmp_path / "gone.tflite").message


def test_a_folder_is_no_file(tmp_path):
    assert "cannot be read" in refusal(tmp_path).message


def test_random_bytes_are_no_model_of_either_kind(tmp_path):
    for name, expected in (("a.tflite", "TFL3"), ("a.pte", "ET12"), ("a.bin", "TFL3 or ET12")):
        path = tmp_path / name
        path.write_bytes(random.Random(0).randbytes(5000))
        assert expected in refusal(path).message


def test_a_page_saved_instead_of_a_model_is_refused(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"<!DOCTYPE html><html>Not found</html>")
    assert "no TFLite model" in refusal(path).message


def test_a_program_named_tflite_is_told_its_right_name(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(PTE)
    error = refusal(path)
    assert "holds an ExecuTorch program, not a TFLite model" in error.message
    assert error.remedy == "rename it to model.pte"


def test_a_tflite_named_pte_is_told_its_right_name(tmp_path):
    path = tmp_path / "model.pte"
    path.write_bytes(TFLITE)
    error = refusal(path)
    assert "holds a TFLite model, not an ExecuTorch program" in error.message
    assert error.remedy == "rename it to model.tflite"


@pytest.mark.runtimes
@pytest.mark.parametrize(("name", "head"), [("a.tflite", TFLITE[:8]), ("a.pte", PTE[:8])])
def test_noise_behind_the_right_first_bytes_is_damage(tmp_path, name, head):
    path = tmp_path / name
    for seed in range(200):
        noise = random.Random(seed)
        path.write_bytes(head + noise.randbytes(noise.choice([1, 40, 400, 20_000])))
        refusal(path)


@pytest.mark.runtimes
@pytest.mark.parametrize(("name", "whole"), [("a.tflite", TFLITE), ("a.pte", PTE)])
def test_a_header_with_nothing_behind_it_is_damage(tmp_path, name, whole):
    path = tmp_path / name
    for size in range(8, len(whole), 8):
        path.write_bytes(whole[:size])
        refusal(path)


def test_importing_contents_imports_no_numpy_and_no_runtime(tmp_path):
    script = (
        "import sys, converters.contents;"
        "sys.exit(any(name in sys.modules for name in ('numpy', 'ai_edge_litert', 'torch', 'executorch')))"
    )
    execute([sys.executable, "-c", script], bounds=Bounds(timeout_secs=60), log=tmp_path / "log")
