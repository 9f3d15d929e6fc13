"""bench.yaml -> Experiment. Every name, unit and combination is checked here, before any work."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import msgspec

from harness import caveats, gates
from harness.errors import ExperimentError
from harness.metrics import METRICS
from harness.records import Experiment, GateRule, Limits, ModelSource, Phone, Runtime, Schedule, Settings, Training
from harness.registry import nearest

READY_SUFFIXES: dict[str, Runtime] = {".tflite": "tflite", ".pte": "executorch"}
SUSTAINED_SECS = (30, 3600)
SHORTEST_ENERGY_SECS = 60.0
_PARTS: dict[str, type[msgspec.Struct]] = {
    "model": ModelSource,
    "settings": Settings,
    "limits": Limits,
    "phone": Phone,
    "training": Training,
    "training.schedule": Schedule,
    "gates[...]": GateRule,
}
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<key>[^`]*)`(?: - at `\$\.?(?P<path>[^`]*)`)?")
_MISSING = re.compile(r"Object missing required field `(?P<key>[^`]*)`(?: - at `\$\.?(?P<path>[^`]*)`)?")


def read(path: Path) -> Experiment:
    """The experiment in a bench.yaml file; raises ExperimentError with the place of the fault."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ExperimentError(f"{path} does not exist", remedy="write one with `pocketbench init`") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ExperimentError(f"{path} cannot be read: {error}") from error
    return decode(text, where=str(path), folder=path.resolve().parent)


def decode(text: str, *, where: str, folder: Path) -> Experiment:
    """The experiment in YAML `text`; relative paths in it start at `folder`."""
    import yaml

    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not valid YAML"
        raise ExperimentError(f"{where}{line}: {problem}", remedy="check indentation and colons") from error
    if not isinstance(raw, dict):
        raise ExperimentError(f"{where} is not a mapping of keys", remedy="see `pocketbench init` for an example")
    if "folder" in raw:
        raise ExperimentError(f"{where}: unknown key 'folder'", remedy="relative paths start beside bench.yaml")
    return check(convert({**raw, "folder": str(folder)}, where=where), where=where)


def convert(raw: dict[str, Any], *, where: str) -> Experiment:
    """Types and keys, strictly; the fault is named with its path and the nearest known key."""
    try:
        return msgspec.convert(raw, type=Experiment)
    except msgspec.ValidationError as error:
        raise ExperimentError(f"{where}: {_explain(str(error))}", remedy="see `pocketbench schema`") from error


def check(experiment: Experiment, *, where: str) -> Experiment:
    """Names and combinations that types cannot tell; the same experiment comes back."""
    try:
        _check_source(experiment)
        _check_devices(experiment)
        _check_names(experiment)
        _check_numbers(experiment)
    except ExperimentError as error:
        raise ExperimentError(f"{where}: {error.message}", remedy=error.remedy) from error
    return experiment


def is_ready(experiment: Experiment) -> bool:
    """Whether the model is a finished file that is measured as it is."""
    return Path(experiment.model.source).suffix.lower() in READY_SUFFIXES


