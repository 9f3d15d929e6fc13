"""The user's file: loaded as Python would, blamed where it is to blame."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from converters import digests, userfile
from harness.errors import ConversionError, SourceError

WHOLE = "def get_model(): ...\ndef get_args(): ...\n"


@pytest.fixture(autouse=True)
def clean_path() -> Iterator[None]:
    """The worker loads one model and ends; this process goes on."""
    before = list(sys.path)
    yield
    sys.path[:] = before
    sys.modules.pop(userfile.MODULE, None)


def _load(folder: Path, text: str) -> ModuleType:
    (folder / "net.py").write_text(text)
    return userfile.load(folder / "net.py")


def test_a_file_with_the_two_functions_is_enough(tmp_path: Path) -> None:
    module = _load(tmp_path, WHOLE)
    assert userfile.function(module, "get_metric") is None


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("x = 1", "no function get_model() and no function get_args()"),
        ("def get_model(): ...", "no function get_args()"),
        ("get_model = 3\ndef get_args(): ...", "no function get_model()"),
    ],
)
def test_a_file_without_them_is_refused_with_what_they_are(tmp_path: Path, text: str, missing: str) -> None:
    with pytest.raises(SourceError) as refused:
        _load(tmp_path, text)
    assert refused.value.message == f"net.py has {missing}"
    assert "torch.nn.Module" in refused.value.remedy


def test_an_optional_name_that_is_no_function_is_refused(tmp_path: Path) -> None:
    module = _load(tmp_path, WHOLE + "get_calibration_data = []")
    with pytest.raises(SourceError, match="get_calibration_data in the model's file is a list"):
        userfile.function(module, "get_calibration_data")


def test_a_file_that_fails_points_at_its_own_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as refused:
        _load(tmp_path, "import json\n\njson.loads('{')\n")
    assert "net.py, line 3, in <module>, `json.loads('{')`: JSONDecodeError" in refused.value.message


def test_a_file_that_is_no_python_points_at_the_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"net\.py, line 2, `def f\(`: SyntaxError"):
        _load(tmp_path, "x = 1\ndef f(\n")


def test_a_file_that_exits_is_a_failure_like_any_other(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"called exit\(4\)"):
        _load(tmp_path, "import sys\nsys.exit(4)")


def test_the_deepest_line_of_the_users_own_files_is_named(tmp_path: Path) -> None:
    (tmp_path / "layers.py").write_text("def build():\n    return {}['weights']\n")
    module = _load(tmp_path, "from layers import build\ndef get_model():\n    return build()\ndef get_args(): ...\n")
    with pytest.raises(SourceError) as refused, userfile.blaming(tmp_path / "net.py", "in get_model()"):
        module.get_model()
    assert "net.py failed in get_model(): layers.py, line 2, in build" in refused.value.message
    assert "KeyError: 'weights'" in refused.value.message


def test_a_module_that_is_not_installed_is_said_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as refused:
        _load(tmp_path, "import no_such_package")
    assert "install the package that provides `no_such_package`" in refused.value.remedy


def test_the_users_files_do_not_shadow_the_libraries_of_the_converters(tmp_path: Path) -> None:
    (tmp_path / "executorch.py").write_text("raise RuntimeError")
    _load(tmp_path, WHOLE)
    assert sys.path[0] != str(tmp_path)
    assert sys.path[-1] == str(tmp_path)


def test_code_that_changed_after_it_was_prepared_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(WHOLE)
    code = {"net.py": digests.of_file(path)}
    userfile.check_unchanged(path, code)
    path.write_text(WHOLE + "#")
    with pytest.raises(ConversionError, match=r"net\.py was changed after"):
        userfile.check_unchanged(path, code)
