"""The grammar of recipe names."""

from __future__ import annotations

from typing import get_args

import pytest

from converters import recipes
from harness.errors import ExperimentError
from harness.records import Runtime, Step


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_every_known_quantization_parses_to_itself(name: str) -> None:
    recipe = recipes.parse(name)
    assert recipe.name == name
    assert recipe.steps == (Step(name=name),)


def test_steps_and_arguments_are_taken_apart_and_spaces_do_not_matter() -> None:
    recipe = recipes.parse(" prune(0.5) + cluster( 16 )+static_wi8_ai8 ")
    assert recipe.name == "prune(0.5)+cluster(16)+static_wi8_ai8"
    assert recipe.steps[1] == Step(name="cluster", arguments=("16",))


def test_a_plus_inside_an_argument_does_not_end_the_step() -> None:
    recipe = recipes.parse("distill(c++/teacher.py)+fp32")
    assert recipe.steps[0].arguments == ("c++/teacher.py",)


@pytest.mark.parametrize(
    ("typed", "nearest"),
    [
        ("fp23", "fp32"),
        ("static_wi8_ai", "static_wi8_ai8"),
        ("dynamic_wi8", "dynamic_wi8_afp32"),
        ("FP16", "fp16"),
        ("int8", "static_wi8_ai8"),
        ("float16", "fp16"),
        ("prun(0.5)+fp32", "prune"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_one(typed: str, nearest: str) -> None:
    with pytest.raises(ExperimentError) as refused:
        recipes.parse(typed)
    assert typed.partition("(")[0] in refused.value.message
    assert f"did you mean `{nearest}`?" in refused.value.remedy


def test_a_name_like_nothing_known_is_refused_with_all_known_names() -> None:
    with pytest.raises(ExperimentError) as refused:
        recipes.parse("zzzzzz")
    assert "did you mean" not in refused.value.remedy
    assert all(name in refused.value.remedy for name in recipes.RECIPES)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("static_wi8_ai8+prune(0.5)", "prune(0.5)+static_wi8_ai8"),
        ("cluster(16)+prune(0.5)+fp32", "prune(0.5)+cluster(16)+fp32"),
        ("qat+channels(0.3)+static_wi8_ai8", "channels(0.3)+qat+static_wi8_ai8"),
    ],
)
def test_a_senseless_order_is_refused_with_the_order_that_makes_sense(wrong: str, right: str) -> None:
    with pytest.raises(ExperimentError, match="wrong order") as refused:
        recipes.parse(wrong)
    assert refused.value.remedy == f"write `{right}`"


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("", "cannot be read"),
        ("prune(0.5", "cannot be read"),
        ("fp32+", "cannot be read"),
        ("prune(0.5)", "has no quantization"),
        ("fp16+static_wi8_ai8", "has 2 quantizations"),
        ("prune(0.5)+prune(0.6)+fp32", "same step twice"),
        ("prune+fp32", "wrong argument"),
        ("prune(1.5)+fp32", "wrong argument"),
        ("prune(0)+fp32", "wrong argument"),
        ("prune(4:2)+fp32", "wrong argument"),
        ("prune(0.5,everywhere)+fp32", "wrong argument"),
        ("prune(2:4,global)+fp32", "wrong argument"),
        ("prune(0.8,global,global)+fp32", "wrong argument"),
        ("prune(0.8,1x4,2x4)+fp32", "wrong argument"),
        ("prune(0.8,0x4)+fp32", "wrong argument"),
        ("prune(0.8,1x1)+fp32", "wrong argument"),
        ("prune(1.0)+fp32", "wrong argument"),
        ("prune(-0.5)+fp32", "wrong argument"),
        ("distill+fp32", "wrong argument"),
        ("distill(teacher.onnx)+fp32", "wrong argument"),
        ("cluster(1)+fp32", "wrong argument"),
        ("cluster(257)+fp32", "wrong argument"),
        ("cluster(16,row)+fp32", "wrong argument"),
        ("qat(3)+static_wi8_ai8", "wrong argument"),
        ("fp32(1)", "takes no arguments"),
        ("qat+fp32", "trains for 8-bit integers"),
        ("qat+dynamic_wi8_afp32", "trains for 8-bit integers"),
        ("qat+static_wi8_ai16", "trains for 8-bit integers"),
    ],
)
def test_a_recipe_without_meaning_is_refused(name: str, fault: str) -> None:
    with pytest.raises(ExperimentError, match=fault) as refused:
        recipes.parse(name)
    assert refused.value.remedy


