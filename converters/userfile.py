"""The user's Python file: load it, call its functions, and point at the user's own line when one fails."""

from __future__ import annotations

import importlib.util
import linecache
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from converters import digests
from converters.reasons import explain, one_line
from harness.errors import ConversionError, SourceError

REQUIRED = ("get_model", "get_args")
OPTIONAL = (
    *("get_calibration_data", "get_evaluation_data", "get_metric"),
    *("get_training_data", "get_loss", "train"),
)
# One fixed name: it shadows no library, and no file name gets into the builds.
MODULE = "model_source"
_NOT_THE_USERS = tuple({sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib", "platstdlib")})
_US = str(Path(__file__).parent)


def load(path: Path, name: str = MODULE, required: Sequence[str] = REQUIRED) -> ModuleType:
    """Run the file as a module; its folder is importable, as for any script. Raises SourceError."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # last: a user's `torch.py` must not shadow what the converters import
    with blaming(path, "while it was loaded"):
        spec.loader.exec_module(module)
    missing = [name for name in required if not callable(getattr(module, name, None))]
    if missing:
        raise SourceError(
            f"{path.name} has no function {' and no function '.join(f'{name}()' for name in missing)}",
            remedy="define get_model(), which returns the torch.nn.Module, and get_args(), which returns its inputs",
        )
    return module


def function(module: ModuleType | None, name: str) -> Callable[..., Any] | None:
    """An optional function of the user's file; None when it is not there. Raises SourceError when it is no function."""
    found = getattr(module, name, None)
    if found is not None and not callable(found):
        raise SourceError(f"{name} in the model's file is {_a(found)}, not a function", remedy=f"define {name}()")
    return found


def check_unchanged(path: Path, code: Mapping[str, str]) -> None:
    """Raise ConversionError when a file of the model's code is no longer what was prepared; `code`: Facts.code."""
    for name, seen in code.items():
        if digests.of_tree(path.parent / name) != seen:
            raise ConversionError(f"{name} was changed after the model was prepared", remedy="run again")


@contextmanager
def blaming(path: Path, where: str) -> Iterator[None]:
    """Turn whatever the user's code raises into a SourceError that names the user's line."""
    first = str(path.parent)
    sys.path.insert(0, first)
    try:
        yield
    except (ConversionError, SourceError):
        raise
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        raise SourceError(f"{path.name} failed {where}: {_line_of(error, path)}", remedy=_remedy(error)) from error
    finally:
        sys.path.remove(first)


def _line_of(error: BaseException, path: Path) -> str:
    """`model.py, line 3, in get_model, `x = y`: NameError: ...`: the deepest frame in the user's own files."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        text = (error.text or "").strip()
        return f"{Path(error.filename).name}, line {error.lineno}, `{text}`: {type(error).__name__}: {error.msg}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename)]
    reason = one_line(error) if not isinstance(error, SystemExit) else f"it called exit({error.code})"
    if not frames:
        return reason
    frame = frames[-1]
    text = linecache.getline(frame.filename, frame.lineno or 0).strip()
    return f"{Path(frame.filename).name}, line {frame.lineno}, in {frame.name}, `{text}`: {reason}"


def _is_users(filename: str) -> bool:
    return not filename.startswith((*_NOT_THE_USERS, _US, "<"))


def _remedy(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError):
        return explain(error).remedy
    return "correct that line; the log has the whole traceback"


def _a(value: object) -> str:
    name = type(value).__name__
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"
