"""What both formats are read into, and the one place where it is summed up.

`tflite.py` and `pte.py` turn a file into a `Graph`; `contents_of` turns a `Graph` into the `Contents` of the
report, so that a number means the same for both runtimes.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable
from typing import Literal

import msgspec

from converters.pack import Region
from harness.records import Contents, Record, TensorSpec, WeightTensor

CHUNK_BYTES = 2**20


class Node(Record, frozen=True, kw_only=True):
    """One operator. macs: multiply-adds of one call, 0 for what does none; delegated is None while unknown."""

    operator: str
    macs: int = 0
    fused_activation: bool = False
    delegated: bool | None = None


class Graph(Record, frozen=True, kw_only=True):
    """A file, read. nodes of all its methods or subgraphs, those of the first one first (`main_nodes` of them);
    weights once per stored buffer; regions: where in the file those lie that can be told."""

    format: Literal["tflite", "pte"]
    nodes: tuple[Node, ...]
    weights: tuple[WeightTensor, ...]
    activation_dtypes: dict[str, int]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    delegates: dict[str, int] = {}
    custom_operators: tuple[str, ...] = ()
    unopened_bytes: int = 0
    main_nodes: int = 0
    load_failure: str = ""
    regions: tuple[Region, ...] = ()


def contents_of(graph: Graph, data: bytes | memoryview) -> Contents:
    """Sum a graph up; `data` is the whole file."""
    known = [node for node in graph.nodes if node.delegated is not None]
    inside = [node for node in known if node.delegated]
    macs = sum(node.macs for node in graph.nodes)
    known_macs = sum(node.macs for node in known)
    whole = bool(known) and not graph.unopened_bytes
    return Contents(
        format=graph.format,
        size_bytes=len(data),
        download_bytes=deflated_bytes(data),
        weight_elements=_per_dtype((weight.dtype, weight.elements) for weight in graph.weights),
        weight_bytes=_per_dtype((weight.dtype, weight.stored_bytes) for weight in graph.weights),
        sparsity=_sparsity(graph.weights),
        operators=_counted(node.operator for node in graph.nodes),
        fused_activations=sum(node.fused_activation for node in graph.nodes),
        delegates=graph.delegates,
        delegated_operators=len(inside) if whole else None,
        total_operators=len(known) if whole else None,
        left_operators=_counted(node.operator for node in known if not node.delegated),
        macs=None if graph.unopened_bytes else macs,
        delegated_macs_share=sum(node.macs for node in inside) / known_macs if whole and known_macs else None,
        activation_dtypes=graph.activation_dtypes,
        inputs=graph.inputs,
        outputs=graph.outputs,
        weights=graph.weights,
        custom_operators=graph.custom_operators,
        unopened_bytes=graph.unopened_bytes,
        load_failure=graph.load_failure,
    )


def with_delegated(graph: Graph, delegated: list[bool], *, delegates: dict[str, int]) -> Graph:
    """Say of the first subgraph's nodes whether a delegate took them; ValueError when their number differs."""
    if len(delegated) != graph.main_nodes:
        raise ValueError(f"the interpreter tells of {len(delegated)} operators, the file of {graph.main_nodes}")
    marked = [
        msgspec.structs.replace(node, delegated=taken) for node, taken in zip(graph.nodes, delegated, strict=False)
    ]
    nodes = (*marked, *graph.nodes[len(marked) :])
    return msgspec.structs.replace(graph, nodes=nodes, delegates=delegates)


def deflated_bytes(data: bytes | memoryview) -> int:
    """Bytes after deflate at level 9 (with zlib's 6 bytes of framing): about what a store download costs."""
    stream = zlib.compressobj(9)
    size = sum(len(stream.compress(data[at : at + CHUNK_BYTES])) for at in range(0, len(data), CHUNK_BYTES))
    return size + len(stream.flush())


def _per_dtype(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    totals: Counter[str] = Counter()
    for dtype, amount in pairs:
        totals[dtype] += amount
    return dict(sorted(totals.items()))


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _sparsity(weights: tuple[WeightTensor, ...]) -> float:
    elements = sum(weight.elements for weight in weights)
    return sum(weight.zeros for weight in weights) / elements if elements else 0.0