@pytest.mark.parametrize("name", ["prune(0.8)+fp32", "prune(2:4)+fp16", "channels(.3)+fp32", "qat+static_wi8_ai8"])
def test_a_compression_step_is_there_for_both_runtimes(name: str) -> None:
    recipe = recipes.parse(name)
    assert [recipes.supported(recipe, runtime) for runtime in get_args(Runtime)] == ["", ""]
    assert recipes.compressions(recipe) == recipe.steps[:-1]


def test_what_a_runtime_lacks_it_lacks_behind_a_compression_step_too() -> None:
    assert recipes.supported(recipes.parse("prune(0.8)+static_wi8_ai16"), "executorch")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("prune(0.8)", ("0.8",)),
        ("prune(0.8, global)", ("0.8", "global")),
        ("prune(0.8,1x4)", ("0.8", "1x4")),
        ("prune(0.8,1x4,global)", ("0.8", "1x4", "global")),
        ("prune(2:4)", ("2:4",)),
        ("prune(0.8,global,sparse)", ("0.8", "global", "sparse")),
    ],
)
def test_the_ways_to_prune(name: str, arguments: tuple[str, ...]) -> None:
    recipe = recipes.parse(f"{name}+fp32")
    assert recipe.steps[0] == Step(name="prune", arguments=arguments)
    assert recipes.parse(recipe.name) == recipe


def test_the_float_model_of_a_recipe_has_its_compression_and_no_quantization() -> None:
    recipe = recipes.parse("prune(0.5,global)+qat+static_wi8_ai8")
    assert recipes.floating(recipe).name == "prune(0.5,global)+qat+fp32"
    assert recipes.floating(recipes.parse("static_wi8_ai8")) == recipes.parse("fp32")


def test_sparse_storage_is_one_of_a_files_and_no_other_training() -> None:
    recipe = recipes.parse("prune(0.8,sparse)+fp32")
    assert recipes.sparse(recipe)
    assert recipes.compressions(recipe) == recipes.compressions(recipes.parse("prune(0.8)+fp32"))
    assert recipes.supported(recipe, "tflite") == ""
    assert "no sparse tensors" in recipes.supported(recipe, "executorch")
    assert "for fp32 and static_wi8_ai8 only" in recipes.supported(recipes.parse("prune(0.8,sparse)+fp16"), "tflite")


def test_shared_values_need_one_scale_per_tensor() -> None:
    assert recipes.one_scale(recipes.parse("cluster(16)+static_wi8_ai8").steps)
    assert not recipes.one_scale(recipes.parse("prune(0.5)+static_wi8_ai8").steps)


def test_what_executorch_lacks_is_said_with_the_reason_and_tflite_has_it_all() -> None:
    lacking = {name: recipes.supported(recipes.parse(name), "executorch") for name in recipes.RECIPES}
    assert {name for name, reason in lacking.items() if reason} == {
        "static_wi8_ai16",
        "weight_only_wi8_afp32",
        "weight_only_wi4_afp32",
    }
    assert not any(recipes.supported(recipes.parse(name), "tflite") for name in recipes.RECIPES)


def test_calibration_data_has_a_part_in_static_recipes_only() -> None:
    calibrated = {name for name in recipes.RECIPES if recipes.calibrated(recipes.parse(name))}
    assert calibrated == {"static_wi8_ai8", "static_wi8_ai16"}


def test_a_ready_made_file_has_a_recipe_without_steps() -> None:
    recipe = recipes.parse("as-is")
    assert recipe.steps == ()
    assert recipes.quantization(recipe) == ""


def test_shared_values_keep_to_one_scale_unless_each_channel_has_its_own() -> None:
    assert recipes.one_scale(recipes.parse("prune(0.5)+cluster(256)+static_wi8_ai8").steps)
    assert not recipes.one_scale(recipes.parse("cluster(16,channel)+static_wi8_ai8").steps)
