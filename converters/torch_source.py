"""A torch model while it is looked at: from the user's Python file, or from a .pt2.

Imports torch: for child processes only.
"""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import torch

from converters import exported, samples, torchmodel, userfile
from converters.dataset import Subject
from converters.job import PrepareJob
from converters.source_operators import Counting

SECOND_LOOK_MAX_PARAMETERS = 100_000_000


def look(job: PrepareJob) -> Subject:
    """Raises SourceError for whatever is wrong with the source, OtherFormat where it is a Keras model."""
    return _from_python(job) if job.format == "python" else _from_exported(job)


def operators(subject: Subject) -> dict[str, int]:
    """What one call of the model runs, count per ATen operator."""
    with Counting() as counting:
        subject.run(subject.arrays)
    found: dict[str, int] = counting.operators()
    return found


def keep(subject: Subject) -> Subject:
    """Write what every build starts from."""
    torchmodel.save_state(subject.network, subject.folder)
    return subject


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
        run=partial(torchmodel.run, network),
        digest=torchmodel.state_digest(network.state_dict()),
        parameters=_parameters(network),
        notes=tuple(filter(None, [*notes, note])),
        random_weights=random_weights,
    )


def _look_twice(network: torch.nn.Module, module: object, path: Path) -> tuple[bool, str]:
    """Whether get_model() draws its weights: another seed gives others. A note when that was not looked at."""
    parameters = _parameters(network)
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
    network = program.module()
    return Subject(
        job=job,
        network=network,
        arrays=arrays,
        inputs=torchmodel.specs(arrays, names),
        run=partial(torchmodel.run, network),
        digest=torchmodel.state_digest(network.state_dict()),
        parameters=_parameters(network),
    )


def _parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
