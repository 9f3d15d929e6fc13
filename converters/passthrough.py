"""Ready-made .tflite and .pte files: looked at, fed with noise, and benchmarked as they are."""

from __future__ import annotations

import shutil
from pathlib import Path

from converters import contents, digests, engines, reasons, samples
from converters.job import Answer, Build, ConvertJob, PrepareJob
from converters.manifest import Known
from converters.samples import Arrays
from converters.workshop import Facts, write_facts
from harness.errors import ConversionError, SourceError
from harness.records import Model, TensorSpec


def prepare(job: PrepareJob) -> Answer:
    """Load the file and run it once on each sample. Raises SourceError when the runtime cannot."""
    path, folder = Path(job.path), Path(job.folder)
    try:
        engine = engines.open_build(path)
        inputs = samples.of_noise(engine.inputs, None)
        _run(engine, inputs)
    except (RuntimeError, ValueError, ConversionError) as error:
        reason = reasons.explain(error)
        raise SourceError(f"{path.name} cannot be run: {reason.reason}", remedy=reason.remedy) from error
    samples.write_all(folder / "evaluation", "input", inputs)
    fingerprint = digests.of_file(path)
    model = Model(
        name=path.stem,
        source=job.source.source,
        format=job.format,
        fingerprint=fingerprint,
        inputs=engine.inputs,
        outputs=engine.outputs,
        notes=tuple(filter(None, ("a ready-made file: its inputs are seeded noise", _dynamic(path)))),
    )
    write_facts(folder, Facts(model=model, evaluation=digests.of_files(folder / "evaluation", "*.npy")))
    key = digests.of_record([fingerprint, model])
    return Answer(model=model, known=Known(key=key, files={str(path): fingerprint}))


def convert(job: ConvertJob) -> Build:
    """Keep a copy, so that nothing can change the file while it is measured. Raises ConversionError."""
    source = Path(job.path)
    target = Path(job.folder) / f"model{source.suffix.lower()}"
    shutil.copyfile(source, target)
    engine = engines.open_build(target)
    _run(engine, samples.read(Path(job.prepared) / "evaluation", "input", 1))
    return Build(file=target.name, sha256=digests.of_file(target), contents=contents.inspect(target))


def _run(engine: engines.Engine, inputs: list[Arrays]) -> None:
    for arrays in inputs:
        engine.run(arrays)


def _dynamic(path: Path) -> str:
    """A note on dimensions that the file leaves open."""
    if path.suffix.lower() != ".tflite":
        return ""
    open_ones = [spec.name for spec in contents.read(path).inputs if _is_open(spec)]
    return f"dynamic dimensions of {', '.join(open_ones)} are set to 1" if open_ones else ""


def _is_open(spec: TensorSpec) -> bool:
    return any(size < 0 for size in spec.shape)
