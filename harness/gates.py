"""Gates: pass, fail or not judged, for every gate and every build it is about; and what that means for the release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.errors import EXIT_GATE_FAILED, EXIT_NOT_JUDGED, EXIT_PASS
from harness.gate_scope import applies, baseline_of, check, falls_short_of_itself, matches, metric_of, rules
from harness.gate_text import Gate, parse
from harness.gate_verdict import Case, verdict
from harness.records import Experiment, Model, Standing, Verdict

__all__ = ["check", "exit_code", "judge", "notes", "parse"]


def judge(experiment: Experiment, model: Model, standings: Sequence[Standing]) -> tuple[Verdict, ...]:
    """Every gate for every build it is about, in the order of the standings.

    A build whose recipe its runtime does not have gets no verdict (see `notes`); one that failed to be made or measured
    is not judged.
    """
    by_id = {standing.variant: standing for standing in standings}
    read = rules(experiment)
    return tuple(
        verdict(_case(rule.gate, standing, by_id, experiment, model))
        for standing in standings
        if not (standing.failure and standing.failure.unsupported)
        for rule in read
        if applies(rule, standing.variant, experiment)
    )


def notes(experiment: Experiment, standings: Sequence[Standing]) -> tuple[str, ...]:
    """One line for every build that gates are about and that cannot exist."""
    return tuple(
        f"{standing.variant}: no gate was judged, {standing.failure.reason}"
        for standing in standings
        if standing.failure and standing.failure.unsupported and experiment.gates
    )


def exit_code(experiment: Experiment, verdicts: Sequence[Verdict]) -> int:
    """0: the release may go out, 1: a gate failed, 3: something was not judged (a failure weighs more).

    `all`: every verdict counts. Named builds: theirs, and one that ought to have a verdict and has none is not judged.
    `any`: one build whose gates all pass is enough (not the baseline, where a gate asks to be better than it); without
    one, 3 while some build has failed no gate yet.
    """
    if not experiment.gates:
        return EXIT_PASS
    if experiment.release == "any":
        builds = dict.fromkeys(one.variant for one in verdicts if not falls_short_of_itself(experiment, one.variant))
        codes = {_code([one.outcome for one in verdicts if one.variant == build]) for build in builds}
        order = (EXIT_PASS, EXIT_NOT_JUDGED, EXIT_GATE_FAILED)
        return next((code for code in order if code in codes), EXIT_NOT_JUDGED)
    if experiment.release == "all":
        return _code([one.outcome for one in verdicts] or ["not judged"])
    counted = [one for one in verdicts if matches(one.variant, experiment.release)]
    silent = any(_is_silent(pattern, experiment, verdicts) for pattern in experiment.release)
    return _code([*(one.outcome for one in counted), *(["not judged"] if silent else [])])


def _is_silent(pattern: str, experiment: Experiment, verdicts: Sequence[Verdict]) -> bool:
    if any(matches(one.variant, (pattern,)) for one in verdicts):
        return False
    literal = not any(sign in pattern for sign in "*?")
    return not literal or any(applies(rule, pattern, experiment) for rule in rules(experiment))


def _code(outcomes: Sequence[str]) -> int:
    if "fail" in outcomes:
        return EXIT_GATE_FAILED
    return EXIT_NOT_JUDGED if "not judged" in outcomes else EXIT_PASS


def _case(gate: Gate, standing: Standing, by_id: Mapping[str, Standing], experiment: Experiment, model: Model) -> Case:
    baseline = by_id.get(baseline_of(experiment, standing.variant)) if gate.relative else None
    return Case(gate, standing, baseline, experiment, metric_of(model, gate.metric))
