"""convert() with the real converters: the tiny model in every recipe and runtime."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import msgspec
import numpy as np
import pytest

import converters
from converters import contents, digests, engines, numerics, recipes
from harness.errors import StoreError
from harness.records import Limits, Runtime
from tests.fakes.model_files import small

if TYPE_CHECKING:
    from tests.converters.conftest import Everything

pytestmark = pytest.mark.runtimes

RUNTIMES: tuple[Runtime, ...] = get_args(Runtime)
OFFERED = [
    (runtime, name) for runtime in RUNTIMES for name in recipes.RECIPES if runtime not in recipes.RECIPES[name].lacking
]
LACKING = [
    (runtime, name) for runtime in RUNTIMES for name in recipes.RECIPES if runtime in recipes.RECIPES[name].lacking
]
# Share of the weights that a build of the tiny model must hold in this type.
HELD = {
    "fp32": ("float32", 1.0),
    "fp16": ("float16", 1.0),
    "static_wi8_ai8": ("int8", 1.0),
    "static_wi8_ai16": ("int8", 1.0),
    "weight_only_wi8_afp32": ("int8", 1.0),
    "weight_only_wi4_afp32": ("int4", 0.9),
}


def _outputs(path: str, prepared: converters.Prepared) -> np.ndarray:
    inputs, _ = numerics.of_prepared(Path(prepared.folder))
    engine = engines.open_build(Path(path))
    return np.concatenate([engine.run(arrays)[0] for arrays in inputs])


@pytest.mark.parametrize(("runtime", "recipe"), OFFERED)
def test_every_recipe_that_a_runtime_has_gives_a_sound_file(
    everything: Everything, runtime: Runtime, recipe: str
) -> None:
    variant = everything.variants[f"{runtime}/{recipe}"]
    assert variant.failure is None
    assert digests.of_file(Path(variant.path)) == variant.sha256
    assert Path(variant.path).suffix == {"tflite": ".tflite", "executorch": ".pte"}[runtime]
    assert not any("differ" in warning for warning in variant.warnings)
    assert all(variant.tools.values())
    assert variant.contents is not None
    dtype, share = HELD.get(recipe, ("int8", 0.3))  # dynamic: the dense layer's
    assert contents.quantized_share(variant.contents).get(dtype, 0) >= share


@pytest.mark.parametrize(("runtime", "recipe"), OFFERED)
def test_every_build_takes_and_gives_what_the_model_does(everything: Everything, runtime: Runtime, recipe: str) -> None:
    """Float32 at both ends and the model's own layout, so that any build can stand in for another."""
    held = everything.variants[f"{runtime}/{recipe}"].contents
    assert held is not None
    for ours, models in zip(
        (*held.inputs, *held.outputs),
        (*everything.prepared.model.inputs, *everything.prepared.model.outputs),
        strict=True,
    ):
        assert (ours.shape, ours.dtype) == (models.shape, models.dtype)


@pytest.mark.parametrize(("runtime", "recipe"), LACKING)
def test_a_recipe_that_a_runtime_lacks_is_a_row_with_the_reason_and_no_process(
    everything: Everything, runtime: Runtime, recipe: str
) -> None:
    variant = everything.variants[f"{runtime}/{recipe}"]
    assert variant.failure is not None
    assert variant.failure.unsupported
    assert variant.failure.reason == recipes.RECIPES[recipe].lacking[runtime]
    assert not (everything.folder / "logs" / f"convert-{runtime}-{recipe}.log").exists()


def test_both_runtimes_got_the_same_weights_of_a_random_model(everything: Everything) -> None:
    assert everything.prepared.model.random_weights
    reference = np.load(Path(everything.prepared.folder) / "reference" / "output_0.npy")[: numerics.SAMPLES, 0]
    for runtime in RUNTIMES:
        built = _outputs(everything.variants[f"{runtime}/fp32"].path, everything.prepared)
        assert np.abs(built - reference).max() < 1e-4 * np.abs(reference).max()


def test_static_int8_is_finer_than_a_scale_for_what_relu6_cuts_off(everything: Everything) -> None:
    """The stock quantizer of ExecuTorch spends its steps on values that the clamp removes; here 20 dB are kept."""
    reference = np.load(Path(everything.prepared.folder) / "reference" / "output_0.npy")[: numerics.SAMPLES, 0]
    for runtime in RUNTIMES:
        error = _outputs(everything.variants[f"{runtime}/static_wi8_ai8"].path, everything.prepared) - reference
        assert 10 * np.log10((reference**2).sum() / (error**2).sum()) > 20


def test_what_a_recipe_leaves_out_is_said(everything: Everything) -> None:
    for recipe in ("dynamic_wi8_afp32", "weight_only_wi4_afp32"):
        warnings = everything.variants[f"tflite/{recipe}"].warnings
        assert any("depthwise convolutions stay float32" in warning for warning in warnings)
    dynamic = everything.variants["tflite/dynamic_wi8_afp32"]
    assert any("2 layers of fewer than 1024 weights stay float32" in warning for warning in dynamic.warnings)
    assert everything.variants["tflite/static_wi8_ai8"].warnings == ()


