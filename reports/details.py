"""Report -> what only the page shows: what each file holds, how it starts, where it came from, how to do it again."""

from __future__ import annotations

import statistics
from typing import Any

import msgspec

from harness.records import Caveat, Contents, Measurement, Model, Record, Report, Variant
from reports import making, rounding, view, wording
from reports.rounding import Figure

BIGGEST_WEIGHTS = 8
MOST_OPERATORS = 24


class Held(Record, frozen=True, kw_only=True):
    """What one file really holds, as text."""

    format: str
    size: str
    download: str
    packed: str
    dtypes: tuple[tuple[str, str], ...]
    shares: tuple[tuple[str, float], ...]
    activations: str
    sparsity: str
    distinct: str
    delegated: str
    delegated_macs: str
    delegate: str
    left: str
    operators: tuple[tuple[str, str], ...]
    more_operators: int
    weights: tuple[tuple[str, ...], ...]
    more_weights: int
    macs: str
    fusion: str
    custom: str
    signature: tuple[str, ...]


class Start(Record, frozen=True, kw_only=True):
    """From a cold process to the steady state."""

    load: Figure | None
    first: Figure | None
    steady: Figure | None
    warmup: str
    settled: str


class Build(Record, frozen=True, kw_only=True):
    """One build in detail; `anchor` is its place on the page."""

    anchor: str
    row: view.Row
    held: Held | None
    start: Start | None
    caveats: tuple[Caveat, ...]
    facts: tuple[tuple[str, str], ...]
    parity: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    steps: tuple[tuple[str, str], ...]


def builds(report: Report, rows: tuple[view.Row, ...]) -> tuple[Build, ...]:
    """Every build in the order of the ranking."""
    variants = {variant.id: variant for variant in report.variants}
    measured = {measurement.variant: measurement for measurement in report.measurements}
    found = []
    for number, row in enumerate(rows):
        variant, measurement = variants.get(row.id), measured.get(row.id)
        contents = variant.contents if variant else None
        found.append(
            Build(
                anchor=f"build-{number}",
                row=row,
                held=_held(report.model, contents, measurement) if contents else None,
                start=_start(report, row, measurement) if measurement and measurement.restarts else None,
                caveats=row.caveats,
                facts=_facts(variant) if variant else (),
                parity=_parity(measurement) if measurement else (),
                warnings=variant.warnings if variant else (),
                steps=making.steps(variant) if variant else (),
            )
        )
    return tuple(found)


def environment(report: Report) -> tuple[tuple[str, str], ...]:
    """Where the numbers come from: the device, then the versions."""
    facts: list[tuple[str, str]] = []
    for device in report.devices:
        facts += [
            ("device", device.name),
            ("kind", wording.DEVICE_WORDS[device.kind]),
            ("chip", device.soc),
            ("instruction set", device.abi),
            ("system", device.os_build),
            ("serial", device.serial),
            ("cores", str(device.cores or "")),
            ("memory", f"{rounding.count(device.memory_mb)} MB" if device.memory_mb else ""),
            *sorted(device.facts.items()),
        ]
    facts += [(name, value) for name, value in report.environment.items()]
    return tuple(dict((name, value) for name, value in facts if value).items())


def settings(report: Report) -> tuple[tuple[str, str], ...]:
    asked = report.experiment.settings
    return (
        ("accelerator", asked.accelerator),
        ("threads", str(asked.num_threads)),
        ("restarts (fresh processes)", str(asked.restarts)),
        (
            "timed calls per restart",
            f"at least {asked.num_runs} and {asked.min_secs:g} s, at most {asked.max_secs:g} s",
        ),
        ("warm-up", f"at least {asked.warmup_runs} calls and {asked.warmup_min_secs:g} s, until steady"),
        *([("sustained run", f"{asked.sustained_secs:g} s per build")] if asked.sustained_secs else []),
        ("intervals", f"{report.experiment.confidence * 100:g} %, one restart being one observation"),
    )


def bench_yaml(report: Report) -> str:
    """The experiment as a bench.yaml that asks for the same run; paths start in its folder."""
    import yaml

    asked: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(report.experiment))
    del asked["folder"]
    kept = {key: value for key, value in asked.items() if value not in ("", [])}
    return str(yaml.safe_dump(kept, sort_keys=False, allow_unicode=True, width=100))