def schema() -> dict[str, Any]:
    """The JSON Schema that editors use to complete bench.yaml."""
    out: dict[str, Any] = msgspec.json.schema(Experiment)
    out["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    out["title"] = "pocketbench bench.yaml"
    del out["$defs"]["Experiment"]["properties"]["folder"]
    return out


def _check_source(experiment: Experiment) -> None:
    source = Path(experiment.folder, experiment.model.source)
    if not source.exists():
        raise ExperimentError(
            f"model.source: {experiment.model.source} does not exist in {experiment.folder}",
            remedy="relative paths start in the folder of bench.yaml",
        )


def on_device(experiment: Experiment, device: str | None) -> Experiment:
    """The experiment on another device than its own: one, several after commas, or `all`; None leaves it."""
    if not device:
        return experiment
    names = tuple(filter(None, device.split(",")))
    if device == "all" or len(names) > 1:
        changed = msgspec.structs.replace(experiment, device="host", devices="all" if device == "all" else names)
    else:
        changed = msgspec.structs.replace(experiment, device=device, devices=())
    _check_devices(changed)
    return changed


def check_device(name: str) -> str:
    """The same name of a device; ExperimentError for one that none can have."""
    from device_runners import RUNNERS, choice, kind_of

    known = [kind for kind in RUNNERS if kind not in ("emulator", "serial")]
    if kind_of(name) == "serial" and (close := nearest(name, known)) and name.isalpha() and name.islower():
        raise ExperimentError(f"unknown device {name!r}{close}", remedy="a serial is spelled as `adb devices` does")
    return choice.check(name)


def _check_devices(experiment: Experiment) -> None:
    check_device(experiment.device)
    if experiment.devices and experiment.device != "host":
        raise ExperimentError("device and devices are both set", remedy="keep one of them")
    several = () if experiment.devices == "all" else experiment.devices
    for name in several:
        check_device(name)
    if len(set(several)) != len(several):
        raise ExperimentError(f"devices: {', '.join(several)} names one twice", remedy="name each once")
    phone = experiment.phone
    on_host = experiment.device == "host" and not experiment.devices
    if on_host and experiment.settings.accelerator != "cpu":
        raise ExperimentError(
            f"settings.accelerator is {experiment.settings.accelerator}, and this computer measures on its cpu alone",
            remedy="name a phone (device: phone), or set accelerator: cpu",
        )
    if phone.route == "binary" and not (phone.benchmark_model or phone.executor_runner):
        raise ExperimentError(
            "phone.route is binary, and no program is named",
            remedy="set phone.benchmark_model or phone.executor_runner to a file built for the phone",
        )
    if phone.cool_down_secs < 0 or phone.store_mb <= 0:
        raise ExperimentError("phone.cool_down_secs must not be below 0, nor phone.store_mb 0 or below")


def _check_names(experiment: Experiment) -> None:
    from converters import recipes

    if not experiment.runtimes or not experiment.recipes:
        raise ExperimentError("at least one runtime and one recipe are needed", remedy="see `pocketbench recipes`")
    for name in (*experiment.recipes, experiment.baseline.split("/")[-1]):
        if not is_ready(experiment):
            recipes.parse(name)
    for key in ("runtimes", "recipes"):
        names = getattr(experiment, key)
        if len(set(names)) != len(names):
            raise ExperimentError(f"{key}: {', '.join(names)} names one twice", remedy="name each once")
    check_judgement(experiment)


def check_judgement(experiment: Experiment) -> None:
    """The gates parse and the accepted caveats exist."""
    for gate in experiment.gates:
        parsed = gates.parse(gate.gate if isinstance(gate, GateRule) else gate)
        _check_sustained(experiment, parsed.metric, f"gate {parsed.text!r}")
    _check_sustained(experiment, experiment.rank_by, "rank_by")
    for id_ in experiment.accept:
        if id_ not in caveats.CAVEATS:
            raise ExperimentError(
                f"accept: unknown caveat {id_!r}{nearest(id_, caveats.CAVEATS)}",
                remedy=f"known: {', '.join(caveats.CAVEATS)}",
            )


def _check_sustained(experiment: Experiment, metric: str, what: str) -> None:
    known = METRICS.get(metric)
    if known is not None and known.kind == "sustained" and not experiment.settings.sustained_secs:
        raise ExperimentError(
            f"{what}: {metric} takes a sustained run", remedy="set settings.sustained_secs, to 180 for instance"
        )


def _check_numbers(experiment: Experiment) -> None:
    positive = {
        "settings": ("num_threads", "restarts", "num_runs", "blocks", "timeout_secs", "max_secs"),
        "limits": ("timeout_secs", "memory_limit_mb"),
        "model": ("calibration_samples", "evaluation_samples"),
        "training": ("epochs", "batch_size", "learning_rate", "samples", "validation_samples", "temperature"),
    }
    for part, names in positive.items():
        for name in names:
            value = getattr(getattr(experiment, part), name)
            if not 0 < value < math.inf:  # which no NaN is
                raise ExperimentError(f"{part}.{name} is {value}, and must be {'finite' if value > 0 else 'above 0'}")
    _check_training(experiment.training)
    settings = experiment.settings
    if settings.min_secs > settings.max_secs:
        raise ExperimentError(f"settings.min_secs {settings.min_secs:g} is above max_secs {settings.max_secs:g}")
    if settings.warmup_min_secs > settings.warmup_max_secs:
        raise ExperimentError(
            f"settings.warmup_min_secs {settings.warmup_min_secs:g} is above warmup_max_secs "
            f"{settings.warmup_max_secs:g}"
        )
    shortest, longest = SUSTAINED_SECS
    if settings.sustained_secs and not shortest <= settings.sustained_secs <= longest:
        raise ExperimentError(
            f"settings.sustained_secs is {settings.sustained_secs:g}, and must be 0 or from {shortest} to {longest}"
        )
    if settings.energy_secs and settings.energy_secs < SHORTEST_ENERGY_SECS:
        raise ExperimentError(
            f"settings.energy_secs is {settings.energy_secs:g}, and must be 0 or at least {SHORTEST_ENERGY_SECS:g}: "
            "a fuel gauge averages over that long"
        )
    if settings.energy_groups < 1:
        raise ExperimentError(f"settings.energy_groups is {settings.energy_groups}, and must be above 0")
    if not 0.5 <= experiment.confidence < 1:
        raise ExperimentError(f"confidence is {experiment.confidence:g}, and must be from 0.5 up to below 1")


def _check_training(training: Training) -> None:
    from converters import floors

    schedule = training.schedule
    if not 0 <= schedule.begin < schedule.end <= 1:
        raise ExperimentError(
            f"training.schedule goes from {schedule.begin:g} to {schedule.end:g}, and must lie within 0 and 1",
            remedy="begin and end are shares of the training, as in begin: 0, end: 0.6",
        )
    if not 0 <= schedule.initial_sparsity < 1 or schedule.frequency < 1:
        raise ExperimentError(
            f"training.schedule has initial_sparsity {schedule.initial_sparsity:g}, frequency {schedule.frequency}",
            remedy="give a share below 1, and at least 1 step",
        )
    if not 0 <= training.soft_share <= 1:
        raise ExperimentError(f"training.soft_share is {training.soft_share:g}, and must be from 0 to 1")
    if not 0 <= training.hint_weight < math.inf:
        raise ExperimentError(f"training.hint_weight is {training.hint_weight:g}, and must be 0 or more")
    floors.parse(training.floor)


def _explain(message: str) -> str:
    """msgspec's words in the user's: the path, the key, the nearest known one."""
    if found := _UNKNOWN.search(message):
        path, key = found["path"] or "", found["key"]
        record: type[msgspec.Struct] = _PARTS.get(re.sub(r"\[\d+\]", "[...]", path), Experiment)
        known = [name for name in record.__struct_fields__ if name != "folder"]
        return f"unknown key {_join(path, key)!r}{nearest(key, known)}"
    if found := _MISSING.search(message):
        return f"missing key {_join(found['path'] or '', found['key'])!r}"
    return message.replace("`$.", "`").replace(" - at", " at")


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