def test_the_second_time_nothing_is_converted(everything: Everything) -> None:
    for runtime, recipe in OFFERED:
        again = everything.convert(runtime, recipe)
        first = everything.variants[again.id]
        assert again.cached
        assert again.seconds < 0.5
        assert msgspec.structs.replace(again, cached=False, seconds=0.0) == msgspec.structs.replace(
            first, cached=False, seconds=0.0
        )


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_same_conversion_gives_the_same_bytes(everything: Everything, runtime: Runtime) -> None:
    again = everything.convert(runtime, "fp32", fresh=True)
    assert not again.cached
    assert again.sha256 == everything.variants[again.id].sha256


def test_no_file_names_the_place_where_it_was_made(everything: Everything) -> None:
    for runtime, recipe in OFFERED:
        data = Path(everything.variants[f"{runtime}/{recipe}"].path).read_bytes()
        assert b"model_source" not in data
        assert str(everything.folder).encode() not in data


def test_a_damaged_build_is_made_again_with_a_warning(everything: Everything, tmp_path: Path) -> None:
    before = everything.variants["tflite/weight_only_wi8_afp32"]
    store = Path(everything.workshop.cache)
    shutil.copytree(store, tmp_path / "cache")
    path = tmp_path / "cache" / Path(before.path).relative_to(store)
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    shop = converters.Workshop(cache=str(tmp_path / "cache"), logs=str(tmp_path / "logs"))
    again = converters.convert(everything.prepared, "tflite", recipes.parse("weight_only_wi8_afp32"), workshop=shop)
    assert not again.cached
    assert again.sha256 == before.sha256
    assert "model.tflite has changed" in again.warnings[0]


@pytest.fixture
def clone(everything: Everything, tmp_path: Path) -> Callable[[], dict[str, bool]]:
    """A copy of the model elsewhere, with the same cache: what of its builds is cached already?"""
    for name in ("tiny.py", "seed.txt"):
        shutil.copy(everything.folder / name, tmp_path)

    def cached() -> dict[str, bool]:
        shop = everything.workshop
        prepared = converters.prepare(everything.source, root=tmp_path, workshop=shop)
        made = [
            converters.convert(prepared, "tflite", recipes.parse(name), workshop=shop)
            for name in ("fp32", "static_wi8_ai8")
        ]
        return {variant.recipe: variant.cached for variant in made}

    return cached


def test_the_same_model_in_another_place_needs_no_new_builds(clone: Callable[[], dict[str, bool]]) -> None:
    assert clone() == {"fp32": True, "static_wi8_ai8": True}


def test_changed_calibration_data_remake_what_was_calibrated(
    clone: Callable[[], dict[str, bool]], tmp_path: Path
) -> None:
    (tmp_path / "seed.txt").write_text("2")
    assert clone() == {"fp32": True, "static_wi8_ai8": False}


def test_one_changed_byte_of_code_remakes_all(clone: Callable[[], dict[str, bool]], tmp_path: Path) -> None:
    with open(tmp_path / "tiny.py", "a") as file:
        file.write("#")
    assert clone() == {"fp32": False, "static_wi8_ai8": False}


def test_a_conversion_that_takes_too_long_is_a_row_with_its_reason_and_log(everything: Everything) -> None:
    variant = everything.convert("executorch", "fp32", fresh=True, limits=Limits(timeout_secs=0.5))
    assert variant.failure is not None
    assert variant.failure.reason == "the conversion was stopped after its limit of 0.5 s"
    assert "limits.timeout_secs" in variant.failure.remedy
    assert Path(variant.failure.log).exists()


def test_a_cache_that_is_gone_is_not_taken_for_a_failing_build(everything: Everything) -> None:
    shop = converters.Workshop(cache="/proc/pocketbench", logs=everything.workshop.logs)
    with pytest.raises(StoreError):
        converters.convert(everything.prepared, "tflite", recipes.parse("fp32"), workshop=shop)


def test_a_static_recipe_without_calibration_data_says_what_to_add(everything: Everything) -> None:
    model = msgspec.structs.replace(everything.prepared.model, calibration_samples=0)
    prepared = msgspec.structs.replace(everything.prepared, model=model)
    for runtime in RUNTIMES:
        failure = converters.convert(
            prepared, runtime, recipes.parse("static_wi8_ai8"), workshop=everything.workshop
        ).failure
        assert failure is not None
        assert not failure.unsupported
        assert failure.remedy == "add get_calibration_data() to the model's file"


BRANCHING = small(forward="2 * x if x.sum() > 0 else 3 * x")


def test_a_model_that_cannot_be_exported_is_a_row_with_a_plain_reason(
    prepare: Callable[..., converters.Prepared], workshop: converters.Workshop
) -> None:
    """Here the fp32 file that the quantizer would start from; its failure is the reason."""
    failure = converters.convert(prepare(BRANCHING), "tflite", recipes.parse("fp16"), workshop=workshop).failure
    assert failure is not None
    assert failure.reason == "the model branches on the values of a tensor, which cannot be exported"
    assert "torch.where" in failure.remedy
    assert "Traceback" in Path(failure.log).read_text()