def _held(model: Model | None, contents: Contents, measurement: Measurement | None) -> Held:
    elements = sum(contents.weight_elements.values())
    shares = sorted(contents.weight_elements.items(), key=lambda item: -item[1])
    operators = sorted(contents.operators.items(), key=lambda item: (-item[1], item[0]))
    return Held(
        format=f".{contents.format}",
        size=f"{rounding.number(contents.size_bytes / 2**20)} MB ({rounding.count(contents.size_bytes)} bytes)",
        download=f"{rounding.number(contents.download_bytes / 2**20)} MB",
        packed=f"{rounding.number(contents.packed_bytes / 2**20)} MB" if contents.packed_bytes is not None else "",
        dtypes=tuple((dtype, rounding.share(number / elements)) for dtype, number in shares if elements),
        shares=tuple((dtype, number / elements) for dtype, number in shares if elements),
        activations=", ".join(f"{dtype} × {number}" for dtype, number in contents.activation_dtypes.items()),
        sparsity=rounding.share(contents.sparsity),
        distinct=_distinct(contents),
        delegated=_delegated(contents, measurement),
        delegated_macs=_optional_share(contents.delegated_macs_share),
        delegate=", ".join(contents.delegates) or _delegate_of(measurement),
        left=", ".join(f"{name} × {number}" for name, number in contents.left_operators.items()),
        operators=tuple((name, rounding.count(number)) for name, number in operators[:MOST_OPERATORS]),
        more_operators=max(0, len(operators) - MOST_OPERATORS),
        weights=_largest(contents),
        more_weights=max(0, len(contents.weights) - BIGGEST_WEIGHTS),
        macs=f"{rounding.number(contents.macs / 1e6)} M" if contents.macs else "",
        fusion=making.fusion(model, contents),
        custom=", ".join(contents.custom_operators),
        signature=tuple(
            f"{way} {spec.name}: {spec.dtype}[{', '.join(map(str, spec.shape))}]"
            for way, specs in (("in", contents.inputs), ("out", contents.outputs))
            for spec in specs
        ),
    )


def _largest(contents: Contents) -> tuple[tuple[str, ...], ...]:
    """A row for each of the largest weights."""
    return tuple(
        (
            weight.name,
            weight.operator,
            " × ".join(map(str, weight.shape)),
            weight.dtype,
            rounding.share(weight.zeros / weight.elements) if weight.elements else "",
            rounding.count(weight.distinct),
        )
        for weight in sorted(contents.weights, key=lambda weight: -weight.elements)[:BIGGEST_WEIGHTS]
    )


def _delegate_of(measurement: Measurement | None) -> str:
    return measurement.restarts[0].delegate if measurement and measurement.restarts else ""


def _distinct(contents: Contents) -> str:
    """The most values that any one weight tensor takes, and the typical number."""
    counts = [weight.distinct for weight in contents.weights]
    if not counts:
        return ""
    return f"{rounding.count(round(statistics.median(counts)))} (most {rounding.count(max(counts))})"


def _delegated(contents: Contents, measurement: Measurement | None) -> str:
    taken, total = contents.delegated_operators, contents.total_operators
    if taken is None and measurement is not None and measurement.restarts:
        taken, total = measurement.restarts[0].delegated_operators, measurement.restarts[0].total_operators
    if taken is None or not total:
        return "not told"
    return f"{rounding.share(taken / total)} ({taken} of {total})"


def _optional_share(value: float | None) -> str:
    return "not told" if value is None else rounding.share(value)


def _start(report: Report, row: view.Row, measurement: Measurement) -> Start:
    metrics = next((s.metrics for s in report.standings if s.variant == row.id), {})
    names = ("load_ms", "first_inference_ms", "latency_ms.p50")
    load, first, steady = (view.show(metrics.get(name), view.column(report, name)) for name in names)
    warmups = [restart.warmup for restart in measurement.restarts]
    calls = [len(warmup.wall_ns) * warmup.calls_per_sample for warmup in warmups]
    spent = [sum(warmup.wall_ns) / 1e9 for warmup in warmups]
    settled = sum(restart.steady for restart in measurement.restarts)
    return Start(
        load=load,
        first=first,
        steady=steady,
        warmup=f"{rounding.count(round(statistics.median(calls)))} calls, "
        f"{rounding.number(statistics.median(spent), 2)} s",
        settled=f"{settled} of {len(measurement.restarts)}",
    )


def _facts(variant: Variant) -> tuple[tuple[str, str], ...]:
    made = "from the cache" if variant.cached else f"in {rounding.seconds(variant.seconds)}"
    facts = [
        ("file", variant.path.rsplit("/", 1)[-1]),
        ("sha256", variant.sha256),
        ("made", made if variant.path else ""),
        ("with", ", ".join(f"{name} {version}" for name, version in variant.tools.items())),
    ]
    return tuple((name, value) for name, value in facts if value)


def _parity(measurement: Measurement) -> tuple[tuple[str, str], ...]:
    """How far the build's outputs are from the source model's, on the same samples."""
    quality = measurement.quality
    if quality is None:
        return ()
    facts = [
        ("samples compared", rounding.count(quality.samples)),
        ("signal to noise", f"{rounding.number(quality.snr_db)} dB"),
        ("largest difference", rounding.number(quality.max_abs_diff)),
        ("cosine", f"{quality.cosine:.6f}"),
    ]
    if quality.top1_agreement is not None:
        facts.append(("same top class", rounding.share(quality.top1_agreement)))
    if quality.non_finite:
        facts.append(("outputs that are no numbers", rounding.count(quality.non_finite)))
    if quality.reference_score is not None:
        facts.append(("score of the source model", rounding.number(quality.reference_score)))
    return tuple(facts)
