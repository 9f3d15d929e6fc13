"""Doubts as data: one table, and which of them a build's facts raise.

Runners and converters report facts; what is doubtful about them is decided here and nowhere else. A caveat has an
id, says what it means and what to do, and names the metrics it casts doubt on. A gate on such a metric is not judged
unless the experiment accepts the caveat by its id. A caveat that doubts nothing informs.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase

from harness import doubts_build, doubts_compressed, doubts_output, doubts_sustained, doubts_timing
from harness.doubt import CLOCK, PATTERNS, Doubt
from harness.facts import Facts
from harness.metrics import CHANGE
from harness.phone_caveats import PHONE
from harness.records import Caveat, Model

__all__ = ["CAVEATS", "CLOCK", "CURED_BY_PAIRS", "DISQUALIFYING", "casts_doubt", "disqualified_by", "judge"]

CAVEATS: dict[str, Doubt] = {
    "HOST": Doubt(
        summary="measured on this computer, not on a phone",
        advice="read ratios between builds as a hint; x86 does not rank builds for ARM",
        seen=doubts_timing.host,
    ),
    "HOST-FALLBACK": Doubt(
        summary="a phone was asked for, and this computer was measured",
        advice="connect the device, or set device: host",
        seen=doubts_timing.host_fallback,
        doubts=(*CLOCK, "sustained", "energy", "memory"),
    ),
    "EMULATOR": Doubt(
        summary="measured on an emulator, whose times say nothing about a phone",
        advice="use the emulator to see that builds run and are right; time them on a phone",
        seen=doubts_timing.emulator,
        doubts=(*CLOCK, "sustained", "energy", "memory"),
    ),
    "FEW-SAMPLES": Doubt(
        summary="too few restarts or calls to know how much the times vary",
        advice="raise settings.restarts (5 by default) or settings.num_runs",
        seen=doubts_timing.few_samples,
        doubts=CLOCK,
    ),
    "UNSTABLE": Doubt(
        summary="times differ between restarts, or change while they are measured",
        advice="close other programs and measure again; on a phone let it cool; raise settings.warmup_max_secs",
        seen=doubts_timing.unstable,
        doubts=("latency", "on_cpu"),
        true_within=(0.5, 2.0),
    ),
    "NOISY-MACHINE": Doubt(
        summary="other processes took the processor away: wall times are too long, on-CPU times are not",
        advice="measure on a machine with nothing else to do, or gate on on_cpu_ms",
        seen=doubts_timing.noisy_machine,
        doubts=("latency", "start"),
        true_within=(0.0, 1.0),
    ),
    "STARVED": Doubt(
        summary="the build hardly got the processor, so that caches were cold in every call",
        advice="stop what else is running and measure again",
        seen=doubts_timing.starved,
        doubts=("on_cpu", "memory"),
    ),
    "WAIT-UNKNOWN": Doubt(
        summary="on-CPU time is not known, so that noise of the machine cannot be told from the build",
        advice="make sure that nothing else runs; compare builds only within one run",
        seen=doubts_timing.wait_unknown,
    ),
    "NO-TIME": Doubt(
        summary="calls came out as taking no time: more was taken off for the way into the runtime than they took",
        advice="measure again on a quieter machine; a few microseconds are the limit of what can be told",
        seen=doubts_timing.no_time,
        doubts=CLOCK,
    ),
    "CANARY": Doubt(
        summary="the processor's clock moved while the build was measured",
        advice="fix the clock or let the device cool, then measure again",
        seen=doubts_timing.canary,
        doubts=CLOCK,
        true_within=(0.5, 2.0),
    ),
    "THERMAL-THROTTLED": Doubt(
        summary="the processor's clock fell under sustained load, and the build slowed down with it",
        advice="gate on sustained_ms.p50_last; the other times are those of a rested device",
        seen=doubts_sustained.throttled,
    ),
    "SLOWS-DOWN": Doubt(
        summary="the build slows down under sustained load, at an unchanged clock as far as is known",
        advice="look for what grows or fills up, and for other programs; gate on sustained_ms.p50_last",
        seen=doubts_sustained.slows_down,
    ),
    "NO-STEADY-STATE": Doubt(
        summary="under sustained load the times do not settle on one level",
        advice="measure longer (settings.sustained_secs), or with nothing else running",
        seen=doubts_sustained.no_steady_state,
        doubts=("sustained",),
    ),
    "ENERGY-UNKNOWN": Doubt(
        summary="the energy of one call could not be told",
        advice="give the energy counter more time, or leave out what is asked about energy",
        seen=doubts_sustained.energy_unknown,
    ),
    "PROMISE-BROKEN": Doubt(
        summary="the file does not hold what its recipe promises",
        advice="choose a recipe that fits these layers; see what the file holds",
        seen=doubts_compressed.promise_broken,
        everything=True,
    ),
    "PARTLY-QUANTIZED": Doubt(
        summary="a good part of the weights was not quantized",
        advice="see which operators the recipe leaves alone; the numbers are those of this mixed file",
        seen=doubts_build.partly_quantized,
    ),
    "PARTLY-COMPRESSED": Doubt(
        summary="the file holds less of a compression step than its recipe asks for",
        advice="see in the build's warnings which layers were left alone; the numbers are those of this file",
        seen=doubts_compressed.partly_compressed,
    ),
    "SATURATED-BIAS": Doubt(
        summary="bias values hit the limit of int32, so that some channels compute something else",
        advice="look for all-zero output channels: quantize per tensor, or keep one tiny weight in each",
        seen=doubts_build.saturated_bias,
    ),
    "DELEGATE-FELL-BACK": Doubt(
        summary="much of the model runs on the runtime's own, slower kernels",
        advice="choose a recipe whose operators the delegate takes, or change those operators in the model",
        seen=doubts_build.delegate_fell_back,
    ),
    "NO-BENEFIT": Doubt(
        summary="neither smaller on disk nor faster nor lighter than what it was made from",
        advice="ship that instead, or try another recipe",
        seen=doubts_compressed.no_benefit,
    ),
    "SLOWER-THAN-BASELINE": Doubt(
        summary="slower than the baseline, beyond the noise",
        advice="keep it only for what it saves in size or memory",
        seen=doubts_build.slower_than_baseline,
    ),
    "OUTPUT-DRIFT": Doubt(
        summary="the build computes something else than the model",
        advice="do not ship it; try another recipe, or more and better calibration data",
        seen=doubts_output.output_drift,
        everything=True,
    ),
    "NON-FINITE-OUTPUT": Doubt(
        summary="the build returns NaN or infinity",
        advice="do not ship it; look for overflow (fp16) or a broken operator",
        seen=doubts_output.non_finite,
        everything=True,
    ),
    "RANDOM-WEIGHTS": Doubt(
        summary="the weights are random: speed and size mean something, accuracy and likeness do not",
        advice="load trained weights in get_model()",
        seen=doubts_output.random_weights,
        doubts=("quality",),
    ),
    "NO-REFERENCE": Doubt(
        summary="nothing is known about whether the outputs are right",
        advice="hand in the model's source instead of a finished file",
        seen=doubts_output.no_reference,
    ),
    "NO-LABELS": Doubt(
        summary="there is no accuracy, only likeness to the model's own outputs",
        advice="let get_evaluation_data() give labels, or the model's file a metric",
        seen=doubts_output.no_labels,
    ),
    **PHONE,
}

# A build that is not what it says, or computes something else, is neither recommended nor on the Pareto front.
DISQUALIFYING = ("PROMISE-BROKEN", "OUTPUT-DRIFT", "NON-FINITE-OUTPUT")

# What disturbs a measurement hits both sides of a pair alike: a side-by-side comparison is beyond these.
CURED_BY_PAIRS = (
    "FEW-SAMPLES",
    "UNSTABLE",
    "NOISY-MACHINE",
    "STARVED",
    "CANARY",
    "THERMAL-LIMITED",
    "BUSY-DEVICE",
    "CHARGER-CHANGED",
)


def judge(facts: Facts) -> tuple[Caveat, ...]:
    """The caveats of one build, in the order of the table; none for a build that has no file."""
    if facts.variant.failure is not None:
        return ()
    found = ((id_, doubt, doubt.seen(facts)) for id_, doubt in CAVEATS.items())
    return tuple(_caveat(id_, doubt, detail, facts.model) for id_, doubt, detail in found if detail)


def casts_doubt(caveat: Caveat, metric: str) -> bool:
    """Whether a caveat is about this metric; `*` stands for anything."""
    return any(fnmatchcase(metric, pattern) for pattern in caveat.doubts)


def disqualified_by(found: Sequence[Caveat], accept: Collection[str]) -> list[str]:
    """Ids of the caveats, among those found and not accepted, that keep a build from being shipped."""
    return [caveat.id for caveat in found if caveat.id in DISQUALIFYING and caveat.id not in accept]


def _caveat(id_: str, doubt: Doubt, detail: str, model: Model) -> Caveat:
    patterns = ["*"] if doubt.everything else [name for kind in doubt.doubts for name in PATTERNS[kind]]
    patterns += doubt.patterns
    if "quality" in doubt.doubts and model.metric:
        patterns += [model.metric, model.metric + CHANGE]
    return Caveat(id=id_, summary=doubt.summary, advice=doubt.advice, detail=detail, doubts=tuple(patterns))
