"""Which operators of a .tflite the XNNPACK delegate takes: seen by loading the file as the runner will.

Loading can crash on a bad file, so it belongs in a child process, after the facts that need no loading.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple


class Delegation(NamedTuple):
    """absorbed: for each operator of the first subgraph, in the file's order, whether a delegate took it."""

    absorbed: list[bool]
    subgraphs: int


def observe(path: Path) -> Delegation:
    """Load and allocate the file with the default interpreter; raises RuntimeError or ValueError when it refuses."""
    operators = _loaded_operators(path)
    originals = [op for op in operators if op["op_name"] != "DELEGATE"]
    delegates = [op for op in operators if op["op_name"] == "DELEGATE"]
    producers = {int(index): number for number, op in enumerate(originals) for index in op["outputs"]}
    taken: set[int] = set()
    for delegate in delegates:
        taken |= _inside(delegate, originals, producers)
    return Delegation([number in taken for number in range(len(originals))], len(delegates))


def _loaded_operators(path: Path) -> list[dict[str, Any]]:
    """Every operator after delegation: the file's own in order, then one DELEGATE per subgraph that was taken.

    The only place that calls this private method; there is no public one.
    """
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    operators: list[dict[str, Any]] = interpreter._get_ops_details()
    return operators


def _inside(delegate: dict[str, Any], originals: list[dict[str, Any]], producers: dict[int, int]) -> set[int]:
    """Operators on the way back from a delegate's outputs to its inputs."""
    outside = {int(index) for index in delegate["inputs"]}
    waiting = [int(index) for index in delegate["outputs"]]
    inside: set[int] = set()
    while waiting:
        index = waiting.pop()
        number = producers.get(index)
        if index in outside or number is None or number in inside:
            continue
        inside.add(number)
        waiting += [int(source) for source in originals[number]["inputs"]]
    return inside
