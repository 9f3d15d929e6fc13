"""`pocketbench recipes`: nothing is left out, and each line says what it buys where."""

from __future__ import annotations

from converters import recipes
from converters.buys import BUYS
from harness import recipe_list


def test_every_step_and_quantization_has_one_line_with_what_it_buys() -> None:
    names = [row["recipe"] for row in recipe_list.rows()]
    assert sorted(names) == sorted([*recipes.COMPRESSIONS, *recipes.RECIPES]) == sorted(BUYS)
    lines = recipe_list.text().splitlines()
    for row in recipe_list.rows():
        (line,) = (one for one in lines if one.startswith(f"  {row['example']} "))
        assert row["summary"] in line and next(iter(row["buys"].values())) in line


def test_each_runtime_either_has_it_or_says_why_not() -> None:
    for row in recipe_list.rows():
        assert set(row["buys"]) | set(row["not_for"]) == {"tflite", "executorch"}
        assert not set(row["buys"]) & set(row["not_for"])


def test_steps_stand_in_the_order_that_the_grammar_wants() -> None:
    steps = [row["example"] for row in recipe_list.rows() if row["kind"] == "step"]
    assert recipes.parse("+".join([*steps, "static_wi8_ai8"])).name == "+".join([*steps, "static_wi8_ai8"])


def test_every_example_is_a_step_that_the_grammar_reads() -> None:
    for row in recipe_list.rows():
        ending = "" if row["kind"] == "quantization" else "+static_wi8_ai8"
        assert recipes.parse(row["example"] + ending).name == row["example"] + ending
