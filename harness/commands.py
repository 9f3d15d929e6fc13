"""What the commands of the command line do. Each returns an Answer; printing and exiting stay in cli.py."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from harness import experiment as experiments
from harness import pipeline, store
from harness.errors import EXIT_GATE_FAILED, EXIT_NOT_DONE, EXIT_NOT_JUDGED, EXIT_PASS, ExperimentError
from harness.events import Observer
from harness.judgement import judge
from harness.records import Experiment, Limits, Model, ModelSource, Record, Report, Runtime, Settings, Variant

if TYPE_CHECKING:
    from harness.compare import Match, Watcher


class Answer(Record, frozen=True, kw_only=True):
    """What a command found: as text for people, as data for scripts, and its exit code."""

    text: str
    data: Any = None
    exit_code: int = 0


class Place(Record, frozen=True, kw_only=True):
    """Where a run happens, and what an interrupted run left there."""

    plan: pipeline.Plan
    resumed: Report | None = None


class Wishes(Record, frozen=True, kw_only=True):
    """What the flags say about where a run happens."""

    output: Path | None = None
    cache: Path | None = None
    fresh: bool = False
    resume: Path | None = None


def place(experiment: Experiment, wishes: Wishes, label: str = "") -> Place:
    """A new run folder, or the one to resume; raises StoreError when it cannot be written. label: at its name's end."""
    resumed = pipeline.resume(wishes.resume, experiment) if wishes.resume else None
    if wishes.resume:
        folder = wishes.resume.resolve()
    else:
        root = wishes.output or Path(experiment.folder, experiment.output)
        name = experiment.name or Path(experiment.model.source).stem
        folder = store.create(root, f"{name[:20]}-{label}" if label else name)
    cache = (wishes.cache or default_cache()).resolve()
    return Place(plan=pipeline.Plan(folder=folder, cache=cache, fresh=wishes.fresh), resumed=resumed)


