"""The child's side of prepare() for models: run the user's code once, keep all that later steps need.

Everything goes to the job's folder: see `Prepared` for what lies there. What the framework of the model has to do is
in torch_source.py and keras_source.py. For child processes only.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from converters import dataset, digests, frameworks, manifest, metric, samples, userfile
from converters.dataset import Subject
from converters.job import Answer, PrepareJob
from converters.manifest import Known
from converters.tracking import Tracker
from converters.workshop import Facts, write_facts
from harness.records import Failure, Model, TensorSpec


def prepare(job: PrepareJob) -> Answer:
    """Raises SourceError for whatever is wrong with the source or its data; an answer that says `elsewhere` where the
    source must be looked at in another way."""
    source = importlib.import_module(_source_module(job))
    tracker = Tracker(ignore=Path(job.folder))
    try:
        with tracker.watching():
            subject = _with_outputs(source.look(job), source)
    except frameworks.OtherFormat as found:
        return Answer(elsewhere="python" if found.format == "python" else "keras-python")
    except frameworks.Unopened as error:
        failure = Failure(stage="prepare", reason=error.message, remedy=error.remedy)
        return Answer(failure=failure, elsewhere="tf_keras" if job.generation == "keras" else "")
    subject = source.keep(subject)
    fingerprint = _fingerprint(job, subject, tracker)
    with tracker.watching():
        facts = _look_at_data(subject, _model(job, subject, fingerprint))
    facts = replace(facts, code=_code_of(job, tracker))
    write_facts(subject.folder, facts)
    known = _known(job, tracker)
    data = (facts.calibration, facts.evaluation, facts.reference)
    key = digests.of_record([fingerprint, *data, facts.integer_io, facts.model])
    return Answer(model=facts.model, known=replace(known, key=key))


def _source_module(job: PrepareJob) -> str:
    return f"converters.{'keras' if job.format in frameworks.KERAS_FORMATS else 'torch'}_source"


def _with_outputs(subject: Subject, source: Any) -> Subject:
    """Run the model on its own arguments: it must give finite tensors."""
    samples.check(subject.arrays, subject.inputs, "get_args()")
    with userfile.blaming(subject.path, "when the model was run on get_args()"):
        outputs = subject.run(subject.arrays)
        operators = source.operators(subject)
    specs = tuple(
        TensorSpec(name=f"output_{index}", shape=tuple(output.shape), dtype=output.dtype.name)
        for index, output in enumerate(outputs)
    )
    samples.check_outputs(outputs, specs, "get_args()")
    return replace(subject, outputs=specs, operators=operators)


def _fingerprint(job: PrepareJob, subject: Subject, tracker: Tracker) -> str:
    """Of all that decides what the model computes, before its data were touched."""
    opened = sorted([path.name, digests.of_tree(path)] for path in tracker.opened())
    depends = [digests.of_tree(_from_root(job, name)) for name in job.source.depends_on]
    code = sorted(_code_of(job, tracker).items())
    parts = [job.format, subject.digest, code, opened, depends, tracker.distributions(), subject.inputs]
    return digests.of_record([*parts, job.source.dynamic_batch, digests.of_tree(Path(job.path))])


def _model(job: PrepareJob, subject: Subject, fingerprint: str) -> Model:
    return Model(
        name=Path(job.path).stem,
        source=job.source.source,
        format=job.format,
        fingerprint=fingerprint,
        inputs=subject.inputs,
        outputs=subject.outputs,
        parameters=subject.parameters,
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
        dynamic_batch=subject.job.source.dynamic_batch,
        integer_io=subject.job.source.integer_io,
        generation=subject.generation,
        unbridged=subject.unbridged,
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
        beside=manifest.beside(path) if job.format in frameworks.PYTHON_FORMATS else "",
        distributions=tracker.distributions(),
    )


def _from_root(job: PrepareJob, name: str) -> Path:
    return (Path(job.root) / Path(name).expanduser()).resolve()
