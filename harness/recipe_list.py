"""The recipes and steps as `pocketbench recipes` lists them: one line each, with what each runtime makes of them."""

from __future__ import annotations

from typing import Any, get_args

from converters import recipes
from converters.buys import BUYS
from harness.records import Runtime

RUNTIMES: tuple[Runtime, ...] = get_args(Runtime)
NAMES: dict[Runtime, str] = {"tflite": "TFLite", "executorch": "ExecuTorch"}
_WIDTH = 22


def rows() -> list[dict[str, Any]]:
    """Steps in the order that a recipe takes them, then quantizations. not_for: runtimes that have it not, and why."""
    steps = sorted(recipes.COMPRESSIONS.items(), key=lambda item: item[1].rank)
    return [
        *(_row(name, "step", known.example, known.summary) for name, known in steps),
        *(_row(name, "quantization", name, known.summary) for name, known in recipes.RECIPES.items()),
    ]


def text() -> str:
    """For people."""
    found = rows()
    lines = ["Steps, in this order before a quantization, joined by +:"]
    lines += [_line(row) for row in found if row["kind"] == "step"]
    lines += ["", "Quantizations, one of which ends every recipe:"]
    lines += [_line(row) for row in found if row["kind"] == "quantization"]
    return "\n".join([*lines, "", "For example: prune(0.5)+static_wi8_ai8, or channels(0.3)+distill(teacher.py)+fp16"])


def _row(name: str, kind: str, example: str, summary: str) -> dict[str, Any]:
    lacking = recipes.RECIPES[name].lacking if name in recipes.RECIPES else {}
    return {
        "recipe": name,
        "kind": kind,
        "example": example,
        "summary": summary,
        "buys": BUYS[name],
        "not_for": {runtime: lacking[runtime] for runtime in RUNTIMES if runtime in lacking},
    }


def _line(row: dict[str, Any]) -> str:
    return f"  {row['example']:{_WIDTH}} {row['summary']}. {_buys(row)}"


def _buys(row: dict[str, Any]) -> str:
    said = {runtime: row["buys"].get(runtime) or f"none, {row['not_for'][runtime]}" for runtime in RUNTIMES}
    if len(set(said.values())) == 1:
        return f"Both runtimes: {said['tflite']}"
    return "; ".join(f"{NAMES[runtime]}: {words}" for runtime, words in said.items())
