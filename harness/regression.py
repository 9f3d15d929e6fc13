"""Gates that hold a latency against the baseline, such as `latency_ms.p50 <= 1.03 x baseline`, are judged side by side.

Two medians taken at different times differ by more than most regressions. So each build that such a gate is about is
timed against its baseline in pairs of live processes (see compare.py), until the gate is decided; and so is each build
that the experiment names in `side_by_side` against its parent, until it is told faster, slower or the same. The chance
of a false alarm is shared out among all of a run's comparisons (Bonferroni), so that many do not cry wolf more often.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from device_runners import Runner
from device_runners.wire import TensorFile
from harness import compare, paired, sides, store
from harness.errors import PocketbenchError, RunnerLost, StoreError
from harness.gate_scope import applies, baseline_of, matches, rules
from harness.metrics import CHANGE
from harness.parents import parent_of
from harness.records import Comparison, Estimate, Experiment, Measurement, Record, Standing, Variant

PAIRED = ("latency_ms.p50", "on_cpu_ms.p50")


class Duel(Record, frozen=True, kw_only=True):
    """A build to time against its baseline, or its parent. limit: the effect that its gate allows, as a share; None
    where any difference is asked for."""

    baseline: str
    build: str
    limit: float | None = None


def duels(experiment: Experiment, variants: Sequence[Variant]) -> list[Duel]:
    """One for each build that a relative gate on a median latency is about; the tightest limit where several are. Then
    those that are to be told from their parents."""
    gated = _for_gates(experiment, variants)
    held = {(duel.baseline, duel.build) for duel in gated}
    return [*gated, *(duel for duel in _with_parents(experiment, variants) if (duel.baseline, duel.build) not in held)]


def _with_parents(experiment: Experiment, variants: Sequence[Variant]) -> Iterator[Duel]:
    for variant in variants:
        parent = parent_of(variant, variants)
        if parent is not None and variant.failure is None and matches(variant.id, experiment.side_by_side):
            yield Duel(baseline=parent.id, build=variant.id)


def _for_gates(experiment: Experiment, variants: Sequence[Variant]) -> list[Duel]:
    made = {variant.id for variant in variants if variant.failure is None}
    found: dict[str, tuple[float, Duel]] = {}
    for rule in rules(experiment):
        if rule.gate.metric not in PAIRED or rule.gate.form != "factor":
            continue
        for build in (variant.id for variant in variants):
            base = baseline_of(experiment, build)
            if {build, base} <= made and applies(rule, build, experiment):
                limit = rule.gate.number - 1
                if build not in found or abs(limit) < found[build][0]:
                    found[build] = abs(limit), Duel(baseline=base, build=build, limit=limit)
    return [duel for _, duel in found.values()]


class Setting(Record, frozen=True, kw_only=True):
    """Where the duels of a run are held. watch: told (pairs done, pairs at the most, the build) before each pair."""

    experiment: Experiment
    folder: Path
    runner: Runner
    inputs: tuple[TensorFile, ...]
    watch: Callable[[int, int, str], None]


def hold(
    setting: Setting, variants: Sequence[Variant], measurements: Sequence[Measurement], before: Sequence[Comparison]
) -> Iterator[tuple[Comparison, ...]]:
    """Yields all comparisons so far after each duel; those of an interrupted run are not held again.

    A build that could not be measured is not compared; one that fails here is inconclusive, with the reason.
    """
    sound = {m.variant for m in measurements if m.failure is None}
    wanted = [d for d in duels(setting.experiment, variants) if {d.build, d.baseline} <= sound]
    by_id = {variant.id: variant for variant in variants}
    found = {(c.a, c.b): c for c in before}
    for number, duel in enumerate(wanted):
        if (duel.baseline, duel.build) in found:
            continue
        try:
            comparison = compare.compare(
                _match(setting, duel, by_id, len(wanted)), setting.runner, _watcher(setting, duel, number, len(wanted))
            )
        except (StoreError, RunnerLost):
            raise
        except PocketbenchError as error:
            comparison = _failed(duel, error)
        found[duel.baseline, duel.build] = comparison
        yield tuple(found.values())


def _failed(duel: Duel, error: PocketbenchError) -> Comparison:
    return Comparison(
        a=duel.baseline,
        b=duel.build,
        outcome="inconclusive",
        effect=Estimate(value=0.0),
        p=1.0,
        log_ratios=(),
        clock="wall",
        reason=f"the side-by-side comparison failed: {error.message}",
    )


def _match(setting: Setting, duel: Duel, by_id: dict[str, Variant], count: int) -> compare.Match:
    experiment = setting.experiment
    folder = setting.folder / "logs" / "compare" / store.slug(duel.build) / f"against-{store.slug(duel.baseline)}"
    with store.guarded(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return compare.Match(
        a=sides.of_variant(setting.folder, by_id[duel.baseline]),
        b=sides.of_variant(setting.folder, by_id[duel.build]),
        folder=folder,
        settings=experiment.settings,
        plan=paired.Plan(alpha=experiment.false_alarms / count, minimum_effect=experiment.minimum_effect),
        inputs=setting.inputs,
        limit=duel.limit,
        seed=experiment.seed,
    )


def _watcher(setting: Setting, duel: Duel, number: int, count: int) -> compare.Watcher:
    def watch(done: int, total: int) -> None:
        setting.watch(number * total + done, count * total, f"{duel.build} against {duel.baseline}")

    return watch


def with_changes(
    experiment: Experiment, standings: Sequence[Standing], comparisons: Sequence[Comparison]
) -> tuple[Standing, ...]:
    """The standings with `<metric>_change` (in ms, against the baseline) where a side-by-side comparison tells it."""
    by_id = {standing.variant: standing for standing in standings}
    changes: dict[str, dict[str, Estimate]] = {}
    for one in comparisons:
        baseline = by_id.get(one.a)
        known = (
            baseline is not None
            and one.b in by_id
            and bool(one.log_ratios)
            and (one.wait_share or 0) <= compare.MOST_WAITING
        )
        if baseline is None or not known or baseline_of(experiment, one.b) != one.a:
            continue
        for name in PAIRED:
            if name in baseline.metrics:
                changes.setdefault(one.b, {})[name + CHANGE] = _scaled(one.effect, baseline.metrics[name].value)
    return tuple(
        msgspec.structs.replace(standing, metrics=standing.metrics | changes.get(standing.variant, {}))
        for standing in standings
    )


def _scaled(effect: Estimate, reference_ms: float) -> Estimate:
    low, high = (None if bound is None else bound * reference_ms for bound in (effect.low, effect.high))
    return msgspec.structs.replace(effect, value=effect.value * reference_ms, low=low, high=high)
