"""Exceptions of the converters, as they were met, become one plain line."""

from __future__ import annotations

import errno

import pytest

from converters import reasons
from harness.errors import ConversionError


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            RuntimeError("GuardOnDataDependentSymNode: Could not guard on data-dependent expression u0 > 0"),
            "branches on the values of a tensor",
        ),
        (
            ValueError("Operator torch._ops.aten.linalg_inv_ex.default is not in Core ATen opset"),
            "no operator for torch._ops.aten.linalg_inv_ex.default",
        ),
        (RuntimeError("Lowering not found: aten.cumprod.default"), "no lowering for aten.cumprod.default"),
        (
            RuntimeError("Encountered unresolved custom op: MadeUp.See instructions: https://x"),
            "the custom operator `MadeUp`",
        ),
        (
            RuntimeError("Missing out variants: {'torchao::dequantize_affine'}"),
            "no kernel for 'torchao::dequantize_affine'",
        ),
        (
            RuntimeError("kernel_util.cc:349 no_integer_overflow_from_quantization was not true."),
            "its integer scale overflows",
        ),
        (ValueError("Model provided has model identifier 'abcd', should be 'TFL3'"), "truncated or no TFLite model"),
        (RuntimeError("Failed to load program, error: 0x23"), "truncated or no ExecuTorch program"),
        (RuntimeError("Backend VulkanBackend is not registered"), "needs the backend VulkanBackend"),
        (MemoryError(), "not enough memory"),
    ],
)
def test_a_known_exception_has_a_plain_reason_and_a_remedy(error: Exception, expected: str) -> None:
    found = reasons.explain(error)
    assert expected in found.reason
    assert found.remedy
    assert "\n" not in found.reason


def test_an_unknown_exception_keeps_its_type_and_first_line() -> None:
    found = reasons.explain(KeyError("\n  the pass failed here\nand much more"))
    assert "KeyError" in found.reason
    assert "\n" not in found.reason
    assert reasons.explain(ValueError("first\nsecond")).reason == "ValueError: first"
    assert reasons.explain(ValueError()).reason == "ValueError"


def test_an_endless_message_is_cut() -> None:
    assert len(reasons.explain(ValueError("x" * 10_000)).reason) == 400


def test_our_own_errors_keep_their_words() -> None:
    found = reasons.explain(ConversionError("what", remedy="do this"))
    assert found == reasons.Reason(reason="what", remedy="do this")


@pytest.mark.parametrize(
    ("module", "remedy"),
    [
        ("litert_torch._convert", "pip install 'pocketbench[tflite]'"),
        ("executorch.exir", "pip install 'pocketbench[executorch]'"),
        ("timm", "install the package that provides `timm`"),
    ],
)
def test_a_missing_module_names_the_extra_that_brings_it(module: str, remedy: str) -> None:
    found = reasons.explain(ModuleNotFoundError(f"No module named {module!r}", name=module))
    assert found.reason == f"the module `{module}` is not installed"
    assert found.remedy == remedy


def test_a_full_disk_is_found_behind_other_exceptions() -> None:
    try:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as cause:
            raise RuntimeError("could not save") from cause
    except RuntimeError as error:
        assert reasons.disk_errno(error) == errno.ENOSPC
    assert reasons.disk_errno(RuntimeError("other")) == 0
