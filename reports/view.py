"""Report -> what every view shows: rows in their order, numbers as text, the banner in plain words.

All choosing, sorting and naming happens here, once, so that the page, the terminal and the pull-request comment
say the same. Nothing here draws a conclusion: ranks, verdicts, doubts and the recommendation come with the report.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Literal

from harness import metrics
from harness.records import Caveat, Estimate, Failure, Record, Report, Standing, Variant, Verdict
from reports import rounding, wording
from reports.rounding import Figure

State = Literal["ranked", "failed", "unsupported", "pending"]
FIXED_COLUMNS: tuple[str, ...] = ("latency_ms.p50", "latency_ms.p90", "on_cpu_ms.p50", "peak_rss_mb", "energy_mj")
FIXED_COLUMNS += ("size_mb", "download_mb", "packed_mb")
AGREEMENT = ("cosine", "top1_agreement")
MARKS = {"pass": "✓", "fail": "✗", "not judged": "?"}


class Column(Record, frozen=True, kw_only=True):
    """One metric of the ranking; better: an arrow word for the header."""

    name: str
    label: str
    unit: str
    lower_is_better: bool
    near_one: bool = False

    @property
    def heading(self) -> str:
        return f"{self.label} ({self.unit})" if self.unit else self.label


class Judged(Record, frozen=True, kw_only=True):
    """One gate for one build."""

    gate: str
    build: str
    outcome: str
    mark: str
    observed: Figure | None
    unit: str
    limit: str
    reason: str

    @property
    def observed_words(self) -> str:
        return f"{self.observed.with_half} {self.unit}".strip() if self.observed else ""


class Row(Record, frozen=True, kw_only=True):
    """One build of the ranking; `place` sorts, `rank` shows (`=2` is a tie, `–` has no rank)."""

    id: str
    runtime: str
    recipe: str
    state: State
    place: int
    rank: str
    on_front: bool = False
    recommended: bool = False
    baseline: bool = False
    figures: dict[str, Figure] = {}
    caveats: tuple[Caveat, ...] = ()
    failure: Failure | None = None
    missing: str = ""
    gates: tuple[Judged, ...] = ()

    @property
    def gate_mark(self) -> str:
        """The worst outcome of all gates: a failure before a doubt before a pass."""
        outcomes = {judged.outcome for judged in self.gates}
        return next((MARKS[word] for word in ("fail", "not judged", "pass") if word in outcomes), "")

    @property
    def same_gates(self) -> Judged | None:
        """One of the gates when all say the same for the same reason and without a number, as for a failed build."""
        first = self.gates[0] if self.gates else None
        if first is None or len({(judged.outcome, judged.reason) for judged in self.gates}) > 1:
            return None
        return None if any(judged.observed for judged in self.gates) else first

    @property
    def why(self) -> str:
        """Why there are no numbers, "" where there are."""
        if self.failure is None:
            return self.missing
        where = "not offered" if self.failure.unsupported else f"failed ({self.failure.stage})"
        return f"{where}: {self.failure.reason}"


class Doubt(Record, frozen=True, kw_only=True):
    """One caveat and the builds it is about; details: what was seen, per build."""

    caveat: Caveat
    builds: tuple[str, ...]
    everywhere: bool
    accepted: bool
    details: tuple[tuple[str, str], ...] = ()


class Summary(Record, frozen=True, kw_only=True):
    """What all views share."""

    title: str
    model: str
    asked: str
    device: str
    device_kind: str
    created: str
    took: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    doubts: tuple[Doubt, ...]
    gates: tuple[str, ...]
    counts: dict[str, int]
    outcome: str
    verdict_line: str
    recommended: str
    reason: str
    notices: tuple[str, ...]
    quality: Column | None
    confidence: str

    @property
    def ranked(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.state == "ranked")

    @property
    def absent(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.state != "ranked")


def summarize(report: Report) -> Summary:
    """Everything that the page, the terminal table and the comment have in common."""
    columns = _columns(report)
    rows = _rows(report, columns)
    counts = Counter[str](verdict.outcome for verdict in report.verdicts)
    recommendation = report.recommendation
    kind = report.devices[0].kind if report.devices else ""
    return Summary(
        title=report.experiment.name or wording.model_name(report),
        model=wording.model_name(report),
        asked=wording.asked(report),
        device=wording.device(report),
        device_kind=kind,
        created=wording.when(report.created),
        took=wording.took(report),
        columns=columns,
        rows=rows,
        doubts=_doubts(report, rows),
        gates=tuple(dict.fromkeys(verdict.gate for verdict in report.verdicts)),
        counts={word: counts[word] for word in MARKS},
        outcome=report.gate_outcome or "",
        verdict_line=wording.verdict_line(report, counts),
        recommended=recommendation.variant if recommendation else "",
        reason=wording.reason(report),
        notices=wording.notices(report, ranked=any(row.state == "ranked" for row in rows)),
        quality=next((c for c in columns if c.name in (_task_metric(report), *AGREEMENT)), None),
        confidence=f"{report.experiment.confidence * 100:g} %",
    )


def column(report: Report, name: str) -> Column:
    """How a metric is headed; one that is not in the table is the model's own, and shown under its name."""
    task, higher = (report.model.metric, report.model.metric_higher_is_better) if report.model else ("", True)
    own = task if task and name == task + metrics.CHANGE else name
    metric = metrics.metric(name, task_metric=own, higher_is_better=higher)
    return Column(
        name=name,
        label=metric.label[:1].upper() + metric.label[1:],
        unit=metric.unit,
        lower_is_better=metric.lower_is_better,
        near_one=metric.kind == "quality" and not metric.unit,
    )


