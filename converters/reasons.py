"""From an exception deep inside a converter to one line that says why, and what to do."""

from __future__ import annotations

import errno
import re

from harness.errors import PocketbenchError
from harness.records import Record

_MAX_CHARS = 400


class Reason(Record, frozen=True, kw_only=True):
    """One line, and what to do next."""

    reason: str
    remedy: str = ""


# Pattern in "<type>: <message>" -> reason, remedy; {0} is the pattern's first group. First match counts.
_KNOWN: tuple[tuple[str, str, str], ...] = (
    (
        r"GuardOnDataDependentSymNode|data-dependent (?:expression|branching)|Dynamic control flow is not supported",
        "the model branches on the values of a tensor, which cannot be exported",
        "replace the `if` by torch.where or torch.cond",
    ),
    (
        r"(?:Operator|torch\._ops\.)?\s*([\w.:]+) is not in Core ATen opset",
        "ExecuTorch has no operator for {0}",
        "replace it in the model by operators of the core ATen set",
    ),
    (
        r"These operators are taking Tensor inputs with mismatched dtypes",
        "ExecuTorch cannot lower an operator with inputs of different dtypes (complex numbers, for example)",
        "make the dtypes equal in the model's code",
    ),
    (
        r"Failed to map a given dim_order",
        "ExecuTorch cannot lower an output whose shape depends on the data (nonzero, boolean masks)",
        "replace it by an operator of fixed shape",
    ),
    (r"Missing out variants: \{?([^}]+)\}?", "ExecuTorch has no kernel for {0}", "replace it in the model"),
    (
        r"(?:TF Select ops|Flex ops|Custom ops): ([\w, ]+)",
        "TFLite has no operator for TensorFlow's {0}",
        "replace it in the model by layers that TFLite has",
    ),
    (r"Lowering not found: ([\w.:]+)", "LiteRT's converter has no lowering for {0}", "replace it in the model"),
    (
        r"unresolved custom op: (.+?)\.?\s*(?:See|Node|$)",
        "the file uses the custom operator `{0}`, which this runtime lacks",
        "export the model with built-in operators only",
    ),
    (
        r"Op builtin_code out of range: (\d+)",
        "the file uses the operator number {0}, which this runtime is too old for",
        "update ai-edge-litert, or export the model with an older converter",
    ),
    (
        r"no_integer_overflow_from_quantization was not true",
        "the activations of a layer are all but zero, so its integer scale overflows",
        "use trained weights and calibration data like the real inputs",
    ),
    (
        r"statistics values \(QSVs\) are required",
        "the calibration data did not reach every tensor of the model",
        "give calibration data that runs through the whole model",
    ),
    (
        r"model identifier|Could not open|not a valid Flatbuffer|could not be mmapped|The model is not a valid",
        "the file is truncated or no TFLite model",
        "export it, or copy it, again",
    ),
    (
        r"error: 0x:?(?:23|12)\b.*|Failed to load program",
        "the file is truncated or no ExecuTorch program",
        "export it, or copy it, again",
    ),
    (r"Backend (\w+) is not registered", "the file needs the backend {0}, which this runtime lacks", "lower it anew"),
    (
        r"execute\(\) failed with error 0x:?1[28]\b",
        "the file loads, but its operators refuse their inputs when it is run",
        "see the log for the operator",
    ),
    (
        r"DefaultCPUAllocator|MemoryError|std::bad_alloc",
        "there was not enough memory",
        "close other programs, or make the model or its data smaller",
    ),
)

_EXTRAS = {
    "litert_torch": "tflite",
    "litert_converter": "tflite",
    "ai_edge_litert": "tflite",
    "ai_edge_quantizer": "tflite",
    "executorch": "executorch",
    "torchao": "executorch",
    "torch_pruning": "compress",
    "torch": "tflite,executorch",
    "tensorflow": "keras",
    "keras": "keras",
    "tf_keras": "keras",
    "h5py": "keras",
    "tensorflow_model_optimization": "keras",
}


def explain(error: BaseException) -> Reason:
    """A plain reason where the exception is known, else its own last line."""
    if isinstance(error, PocketbenchError):
        return Reason(reason=error.message, remedy=error.remedy)
    if isinstance(error, ModuleNotFoundError) and error.name:
        return _missing(error.name)
    text = f"{type(error).__name__}: {error}"
    for pattern, reason, remedy in _KNOWN:
        match = re.search(pattern, text)
        if match is not None:
            return Reason(reason=reason.format(*match.groups()), remedy=remedy)
    return Reason(reason=one_line(error), remedy="see the log for the whole output")


def one_line(error: BaseException) -> str:
    """`Type: message`, the first line of the message that says something, cut where it goes on and on."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return text if len(text) <= _MAX_CHARS else text[: _MAX_CHARS - 3] + "..."


def disk_errno(error: BaseException | None) -> int:
    """The errno when the disk was full anywhere down the chain of causes, else 0."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return error.errno
        error = error.__cause__ or error.__context__
    return 0


def _missing(module: str) -> Reason:
    extra = _EXTRAS.get(module.partition(".")[0])
    remedy = f"pip install 'pocketbench[{extra}]'" if extra else f"install the package that provides `{module}`"
    return Reason(reason=f"the module `{module}` is not installed", remedy=remedy)
