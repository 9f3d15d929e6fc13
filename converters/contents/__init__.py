"""What a build's file really holds, so that a recipe which promised int8 and delivered float is seen.

`read` takes the facts from the file alone. `inspect` also loads a .tflite, for only the interpreter knows which
operators its delegate takes; a .pte tells that itself. Loading a bad file can crash: call `inspect` in a child
process. Light to import: numpy and the readers come with the first call.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.errors import ConversionError
from harness.records import Contents

if TYPE_CHECKING:
    from converters.contents.graph import Graph
    from converters.pack import Region

_MAGIC_AT = slice(4, 8)
_TFLITE_MAGIC = b"TFL3"
_PTE_MAGIC = b"ET1"  # and a digit: the version of the program's schema
_WHAT = {".tflite": "TFLite model", ".pte": "ExecuTorch program"}
# What the flatbuffer readers raise on damaged bytes.
_DAMAGE = (ValueError, IndexError, KeyError, TypeError, AttributeError, struct.error, OverflowError, MemoryError)


def inspect(path: Path) -> Contents:
    """Everything about a .tflite or .pte. Raises ConversionError, naming the file and what is wrong with it.

    A file that can be read but that the runtime refuses to load comes back with `load_failure` set.
    """
    data, graph = _open(path)
    from converters import pack
    from converters.contents.graph import contents_of

    found = contents_of(_loaded(path, graph) if graph.format == "tflite" else graph, data)
    return msgspec.structs.replace(found, packed_bytes=len(pack.pack(data, graph.regions)))


def read(path: Path) -> Contents:
    """The facts that need no loading; of a .tflite the delegated share stays unknown. Raises ConversionError."""
    data, graph = _open(path)
    from converters.contents.graph import contents_of

    return contents_of(graph, data)


def regions(path: Path) -> tuple[memoryview, tuple[Region, ...]]:
    """A .tflite or .pte, and where in it its weights lie, for `pack`. Raises ConversionError."""
    data, graph = _open(path)
    return data, graph.regions


def quantized_share(contents: Contents) -> dict[str, float]:
    """Share of the weights' elements per stored dtype, largest first; empty when the file holds no weights."""
    return _shares(contents.weight_elements)


def macs_share(contents: Contents) -> dict[str, float]:
    """Share of the weights' multiply-adds per dtype that the weights are stored in, largest first.

    Differs from `quantized_share` where it matters: one quantized head can hold most of the weights of a CNN and do
    next to none of its work.
    """
    macs: dict[str, int] = {}
    for weight in contents.weights:
        macs[weight.dtype] = macs.get(weight.dtype, 0) + (weight.macs or 0)
    return _shares(macs)


def _shares(amounts: dict[str, int]) -> dict[str, float]:
    total = sum(amounts.values())
    shares = {name: amount / total for name, amount in amounts.items() if total}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def _open(path: Path) -> tuple[memoryview, Graph]:
    try:
        data = memoryview(path.read_bytes())
    except OSError as error:
        raise ConversionError(f"{path} cannot be read: {error.strerror}") from error
    suffix = _format(path, bytes(data[:64]))
    try:
        return data, _read(suffix, data)
    except ConversionError as error:
        raise ConversionError(f"{path}: {error.message}", remedy=error.remedy) from error
    except _DAMAGE as error:
        reason = _reason(error, len(data))
        raise ConversionError(
            f"{path} is damaged: {reason}", remedy="make the file again, or copy it again in binary mode"
        ) from error


def _reason(error: Exception, size: int) -> str:
    if isinstance(error, struct.error):
        return f"it points past its {size} bytes, or to where no table is; was it cut off?"
    return str(error).partition("\n")[0] or type(error).__name__


def _read(suffix: str, data: memoryview) -> Graph:
    if suffix == ".tflite":
        from converters.contents import tflite

        return tflite.read(data)
    from converters.contents import pte

    return pte.read(data)


def _format(path: Path, head: bytes) -> str:
    """`.tflite` or `.pte` by what the file holds, which must be what its name says."""
    magic = head[_MAGIC_AT]
    if not head:
        raise ConversionError(f"{path} is empty", remedy="make the file again")
    held = ".tflite" if magic == _TFLITE_MAGIC else ".pte" if magic[:3] == _PTE_MAGIC else ""
    named = path.suffix.lower()
    if not held:
        kind = _WHAT.get(named, "TFLite model or ExecuTorch program")
        raise ConversionError(
            f"{path} is no {kind}: bytes 4 to 8 are {magic!r}, not {_expected(named)}",
            remedy="give a .tflite or .pte file, whole and uncompressed",
        )
    if named in _WHAT and named != held:
        raise ConversionError(
            f"{path} holds a {_WHAT[held]}, not a {_WHAT[named]}".replace(" a Exec", " an Exec"),
            remedy=f"rename it to {path.with_suffix(held).name}",
        )
    return held


def _expected(named: str) -> str:
    return {".tflite": "TFL3", ".pte": "ET12"}.get(named, "TFL3 or ET12")


def _loaded(path: Path, graph: Graph) -> Graph:
    """The graph with what the interpreter says about it."""
    from converters.contents.delegation import observe
    from converters.contents.graph import with_delegated

    try:
        seen = observe(path)
        return with_delegated(graph, seen.absorbed, delegates={"XNNPACK": seen.subgraphs} if seen.subgraphs else {})
    except (RuntimeError, ValueError) as error:
        return msgspec.structs.replace(graph, load_failure=" ".join(str(error).split()))
