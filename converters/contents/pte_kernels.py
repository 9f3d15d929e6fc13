"""The kernel calls of an ExecuTorch method: operators that no delegate took, with their weights and multiply-adds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from converters.contents.flatbuffer import Decoded
from converters.contents.graph import Node
from converters.contents.stored import Stored, Use, Weights
from converters.contents.values import BITS, elements, is_weight_like, stored_size
from harness.errors import ConversionError

if TYPE_CHECKING:
    from converters.contents.pte import Program

# What stands between a constant and the kernel that reads it, and does not change what is stored.
_BEHIND = (
    "dequantize_per",
    "permute_copy",
    "transpose_copy",
    "t_copy",
    "view_copy",
    "clone",
    "to_dim_order_copy",
    "_clone_dim_order",
    "expand_copy",
    "unsqueeze_copy",
    "squeeze_copy",
)


class _Rule(NamedTuple):
    """Multiply-adds are elements(output) * (what one output element sums over). weight, source: argument places."""

    weight: int
    source: int


_NOTHING: tuple[str, Decoded] = ("", {})
_CONVOLUTION = "aten::convolution.out"
_TRANSPOSED = 6  # the place of `transposed` among the convolution's arguments
_RULES = {
    _CONVOLUTION: _Rule(weight=1, source=0),
    "aten::linear.out": _Rule(weight=1, source=0),
    "aten::addmm.out": _Rule(weight=2, source=1),
    "aten::mm.out": _Rule(weight=1, source=0),
    "aten::bmm.out": _Rule(weight=1, source=0),
}


class Part(NamedTuple):
    """What one method's kernels, or one delegate, adds to the whole."""

    nodes: list[Node]
    activations: Counter[str]


class _Scope(NamedTuple):
    program: Program
    plan: Decoded
    producers: dict[int, tuple[str, list[int]]]


def value_at(plan: Decoded, index: int) -> tuple[str, Decoded]:
    """A value of the method: (kind, fields); kind `Null` for an empty one."""
    values = plan["values"] or []
    if not 0 <= index < len(values):
        raise ValueError(f"value {index} is not there")
    found: tuple[str, Decoded] = values[index]["val"] or ("Null", {})
    return found


def read(program: Program, plan: Decoded, weights: Weights) -> Part:
    """Raises ValueError or IndexError when an instruction names what is not there."""
    calls = list(_calls(plan, "KernelCall"))
    scope = _Scope(program, plan, {out: call for call in calls for out in _outputs(plan, call)})
    nodes = [_node(scope, call, weights) for call in calls]
    for delegate, arguments in _calls(plan, "DelegateCall"):
        _add_constants(scope, Use(delegate), arguments, weights)
    return Part(nodes, _activations(scope))


def _calls(plan: Decoded, kind: str) -> Iterator[tuple[str, list[int]]]:
    """(operator or delegate, places of its arguments among the values) of every call of a kind."""
    for chain in plan["chains"] or []:
        for instruction in chain["instructions"] or []:
            found, arguments = instruction["instr_args"] or _NOTHING
            if found != kind:
                continue
            if kind == "KernelCall":
                operator = plan["operators"][arguments["op_index"]]
                name = ".".join(part for part in (operator["name"], operator["overload"]) if part)
            else:
                name = plan["delegates"][arguments["delegate_index"]]["id"]
            yield name, [int(index) for index in arguments["args"]]


def _outputs(plan: Decoded, call: tuple[str, list[int]]) -> list[int]:
    """The last argument is what the kernel writes: a tensor, or a list of them."""
    last = call[1][-1]
    kind, value = value_at(plan, last)
    return [int(index) for index in value["items"]] if kind == "TensorList" else [last]


def _tensor(scope: _Scope, index: int) -> Decoded | None:
    kind, value = value_at(scope.plan, index)
    return value if kind == "Tensor" else None


def _shape(tensor: Decoded | None) -> tuple[int, ...]:
    return () if tensor is None or tensor["sizes"] is None else tuple(int(size) for size in tensor["sizes"])