def default_cache() -> Path:
    """The user's cache folder for finished builds, by the XDG convention."""
    if chosen := os.environ.get("POCKETBENCH_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pocketbench"


def run(
    experiment: Experiment, where: Place, source: Path | None, observe: Observer, rooms: pipeline.Rooms = pipeline.REAL
) -> Report:
    """The whole run, with every view written; an interrupt leaves a valid folder and its views."""
    folder = where.plan.folder
    if source is not None:
        with store.guarded(folder):
            shutil.copyfile(source, folder / "bench.yaml")
    try:
        report = pipeline.run(experiment, where.plan, observe, where.resumed, rooms)
    except KeyboardInterrupt:
        _leave_interrupted(folder)
        raise
    except BaseException:
        with contextlib.suppress(OSError):
            _drop_if_empty(folder, where)
        raise
    write_views(folder, report)
    store.save_samples(folder, report)
    return report


def write_views(folder: Path, report: Report) -> None:
    """report.html, gate.junit.xml and gate.md."""
    import reports

    store.write_text(folder / "report.html", reports.render_html(report))
    store.write_text(folder / "gate.junit.xml", reports.render_junit(report))
    store.write_text(folder / "gate.md", reports.render_markdown(report))


def _leave_interrupted(folder: Path) -> None:
    report = judge(store.load(folder))
    store.save(folder, report)
    write_views(folder, report)


def _drop_if_empty(folder: Path, where: Place) -> None:
    """A run that could not even begin leaves no folder behind unless a log may tell why."""
    if where.resumed is None and not any((folder / "logs").iterdir()):
        shutil.rmtree(folder)


def convert(source: Path, recipe_names: Sequence[str], runtimes: Sequence[Runtime], flags: Mapping[str, Any]) -> Answer:
    """Make builds, copy them to the output folder, say what each really holds."""
    import converters
    from converters import recipes

    if source.suffix.lower() in experiments.READY_SUFFIXES:
        raise ExperimentError(f"{source} is a finished build", remedy=f"measure it: pocketbench benchmark {source}")
    parsed = [recipes.parse(name) for name in recipe_names]
    output: Path = flags["output"]
    with store.guarded(output):
        output.mkdir(parents=True, exist_ok=True)
    workshop = converters.Workshop(
        cache=str((flags["cache"] or default_cache()).resolve()),
        logs=str((output / "logs").resolve()),
        limits=Limits(),
        fresh=flags["fresh"],
        tell=_tell,
    )
    model = ModelSource(source=str(source.resolve()))
    prepared = converters.prepare(model, root=Path.cwd(), workshop=workshop)
    variants = [
        _copied(converters.convert(prepared, runtime, recipe, workshop=workshop), prepared.model.name, output)
        for recipe in parsed
        for runtime in runtimes
    ]
    failed = any(v.failure and not v.failure.unsupported for v in variants)
    return Answer(
        text="\n".join(_line(variant, prepared.model) for variant in variants),
        data=variants,
        exit_code=EXIT_NOT_DONE if failed else 0,
    )


def _tell(progress: Any) -> None:
    """A training that takes minutes must not look like one that hangs."""
    sys.stderr.write(f"train {progress.done}/{progress.total} {progress.now}\n")


def _copied(variant: Variant, model: str, output: Path) -> Variant:
    if variant.failure:
        return variant
    target = output / f"{model}.{variant.recipe}{Path(variant.path).suffix}"
    with store.guarded(target):
        shutil.copyfile(variant.path, target)
    return msgspec.structs.replace(variant, path=str(target))


def _line(variant: Variant, model: Model) -> str:
    """One line per build: where it is and what it holds, or why there is none."""
    if variant.failure:
        word = "not offered" if variant.failure.unsupported else "FAILED"
        return f"{variant.id}: {word}: {variant.failure.reason}"
    held = variant.contents
    parts = [variant.path]
    if held:
        total = sum(held.weight_elements.values()) or 1
        dtypes = ", ".join(f"{dtype} {count / total:.0%}" for dtype, count in held.weight_elements.items())
        packed = "" if held.packed_bytes is None else f", {held.packed_bytes / 1e6:.2f} packed"
        sizes = f"{held.size_bytes / 1e6:.2f} MB ({held.download_bytes / 1e6:.2f} zipped{packed})"
        parts += [sizes, f"weights {dtypes}"]
        if model.operators:
            before, after = sum(model.operators.values()), sum(held.operators.values())
            fused = f", {held.fused_activations} with an activation inside" if held.fused_activations else ""
            parts.append(f"{before} operators fused to {after}{fused}")
        if held.delegated_macs_share is not None:
            parts.append(f"{held.delegated_macs_share:.0%} of multiply-adds delegated")
    return f"{variant.id}: " + "; ".join([*parts, *variant.warnings])


def match(a: str, b: str, flags: Mapping[str, Any]) -> Match:
    """The two sides and the plan that the flags ask for, checked before anything is timed."""
    from harness import paired, sides
    from harness.compare import Match

    for name in ("margin", "min_effect", "alpha"):
        if not 0 < flags[name] < 1:
            raise ExperimentError(f"--{name.replace('_', '-')} is {flags[name]:g}, and must be between 0 and 1")
    if flags["num_threads"] < 1:
        raise ExperimentError(f"--num-threads is {flags['num_threads']}, and must be above 0")
    one, other = sides.resolve(a), sides.resolve(b)
    return Match(
        a=one,
        b=other,
        folder=store.create(flags["output"] or Path("runs"), "compare"),
        settings=Settings(num_threads=flags["num_threads"]),
        plan=paired.Plan(alpha=flags["alpha"], minimum_effect=flags["min_effect"], margin=flags["margin"]),
        seed=flags["seed"],
    )


def compare(match: Match, device: str, watch: Watcher, tell: Callable[[str], None]) -> Answer:
    """Time two builds side by side; comparison.json and every raw response are in match.folder."""
    from harness import compare
    from reports.duels import duel

    runner = pipeline.runner_for(
        Experiment(model=ModelSource(source=""), device=experiments.check_device(device)), tell
    )
    try:
        found = compare.compare(match, runner, watch)
    finally:
        runner.close()
    store.write_text(match.folder / "comparison.json", msgspec.json.encode(found).decode())
    codes = {"slower": EXIT_GATE_FAILED, "inconclusive": EXIT_NOT_JUDGED}
    told = duel(found)
    text = "\n".join(line for line in (told.sentence, told.method, told.reason) if line)
    return Answer(text=text, data=found, exit_code=codes.get(found.outcome, EXIT_PASS))


def gate(folder: Path, rules: Sequence[str], accept: Sequence[str]) -> Answer:
    """Judge a finished run again, by its own gates or by others, and write the two gate files."""
    import reports
    from harness import gates

    report = store.load(folder)
    changed = msgspec.structs.replace(
        report.experiment,
        gates=tuple(rules) or report.experiment.gates,
        accept=(*report.experiment.accept, *accept),
    )
    experiments.check_judgement(changed)
    if report.model is None or not report.measurements:
        raise ExperimentError(f"{folder} holds no measurements to judge", remedy="go on with run --resume")
    gates.check(changed, report.model)
    judged = judge(msgspec.structs.replace(report, experiment=changed))
    where = folder if folder.is_dir() else folder.parent
    store.write_text(where / "gate.junit.xml", reports.render_junit(judged))
    store.write_text(where / "gate.md", reports.render_markdown(judged))
    lines = [f"{v.outcome:10}  {v.variant:32}  {v.gate}  {v.reason}".rstrip() for v in judged.verdicts]
    return Answer(
        text="\n".join(lines) or "no gates",
        data=judged.verdicts,
        exit_code=gates.exit_code(changed, judged.verdicts),
    )


def recipes_table() -> Answer:
    """Every step and recipe with one line, and per runtime what it buys, or the reason why it is not there."""
    from harness import recipe_list

    return Answer(text=recipe_list.text(), data=recipe_list.rows())


def init(path: Path, model: str, force: bool) -> Answer:
    """Write a commented bench.yaml; never over an existing one unless told to."""
    if path.exists() and not force:
        raise ExperimentError(f"{path} exists", remedy="name another file, or add --force")
    template = Path(__file__).with_name("bench.template.yaml").read_text(encoding="utf-8")
    store.write_text(path, template.replace("{model}", model))
    return Answer(text=f"wrote {path}; next: pocketbench run {path}")
