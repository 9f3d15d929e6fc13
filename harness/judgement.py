"""From facts to conclusions: ranking, verdicts, benefits and the recommendation of a report."""

from __future__ import annotations

import msgspec

from harness import benefit, gates, ranking, regression
from harness.errors import EXIT_GATE_FAILED, EXIT_NOT_JUDGED, EXIT_PASS
from harness.records import Outcome, Report

OUTCOMES: dict[int, Outcome] = {EXIT_PASS: "pass", EXIT_GATE_FAILED: "fail", EXIT_NOT_JUDGED: "not judged"}


def judge(report: Report) -> Report:
    """The ranking, verdicts, benefits and the recommendation, drawn anew from the facts in a report."""
    if report.model is None:
        return report
    experiment = report.experiment
    ranked = ranking.rank(experiment, report.model, report.variants, report.measurements, report.comparisons)
    evidence = benefit.Evidence(
        model=report.model,
        confidence=experiment.confidence,
        variants=report.variants,
        metrics={standing.variant: standing.metrics for standing in ranked},
        measurements={measurement.variant: measurement for measurement in report.measurements},
        comparisons=report.comparisons,
    )
    standings = regression.with_changes(experiment, ranked, report.comparisons)
    verdicts = gates.judge(experiment, report.model, standings)
    return msgspec.structs.replace(
        report,
        standings=standings,
        verdicts=verdicts,
        benefits=benefit.all_of(evidence),
        gate_outcome=OUTCOMES[gates.exit_code(experiment, verdicts)] if experiment.gates else None,
        recommendation=ranking.recommend(experiment, standings, verdicts),
    )