def _node(scope: _Scope, call: tuple[str, list[int]], weights: Weights) -> Node:
    name, arguments = call
    macs, rule = _macs(scope, name, arguments), _RULES.get(name)
    read = list(arguments[:-1])
    if rule is not None:
        found = _constant_tensor(scope, read.pop(rule.weight))
        if found is not None:
            weights.add(*_stored(scope, found), Use(name, macs))
    if not _is_behind(name):
        _add_constants(scope, Use(name), read, weights)
    return Node(operator=name, macs=macs, delegated=False)


def _add_constants(scope: _Scope, use: Use, arguments: list[int], weights: Weights) -> None:
    """Constants that no multiply-add reads here: tables, masks, and what is handed into a delegate."""
    for index in arguments:
        tensor = _constant_tensor(scope, index)
        if tensor is not None and is_weight_like(_shape(tensor), scope.program.dtype(tensor)):
            weights.add(*_stored(scope, tensor), use)


def _macs(scope: _Scope, name: str, arguments: list[int]) -> int:
    rule = _RULES.get(name)
    if rule is None:
        return 0
    source, weight = _shape(_tensor(scope, arguments[rule.source])), _shape(_tensor(scope, arguments[rule.weight]))
    output = _shape(_tensor(scope, arguments[-1]))
    if name != _CONVOLUTION:
        return elements(output) * source[-1]
    # A weight is [out, in / groups, *kernel], or transposed [in, out / groups, *kernel].
    transposed = value_at(scope.plan, arguments[_TRANSPOSED])[1].get("bool_val", False)
    return elements(source if transposed else output) * elements(weight[1:])


def _is_behind(name: str) -> bool:
    operator = name.partition("::")[2].partition(".")[0]
    return operator.startswith("dequantize_per") or operator.lstrip("_") in {word.lstrip("_") for word in _BEHIND}


def _constant_tensor(scope: _Scope, index: int) -> Decoded | None:
    """The constant tensor that a value is, or was made of by kernels that only store it otherwise."""
    for _ in range(len(scope.producers) + 1):
        tensor = _tensor(scope, index)
        if tensor is None:
            return None
        if _is_constant(tensor):
            return tensor
        producer = scope.producers.get(index)
        if producer is None or not _is_behind(producer[0]):
            return None
        index = producer[1][0]
    raise ValueError("its instructions form a circle")


def _is_constant(tensor: Decoded) -> bool:
    """Mutable tensors have an allocation, even those with a first value in the file."""
    extra = tensor["extra_tensor_info"]
    external = extra is not None and extra["location"] == 1
    return tensor["allocation_info"] is None and (tensor["data_buffer_idx"] > 0 or external)


def _stored(scope: _Scope, tensor: Decoded) -> tuple[object, Stored]:
    """(what it is to be counted once by, the constant)."""
    dtype, shape = scope.program.dtype(tensor), _shape(tensor)
    size = stored_size(elements(shape), dtype) if dtype in BITS else 0
    key, raw = _raw(scope.program, tensor)
    extra = tensor["extra_tensor_info"] or {}
    name = extra.get("fully_qualified_name") or f"constant {tensor['data_buffer_idx']}"
    return key, Stored(name=name, shape=shape, dtype=dtype, raw=raw[:size])


def _raw(program: Program, tensor: Decoded) -> tuple[object, memoryview]:
    """The bytes from a constant's first on; they end where its size says."""
    extra = tensor["extra_tensor_info"]
    if extra is not None and extra["location"] == 1:
        key = extra["fully_qualified_name"]
        if key not in program.named:
            raise ConversionError(
                f"the values of {key!r} are kept in another file",
                remedy="lower the model again without external constants (.ptd)",
            )
        return ("named", key), program.named[key]
    number = int(tensor["data_buffer_idx"])
    offsets: Any = (program.root["constant_segment"] or {}).get("offsets")
    if offsets is not None and len(offsets):
        segment = program.segments[program.root["constant_segment"]["segment_index"]]
        return ("constant", number), segment[int(offsets[number]) :]
    return ("constant", number), memoryview(program.root["constant_buffer"][number]["storage"])


def _activations(scope: _Scope) -> Counter[str]:
    """The dtype of every tensor that is computed, fed in or handed between delegates."""
    counts = Counter[str]()
    for index in range(len(scope.plan["values"] or [])):
        tensor = _tensor(scope, index)
        if tensor is not None and _constant_tensor(scope, index) is None:
            counts[scope.program.dtype(tensor)] += 1
    return counts