def show(estimate: Estimate | None, of: Column) -> Figure | None:
    """An estimate as text; bytes are counted, everything else is rounded."""
    if estimate is None:
        return None
    return rounding.exact(estimate) if of.unit == "B" else rounding.figure(estimate, near_one=of.near_one)


def in_order(report: Report) -> tuple[str, ...]:
    """Every build id, best first; builds without a rank last, in the order of the experiment."""
    known = {variant.id: place for place, variant in enumerate(report.variants)}
    ranks = {s.variant: s.rank for s in report.standings if s.rank is not None}
    named = (report.standings, report.measurements, report.verdicts)
    ids = dict.fromkeys([*(one.variant for part in named for one in part), *known])
    return tuple(sorted(ids, key=lambda name: (ranks.get(name, 10**9), known.get(name, 10**9), name)))


def _task_metric(report: Report) -> str:
    return report.model.metric if report.model else ""


def _columns(report: Report) -> tuple[Column, ...]:
    present = {name for standing in report.standings for name in standing.metrics}
    task = _task_metric(report)
    quality = next((name for name in (task, *AGREEMENT) if name in present), "")
    wanted = dict.fromkeys([report.experiment.rank_by, *FIXED_COLUMNS, quality])
    return tuple(column(report, name) for name in wanted if name in present)


def _rows(report: Report, columns: tuple[Column, ...]) -> tuple[Row, ...]:
    """One row per build, also for those that were never ranked."""
    standings = {standing.variant: standing for standing in report.standings}
    variants = {variant.id: variant for variant in report.variants}
    failures = {measurement.variant: measurement.failure for measurement in report.measurements}
    return tuple(
        _row(
            report,
            standings.get(name) or Standing(variant=name, failure=failures.get(name)),
            variants.get(name),
            columns,
        )
        for name in in_order(report)
    )


def _row(report: Report, standing: Standing, variant: Variant | None, columns: tuple[Column, ...]) -> Row:
    runtime, _, recipe = standing.variant.partition("/")
    failure = standing.failure or (variant.failure if variant else None)
    shown = {c.name: show(standing.metrics.get(c.name), c) for c in columns}
    recommendation = report.recommendation
    measured = any(m.restarts for m in report.measurements if m.variant == standing.variant)
    state = _state(failure, ranked=standing.rank is not None or (measured and bool(standing.metrics)))
    return Row(
        id=standing.variant,
        runtime=variant.runtime if variant else runtime,
        recipe=recipe,
        state=state,
        missing=_missing(report) if state == "pending" else "",
        place=standing.rank or 10**9,
        rank="–" if standing.rank is None else f"{'=' if standing.tied else ''}{standing.rank}",
        on_front=standing.on_front,
        recommended=recommendation is not None and recommendation.variant == standing.variant,
        baseline=report.experiment.baseline in (standing.variant, recipe),
        figures={name: figure for name, figure in shown.items() if figure},
        caveats=standing.caveats,
        failure=failure,
        gates=tuple(_judged(report, v) for v in report.verdicts if v.variant == standing.variant),
    )


def _state(failure: Failure | None, *, ranked: bool) -> State:
    if failure:
        return "unsupported" if failure.unsupported else "failed"
    return "ranked" if ranked else "pending"


def _missing(report: Report) -> str:
    if report.complete:
        return f"there is no {report.experiment.rank_by} to rank it by"
    return "the run ended before this build was measured and ranked"


def _judged(report: Report, verdict: Verdict) -> Judged:
    of = column(report, re.split(r"[\s<>=]", verdict.gate.strip(), maxsplit=1)[0])
    return Judged(
        gate=verdict.gate,
        build=verdict.variant,
        outcome=verdict.outcome,
        mark=MARKS[verdict.outcome],
        observed=show(verdict.observed, of),
        unit=of.unit,
        limit="" if verdict.limit is None else f"{rounding.limit(verdict.limit)} {of.unit}".strip(),
        reason=wording.quoted(verdict.reason),
    )


def _doubts(report: Report, rows: tuple[Row, ...]) -> tuple[Doubt, ...]:
    caveats: dict[str, Caveat] = {}
    builds: dict[str, list[str]] = {}
    details: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        for caveat in row.caveats:
            caveats.setdefault(caveat.id, caveat)
            builds.setdefault(caveat.id, []).append(row.id)
            if caveat.detail:
                details.setdefault(caveat.id, []).append((row.id, caveat.detail))
    ranked = sum(row.state == "ranked" for row in rows)
    found = [
        Doubt(
            caveat=caveat,
            builds=tuple(builds[name]),
            everywhere=len(builds[name]) >= max(2, ranked),
            accepted=name in report.experiment.accept,
            details=tuple(details.get(name, ())),
        )
        for name, caveat in caveats.items()
    ]
    return tuple(sorted(found, key=lambda doubt: (not doubt.everywhere, doubt.caveat.id)))
