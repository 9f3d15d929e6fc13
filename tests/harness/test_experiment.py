from __future__ import annotations

import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from harness import experiment
from harness.errors import ExperimentError
from harness.records import Experiment

MINIMAL = "model: {source: model.py}\n"


def decode(tmp_path: Path, text: str) -> Experiment:
    (tmp_path / "model.py").write_text("")
    return experiment.decode(text, where="bench.yaml", folder=tmp_path)


def test_only_the_model_is_required_and_the_rest_has_defaults(tmp_path: Path) -> None:
    found = decode(tmp_path, MINIMAL)
    assert found.runtimes == ("tflite", "executorch")
    assert found.folder == str(tmp_path)


def test_relative_paths_start_beside_bench_yaml(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("")
    (tmp_path / "bench.yaml").write_text(MINIMAL)
    assert experiment.read(tmp_path / "bench.yaml").folder == str(tmp_path.resolve())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("modle: {source: model.py}", r"unknown key 'modle'; did you mean 'model'\?"),
        ("model: {source: model.py, sorce: x}", r"unknown key 'model.sorce'; did you mean 'source'\?"),
        (MINIMAL + "settings: {restart: 3}", r"unknown key 'settings.restart'; did you mean 'restarts'\?"),
        (MINIMAL + "settings: {restarts: many}", r"Expected `int`, got `str` at `settings.restarts`"),
        (MINIMAL + "settings: {restarts: 0}", r"settings.restarts is 0, and must be above 0"),
        (MINIMAL + "settings: {accelerator: gpu}", r"accelerator is gpu, and this computer measures on its cpu alone"),
        (MINIMAL + "settings: {min_secs: 20}", r"settings.min_secs 20 is above max_secs 10"),
        (
            MINIMAL + "gates: [{gate: size_mb <= 3, build: x}]",
            r"unknown key 'gates\[0\].build'; did you mean 'builds'",
        ),
        (MINIMAL + "gates: [latency_ms.p09 <= 3]", r"latency_ms.p09.*latency_ms.p90"),
        (MINIMAL + "gates: [latency_ms.p90 = 3]", r"latency_ms.p90 = 3"),
        (MINIMAL + "settings: {sustained_secs: 5}", r"sustained_secs is 5, and must be 0 or from 30 to 3600"),
        (MINIMAL + "settings: {sustained_secs: 7200}", r"sustained_secs is 7200"),
        (MINIMAL + "gates: [sustained_slowdown <= 5 %]", r"sustained_slowdown takes a sustained run"),
        (MINIMAL + "rank_by: sustained_ms.p50_last", r"rank_by: sustained_ms.p50_last takes a sustained run"),
        (MINIMAL + "settings: {energy_secs: 30}", r"energy_secs is 30, and must be 0 or at least 60"),
        (MINIMAL + "settings: {energy_groups: 0}", r"energy_groups is 0"),
        (MINIMAL + "device: hots", r"unknown device 'hots'; did you mean 'host'\?"),
        (MINIMAL + "device: $(reboot)", r"neither a kind of device nor a serial"),
        (MINIMAL + "device: 'emulator:a; b'", r"no name of a virtual device"),
        (MINIMAL + "device: phone\ndevices: [A, B]", r"device and devices are both set"),
        (MINIMAL + "devices: [A, A]", r"devices: A, A names one twice"),
        (MINIMAL + "phone: {rout: binary}", r"unknown key 'phone.rout'; did you mean 'route'\?"),
        (MINIMAL + "phone: {route: binary}", r"no program is named"),
        (MINIMAL + "phone: {cool_down_secs: -1}", r"cool_down_secs"),
        (MINIMAL + "training: {epoch: 3}", r"unknown key 'training.epoch'; did you mean 'epochs'\?"),
        (MINIMAL + "training: {schedule: {freqency: 3}}", r"unknown key 'training.schedule.freqency'; .*'frequency'"),
        (MINIMAL + "training: {epochs: -1}", r"training.epochs is -1.0, and must be above 0"),
        (MINIMAL + "training: {epochs: .inf}", r"training.epochs is inf, and must be finite"),
        (MINIMAL + "training: {batch_size: 0}", r"training.batch_size is 0, and must be above 0"),
        (MINIMAL + "training: {batch_size: 1.5}", r"Expected `int`, got `float`.*training.batch_size"),
        (MINIMAL + "training: {learning_rate: 0}", r"training.learning_rate is 0.0, and must be above 0"),
        (MINIMAL + "training: {learning_rate: .nan}", r"training.learning_rate is nan, and must be above 0"),
        (MINIMAL + "training: {samples: 0}", r"training.samples is 0"),
        (MINIMAL + "training: {validation_samples: -5}", r"training.validation_samples is -5"),
        (MINIMAL + "training: {temperature: 0}", r"training.temperature is 0.0"),
        (MINIMAL + "training: {soft_share: 1.2}", r"training.soft_share is 1.2, and must be from 0 to 1"),
        (MINIMAL + "training: {soft_share: .nan}", r"training.soft_share is nan"),
        (MINIMAL + "training: {hint_weight: -1}", r"training.hint_weight is -1, and must be 0 or more"),
        (MINIMAL + "training: {floor: accuracy - 0.1}", r"training.floor 'accuracy - 0.1' cannot be read"),
        (MINIMAL + "training: {floor: .nan}", r"training.floor nan cannot be read"),
        (MINIMAL + "training: {schedule: {begin: 0.7}}", r"training.schedule goes from 0.7 to 0.6"),
        (MINIMAL + "training: {schedule: {end: 1.5}}", r"training.schedule goes from 0 to 1.5"),
        (MINIMAL + "training: {schedule: {initial_sparsity: 1}}", r"initial_sparsity 1, frequency 10"),
        (MINIMAL + "training: {schedule: {frequency: 0}}", r"initial_sparsity 0, frequency 0"),
        (MINIMAL + "recipes: [static_wi8_ai9]", r"static_wi8_ai9.*static_wi8_ai8"),
        (MINIMAL + "recipes: [fp32, fp32]", r"recipes: fp32, fp32 names one twice"),
        (MINIMAL + "recipes: []", r"at least one runtime and one recipe"),
        (MINIMAL + "runtimes: [onnx]", r"runtimes"),
        (MINIMAL + "baseline: fp31", r"fp31.*fp32"),
        (MINIMAL + "accept: [NOISY-MASHINE]", r"unknown caveat 'NOISY-MASHINE'; did you mean 'NOISY-MACHINE'\?"),
        (MINIMAL + "confidence: 1.5", r"confidence is 1.5"),
        (MINIMAL + "folder: /", r"unknown key 'folder'"),
        ("model: {source: other.py}", r"model.source: other.py does not exist"),
        ("runtimes: [tflite]", r"missing key 'model'"),
        ("model: [\n", r"bench.yaml, line 2"),
        ("- a\n", r"bench.yaml is not a mapping"),
        ("", r"bench.yaml is not a mapping"),
    ],
)
def test_a_fault_is_named_with_its_place_and_what_was_probably_meant(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        decode(tmp_path, text)
    assert re.search(message, f"{caught.value}; {caught.value.remedy}")
    assert str(caught.value).startswith("bench.yaml")
    assert "\n" not in str(caught.value)


def test_a_missing_bench_yaml_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="does not exist") as caught:
        experiment.read(tmp_path / "bench.yaml")
    assert "pocketbench init" in caught.value.remedy


def test_the_template_of_init_is_a_valid_experiment(tmp_path: Path) -> None:
    template = Path(experiment.__file__).with_name("bench.template.yaml").read_text()
    found = decode(tmp_path, template.replace("{model}", "model.py"))
    assert found.name == "my-model" and len(found.gates) == 2


def test_the_schema_accepts_what_is_accepted_and_refuses_unknown_keys(tmp_path: Path) -> None:
    schema = experiment.schema()
    template = Path(experiment.__file__).with_name("bench.template.yaml").read_text()
    jsonschema.validate(yaml.safe_load(template.replace("{model}", "model.py")), schema)
    for wrong in ({"model": {"source": "x"}, "recipies": ["fp32"]}, {"model": {"source": "x"}, "folder": "/"}, {}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)
