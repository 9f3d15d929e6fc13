"""The child's side of prepare() for torch models: run the user's code once, keep all that later steps need.

Everything goes to the job's folder: see `Prepared` for what lies there. Imports torch: for child processes only.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import torch
from msgspec.structs import replace

from converters import dataset, digests, exported, manifest, metric, samples, torchmodel, userfile
from converters.dataset import Subject
from converters.job import Answer, PrepareJob
from converters.manifest import Known
from converters.source_operators import Counting
from converters.tracking import Tracker
from converters.workshop import Facts, write_facts
from harness.records import Model

SECOND_LOOK_MAX_PARAMETERS = 100_000_000


def prepare(job: PrepareJob) -> Answer:
    """Raises SourceError for whatever is wrong with the source or its data."""
    tracker = Tracker(ignore=Path(job.folder))
    with tracker.watching():
        subject = _with_outputs(_from_python(job) if job.format == "python" else _from_exported(job))
    torchmodel.save_state(subject.network, subject.folder)
    fingerprint = _fingerprint(job, subject, tracker)
    with tracker.watching():
        facts = _look_at_data(subject, _model(job, subject, fingerprint))
    facts = replace(facts, code=_code_of(job, tracker))
    write_facts(subject.folder, facts)
    known = _known(job, tracker)
    key = digests.of_record([fingerprint, facts.calibration, facts.evaluation, facts.reference, facts.model])
    return Answer(model=facts.model, known=replace(known, key=key))


def _from_python(job: PrepareJob) -> Subject:
    path = Path(job.path)
    module = userfile.load(path)
    network = torchmodel.build(module, path)
    notes = [torchmodel.evaluate(network)]
    random_weights, note = _look_twice(network, module, path)
    with userfile.blaming(path, "in get_args()"):
        arguments = module.get_args()
    arrays = samples.arrays_of(arguments, "get_args()")
    return Subject(
        job=job,
        network=network,
        module=module,
        arrays=arrays,
        inputs=torchmodel.specs(arrays, torchmodel.input_names(network, len(arrays))),
        notes=tuple(filter(None, [*notes, note])),
        random_weights=random_weights,
    )


def _look_twice(network: torch.nn.Module, module: object, path: Path) -> tuple[bool, str]:
    """Whether get_model() draws its weights: another seed gives others. A note when that was not looked at."""
    parameters = sum(parameter.numel() for parameter in network.parameters())
    if parameters > SECOND_LOOK_MAX_PARAMETERS:
        return False, f"{parameters:,} parameters: get_model() was not called twice to see whether they are random"
    second = torchmodel.build(module, path, seed=1)
    first_digest = torchmodel.state_digest(network.state_dict())
    return torchmodel.state_digest(second.state_dict()) != first_digest, ""


def _from_exported(job: PrepareJob) -> Subject:
    path, folder = Path(job.path), Path(job.folder)
    program = exported.load(path)
    exported.check_mode(program)
    arrays = samples.arrays_of(exported.example(program), "the .pt2's example inputs")
    shutil.copyfile(path, folder / torchmodel.PROGRAM)
    names = [name for name in program.graph_signature.user_inputs if isinstance(name, str)]
    if len(names) != len(arrays):
        names = [f"input_{index}" for index in range(len(arrays))]
    return Subject(job=job, network=program.module(), arrays=arrays, inputs=torchmodel.specs(arrays, names), notes=())


def _with_outputs(subject: Subject) -> Subject:
    """Run the model on its own arguments: it must give finite tensors."""
    samples.check(subject.arrays, subject.inputs, "get_args()")
    with userfile.blaming(subject.path, "when the model was run on get_args()"), Counting() as counting:
        outputs = torchmodel.run(subject.network, subject.arrays)
    specs = torchmodel.specs(outputs, [f"output_{index}" for index in range(len(outputs))])
    samples.check_outputs(outputs, specs, "get_args()")
    return replace(subject, outputs=specs, operators=counting.operators())


def _fingerprint(job: PrepareJob, subject: Subject, tracker: Tracker) -> str:
    """Of all that decides what the model computes, before its data were touched."""
    opened = sorted([path.name, digests.of_tree(path)] for path in tracker.opened())
    depends = [digests.of_tree(_from_root(job, name)) for name in job.source.depends_on]
    state = torchmodel.state_digest(subject.network.state_dict())
    code = sorted(_code_of(job, tracker).items())
    parts = [job.format, state, code, opened, depends, tracker.distributions(), subject.inputs]
    return digests.of_record([*parts, digests.of_file(Path(job.path))])


def _model(job: PrepareJob, subject: Subject, fingerprint: str) -> Model:
    return Model(
        name=Path(job.path).stem,
        source=job.source.source,
        format=job.format,
        fingerprint=fingerprint,
        inputs=subject.inputs,
        outputs=subject.outputs,
        parameters=sum(parameter.numel() for parameter in subject.network.parameters()),
        operators=subject.operators,
        random_weights=subject.random_weights,
    )


def _look_at_data(subject: Subject, model: Model) -> Facts:
    calibration = dataset.calibration(subject)
    evaluation = dataset.evaluation(subject)
    own = metric.own(subject.module, subject.path)
    name, note = metric.name_for(own, evaluation.labels, subject.outputs)
    notes = (*subject.notes, *evaluation.notes, note, dataset.overlap(calibration, evaluation))
    model = replace(
        model,
        calibration_samples=calibration.count,
        evaluation_samples=evaluation.count if evaluation.given else 0,
        labelled=evaluation.labels is not None,
        metric=name,
        metric_higher_is_better=own.higher_is_better if own else True,
        notes=tuple(filter(None, notes)),
    )
    return Facts(
        model=model,
        calibration=digests.of_files(subject.folder / "calibration", "*.npy"),
        evaluation=digests.of_files(subject.folder / "evaluation", "*.npy"),
        reference=digests.of_files(subject.folder / "reference", "*.npy"),
        own_metric=own is not None,
        reference_score=metric.judge(own, subject.folder, subject.folder / "reference") if own else None,
    )


def _code_of(job: PrepareJob, tracker: Tracker) -> dict[str, str]:
    """Fingerprints of the user's own Python files, by path from the source's folder."""
    folder = Path(job.path).parent
    return {os.path.relpath(path, folder): digests.of_tree(path) for path in tracker.code()}


def _known(job: PrepareJob, tracker: Tracker) -> Known:
    path = Path(job.path)
    files = {path, *tracker.code(), *tracker.opened(), *(_from_root(job, name) for name in job.source.depends_on)}
    return Known(
        files={str(file): digests.of_tree(file) for file in sorted(files)},
        folders={str(folder): digests.of_names(folder) for folder in tracker.listed()},
        beside=manifest.beside(path) if job.format == "python" else "",
        distributions=tracker.distributions(),
    )


def _from_root(job: PrepareJob, name: str) -> Path:
    return (Path(job.root) / Path(name).expanduser()).resolve()
