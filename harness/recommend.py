"""The one build to ship, named with its reason, or the reason why none can be named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from harness.caveats import disqualified_by
from harness.figures import estimate_text, value_text
from harness.gate_scope import baseline_of, falls_short_of_itself, matches
from harness.metrics import METRICS, Metric
from harness.records import Experiment, Recommendation, Standing, Verdict
from harness.stats import Interval


class _Field(NamedTuple):
    """What the choice is made from."""

    experiment: Experiment
    standings: Sequence[Standing]  # best first
    verdicts: Sequence[Verdict]

    @property
    def by(self) -> Metric:
        name = self.experiment.rank_by
        return METRICS.get(name) or Metric(name=name, label=name.replace("_", " "), unit="", kind="quality", digits=4)

    def outcomes(self, build: Standing) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if verdict.variant == build.variant]


def recommend(experiment: Experiment, standings: Sequence[Standing], verdicts: Sequence[Verdict]) -> Recommendation:
    """The best-ranked build that passes all its gates; without gates, the best-ranked one on the Pareto front.

    Never one that is not what it says or computes something else, unless the experiment accepts that caveat by id.
    Where `release` names builds, one of them. Among builds whose rank_by intervals overlap the best one's: the
    smallest file.
    """
    field = _Field(experiment, standings, verdicts)
    ranked = [one for one in standings if one.rank is not None]
    asked = [one for one in ranked if _is_asked(experiment, one)]
    fit = [one for one in asked if not _doubted(experiment, one) and _fits(field, one)]
    if not fit:
        return Recommendation(variant="", reason=_why_none(field, asked))
    leader = _interval(field, fit[0])
    tied = [one for one in fit if _interval(field, one).overlaps(leader)]
    best = min(tied, key=lambda one: (_size(one), one.variant))
    return Recommendation(variant=best.variant, reason=_why(field, best, tied))


def _is_asked(experiment: Experiment, build: Standing) -> bool:
    return isinstance(experiment.release, str) or matches(build.variant, experiment.release)


def _doubted(experiment: Experiment, build: Standing) -> list[str]:
    return disqualified_by(build.caveats, experiment.accept)


def _fits(field: _Field, build: Standing) -> bool:
    if not field.experiment.gates:
        return build.on_front
    passed = all(verdict.outcome == "pass" for verdict in field.outcomes(build))
    return passed and not falls_short_of_itself(field.experiment, build.variant)


def _interval(field: _Field, build: Standing) -> Interval:
    estimate = build.metrics[field.by.name]
    return Interval(estimate.low, estimate.high)


def _size(build: Standing) -> float:
    return build.metrics["size_bytes"].value if "size_bytes" in build.metrics else float("inf")


# --- words --------------------------------------------------------------------------------------------


def _why(field: _Field, best: Standing, tied: Sequence[Standing]) -> str:
    """One sentence: what it won by, against the baseline, over whom, and who was ahead but out."""
    count = len(field.outcomes(best))
    gates = f"passes {'its gate' if count == 1 else f'all its {count} gates'} and " if count else ""
    among = "" if count or field.experiment.gates else " on the Pareto front"
    if not isinstance(field.experiment.release, str):
        among = " of the builds that may ship"
    figure = estimate_text(field.by, best.metrics[field.by.name])
    words = f"{best.variant} {gates}has the best {field.by.label}{among}: {figure}"
    return words + _against_baseline(field, best) + _over_ties(field, best, tied) + _ahead(field, best)


def _against_baseline(field: _Field, best: Standing) -> str:
    base_id, name = baseline_of(field.experiment, best.variant), field.by.name
    base = next((one for one in field.standings if one.variant == base_id and one is not best), None)
    if base is None or name not in base.metrics:
        return ""
    mine, its = best.metrics[name].value, base.metrics[name].value
    shown = f"{base_id} with {value_text(field.by, its)}"
    if (
        field.by.kind not in ("latency", "on_cpu", "start")
        or mine <= 0
        or _interval(field, best).overlaps(_interval(field, base))
    ):
        return f", against {shown}"
    return f", {its / mine:.2g} times as fast as {shown}"


def _over_ties(field: _Field, best: Standing, tied: Sequence[Standing]) -> str:
    others = [one for one in tied if one is not best]
    if not others:
        return ""
    names = " or ".join(one.variant for one in others)
    size = METRICS["size_mb"]
    own, its = (value_text(size, bytes_ / 2**20) for bytes_ in (_size(best), min(_size(one) for one in others)))
    return f"; it cannot be told apart from {names} in this, and is the smallest ({own} against {its})"


def _ahead(field: _Field, best: Standing) -> str:
    """The best-ranked build that is better by this metric and was passed over, with what spoke against it."""
    first = field.standings[0]
    if (first.rank or 0) >= (best.rank or 0) or not _is_asked(field.experiment, first):
        return ""
    against = _doubted(field.experiment, first)
    bad = [verdict for verdict in field.outcomes(first) if verdict.outcome != "pass"]
    if not against and bad:
        against = [f"{'fails' if bad[0].outcome == 'fail' else 'was not judged on'} `{bad[0].gate}`"]
    return f"; {first.variant} is better in this, but {against[0]}" if against else ""


def _why_none(field: _Field, asked: Sequence[Standing]) -> str:
    if not asked:
        failed = sum(one.failure is not None for one in field.standings)
        return f"no build that may be released has a {field.by.label}; {failed} of {len(field.standings)} failed"
    doubted = Counter(id_ for one in asked for id_ in _doubted(field.experiment, one)[:1])
    if sum(doubted.values()) == len(asked):
        found = ", ".join(f"{id_} ({count})" for id_, count in doubted.most_common())
        return f"every build that was ranked is in doubt: {found}"
    bad = Counter((v.outcome, v.gate) for one in asked for v in field.outcomes(one) if v.outcome != "pass")
    words = [
        f"`{gate}` {'fails' if outcome == 'fail' else 'was not judged'} for {count} build{'s' * (count != 1)}"
        for (outcome, gate), count in bad.most_common(3)
    ]
    return "no build passes all its gates: " + "; ".join(words) if words else _no_reason(field)


def _no_reason(field: _Field) -> str:
    if not field.experiment.gates:
        return "no build has all the figures that the Pareto front weighs"
    return "what passes is in doubt, or is the baseline that the gates ask to be better than"
