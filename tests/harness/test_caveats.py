"""harness/caveats.py: every doubt has facts that raise it and facts that do not."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from harness import benefit, caveats, metrics
from harness.caveats import CAVEATS
from harness.facts import Facts
from harness.records import Block, Caveat, Experiment, Failure, Memory, Settings, StepResult, Sustained, WeightTensor
from tests.fakes import counters, judged, lasting

INT8 = {"int8": 990_000, "float32": 10_000}
STATIC = "tflite/static_wi8_ai8"


def held(id_: str, **changes: Any) -> Facts:
    """A build whose file holds this."""
    runtime = id_.partition("/")[0]
    found = judged.contents(**{"format": "tflite" if runtime == "tflite" else "pte", **changes})
    return judged.facts(id_, variant=judged.variant(id_, contents=found))


def on_gpu(facts: Facts) -> Facts:
    """What the file tells is about the CPU's delegate."""
    experiment = judged.experiment(settings=Settings(accelerator="gpu"))
    return msgspec.structs.replace(facts, experiment=experiment)


def timed(**changes: Any) -> Facts:
    return judged.facts(measured={"restarts": judged.restarts(**changes)})


def answered(id_: str, *, model: dict[str, Any] | None = None, **changes: Any) -> Facts:
    """A build whose outputs are like this."""
    quality = judged.quality(**changes)
    return judged.facts(id_, model=judged.model(**(model or {})), measured={"quality": quality})


def against(
    median_ms: float, *, size: int = 4_000_000, memory_mb: float = 20.0, base_ms: float = 2.0, **changes: Any
) -> Facts:
    """A build beside its baseline of 2 ms, 4,000,000 bytes and 20 MB."""
    memory = Memory(peak_rss_mb=memory_mb, total_peak_rss_mb=memory_mb + 40)
    variant = judged.variant(STATIC, contents=judged.contents(size_bytes=size, download_bytes=size))
    measured = judged.measurement(STATIC, restarts=judged.restarts(median_ms, memory=memory, seed=1, **changes))
    base = judged.variant(contents=judged.contents(download_bytes=4_000_000))
    base_measured = judged.measurement(restarts=judged.restarts(base_ms, **changes))
    return judged.facts(
        STATIC,
        variant=variant,
        measurement=measured,
        metrics=metrics.estimates(variant, measured, 0.95, "accuracy"),
        baseline="tflite/fp32",
        baseline_metrics=metrics.estimates(base, base_measured, 0.95, "accuracy"),
    )


def compressed(recipe: str, median_ms: float = 2.0, *, memory_mb: float = 20.0, **held: Any) -> Facts:
    """A compressed build of the parent that `against` has as its baseline: 2 ms, 4,000,000 bytes, 20 MB."""
    quantization = recipe.rpartition("+")[2]
    id_, parent_id = f"tflite/{recipe}", f"tflite/{quantization}"
    memory = Memory(peak_rss_mb=memory_mb, total_peak_rss_mb=memory_mb + 40)
    variant = judged.variant(id_, contents=judged.contents(**held), sha256="a")
    parent = judged.variant(parent_id, contents=judged.contents(macs=1000), sha256="b")
    measurements = {
        id_: judged.measurement(id_, restarts=judged.restarts(median_ms, memory=memory, seed=1)),
        parent_id: judged.measurement(parent_id),
    }
    found = {v.id: metrics.estimates(v, measurements[v.id], 0.95, "accuracy") for v in (variant, parent)}
    evidence = benefit.Evidence(
        model=judged.model(),
        confidence=0.95,
        variants=(variant, parent),
        metrics=found,
        measurements=measurements,
    )
    return judged.facts(
        id_,
        variant=variant,
        benefit=benefit.of(variant, evidence),
        parent_sha256=parent.sha256,
        uncompressed=parent.contents,
    )


def shaped(recipe: str, *history: StepResult) -> Facts:
    """A build with 61 % zeros whose steps told what they did."""
    facts = compressed(recipe, weights=pruned(610), weight_elements={"int8": 9} if "wi8" in recipe else {"float32": 9})
    return msgspec.structs.replace(facts, variant=msgspec.structs.replace(facts.variant, history=history))


def pruned(zeros: int) -> tuple[WeightTensor, ...]:
    return (weight(elements=1000, zeros=zeros, macs=10, distinct=200),)


def drifting(slope: float) -> Facts:
    ramp = 1 + slope * np.linspace(0, 1, 80)
    random = np.random.default_rng(0)
    made = tuple(judged.restart(blocks=judged.blocks(2 * ramp * random.lognormal(0, 0.005, 80))) for _ in range(5))
    return judged.facts(measured={"restarts": made})


def levels(*milliseconds: float) -> Facts:
    made = tuple(judged.restart(blocks=judged.blocks([ms] * 80)) for ms in milliseconds)
    return judged.facts(measured={"restarts": made})


def canaries(*times_us: float) -> Facts:
    blocks = tuple(Block(wall_ns=(10**6,) * 10, wait_ns=(0,) * 10, canary_ns=int(us * 1000)) for us in times_us)
    return judged.facts(measured={"restarts": (judged.restart(blocks=blocks),) * 5})


def under_load(run: Sustained) -> Facts:
    return judged.facts(measured={"sustained": run})


def gauged(block_secs: float, **changes: Any) -> Facts:
    """A phone's battery, read in blocks of so many seconds."""
    trace = next(counters.traces(counters.Gauge(1, 1), block_secs, 1))
    return judged.facts(measured={"energy": msgspec.structs.replace(trace, **changes)})


def asking(gate: str, **of_device: Any) -> Facts:
    device = msgspec.structs.replace(judged.HOST, **of_device)
    return judged.facts(experiment=judged.experiment(gates=(gate,)), measured={"device": device})


SAWTOOTH = lasting.levels(*([(15, 10.0), (15, 12.0)] * 6))
RISING = 10 * (1 + np.arange(180) / 300)


def weight(**changes: Any) -> WeightTensor:
    fields = {"name": "conv1", "operator": "CONV_2D", "shape": (8, 3), "dtype": "int8", "elements": 24, "zeros": 0}
    return WeightTensor(**{**fields, "distinct": 20, **changes})


def on(device: object, asked: str = "host") -> Facts:
    experiment: Experiment = judged.experiment(device=asked)
    return judged.facts(experiment=experiment, measured={"device": device})


def on_phone(**told: str) -> Facts:
    """A cool, unplugged phone, its screen on, in five restarts that all tell these facts besides."""
    state = {"battery_percent": "80", "powered_by": "none", "thermal_status": "0", "awake": "yes", "power_save": "no"}
    found = {f"{name}_{when}": value for name, value in state.items() for when in ("before", "after")}
    made = judged.restarts(facts={**found, "busy_percent_before": "3", **told})
    return judged.facts(
        experiment=judged.experiment(device="phone"), measured={"device": judged.PHONE, "restarts": made}
    )


def means(**told: str) -> Facts:
    """Five processes of a program that tells means of 60 calls."""
    block = Block(wall_ns=(120_000_000,), calls_per_sample=60)
    return judged.facts(
        measured={
            "restarts": (judged.restart(blocks=(block,), facts={"samples": "means", **told}),) * 5,
        }
    )


RAISED: list[tuple[str, Facts, str]] = [
    ("SANDBOX", on(judged.SANDBOX, "sandbox"), "measured on sandbox, x86_64"),
    ("THERMAL-LIMITED", on_phone(thermal_status_after="3"), "thermal status 3 (severe)"),
    ("THERMAL-LIMITED", on_phone(still_warm="skin 40 degrees"), "before 5 of 5 restarts: skin 40 degrees"),
    (
        "THERMAL-LIMITED",
        on_phone(clock_limit_percent_before="100", clock_limit_percent_during="60"),
        "limited to 60 % of their top",
    ),
    ("LOW-BATTERY", on_phone(battery_percent_after="5"), "at 5 %"),
    ("POWER-SAVE", on_phone(power_save_before="yes"), "5 of 5 restarts"),
    ("CHARGING", on_phone(powered_by_before="USB", powered_by_after="USB"), "powered by USB"),
    ("CHARGER-CHANGED", on_phone(powered_by_after="AC"), "powered by AC, none at different times"),
    ("SCREEN-OFF", on_phone(awake_after="no"), "with the screen off"),
    ("THERMAL-LIMITED", on_phone(thermal_status_during="2"), "thermal status 2 (moderate)"),
    ("NOT-IN-FRONT", on_phone(on_top_throughout="false"), "5 of 5 restarts with something else in front"),
    ("DEBUGGABLE-APP", on_phone(debuggable="true"), "5 of 5 restarts in a debuggable app"),
    ("DELEGATE-UNKNOWN", on_phone(delegate_share="not told: LiteRT puts the CPU"), "not told: LiteRT"),
    ("BUSY-DEVICE", on_phone(busy_percent_before="40"), "40 % busy"),
    ("MADE-UP-STATE", on_phone(made_up_state_before="yes"), "set by hand"),
    ("STATE-UNKNOWN", on(judged.PHONE, "phone"), "nothing is known about: battery, charger, heat, screen"),
    ("MEANS-ONLY", means(program="benchmark_model"), "benchmark_model tells no single calls"),
    ("MEANS-ONLY", means(first_call="in the mean"), "the cold first call among them"),
    ("HOST", on(judged.HOST), "measured on x86, x86_64"),
    ("HOST-FALLBACK", on(judged.HOST, "phone"), "phone was asked for, measured on x86"),
    ("EMULATOR", on(judged.EMULATOR), "measured on avd"),
    ("FEW-SAMPLES", timed(count=1), "80 timed samples in 1 restart"),
    ("FEW-SAMPLES", timed(count=2, calls=10), "20 timed samples in 2 restarts"),
    ("UNSTABLE", levels(2.0, 2.1, 3.0, 2.0), "go from 2 to 3 ms"),
    ("UNSTABLE", timed(steady=False), "5 of 5 restarts were not steady"),
    ("UNSTABLE", drifting(0.10), "is 5 % slower than the first"),
    ("UNSTABLE", drifting(-0.10), "% faster than the first"),
    ("NOISY-MACHINE", timed(wait_share=0.3), "30 % of the timed wall time"),
    ("STARVED", timed(wait_share=0.85), "85 % of the timed wall time"),
    ("WAIT-UNKNOWN", timed(wait_share=None), "does not tell"),
    ("WAIT-UNKNOWN", judged.facts(measured={"settings": Settings(num_threads=4)}), "4 threads"),
    ("NO-TIME", timed(median_ms=0.0), "100 % of the timed calls"),
    ("NO-TIME", timed(median_ms=0.0, wait_share=None), "100 % of the timed calls"),
    ("CANARY", canaries(40, 40, 40, 44, 44), "from 40 to 44 us: 10 % apart"),
    (
        "THERMAL-THROTTLED",
        under_load(lasting.throttling()),
        "25 % slower; a fixed loop takes 25 % longer",
    ),
    ("THERMAL-THROTTLED", under_load(lasting.run(RISING, canary_us=tuple(RISING.tolist()))), "a fixed loop takes"),
    (
        "SLOWS-DOWN",
        under_load(lasting.throttling(canary_us=())),
        "from 10 ms (0 to 60 s) to 12.5 ms at the end",
    ),
    ("SLOWS-DOWN", under_load(lasting.throttling(canary_us=(40.0,) * 180)), "25 % slower"),
    ("NO-STEADY-STATE", under_load(lasting.run(SAWTOOTH)), "12 levels in 180 s, the last for 15 s"),
    ("ENERGY-UNKNOWN", gauged(30), "a block lasted 30 s and would have to last 60 s"),
    ("ENERGY-UNKNOWN", gauged(60, charging=True), "the device was charging"),
    ("ENERGY-UNKNOWN", asking("energy_mj <= 5", facts={"energy": "no counters here"}), "no counters here"),
    ("PROMISE-BROKEN", held(STATIC, weight_elements={"float32": 100}), "100 % of the weights are float32, not int8"),
    ("PROMISE-BROKEN", held("executorch/fp16", weight_elements={"float32": 92, "float16": 8}), "92 % of the weights"),
    ("PROMISE-BROKEN", held("tflite/weight_only_wi4_afp32", weight_elements=INT8), "mostly int8, not int4"),
    ("PROMISE-BROKEN", held("tflite/prune(0.5)+static_wi8_ai8", weight_elements={"float32": 9}), "float32, not int8"),
    (
        "PROMISE-BROKEN",
        held(STATIC, weight_elements={"float32": 9}, operators={"QUANTIZE": 1, "CONV_2D": 3}),
        "only QUANTIZE and DEQUANTIZE were added",
    ),
    (
        "PROMISE-BROKEN",
        held(STATIC, weight_elements=INT8, activation_dtypes={"float32": 20, "int32": 90}),
        "only 0 % of the activation tensors are int8",
    ),
    (
        "PROMISE-BROKEN",
        held("tflite/static_wi8_ai16", weight_elements=INT8, activation_dtypes={"float32": 15, "int16": 5}),
        "only 25 % of the activation tensors are int16",
    ),
    (
        "PARTLY-QUANTIZED",
        held("executorch/dynamic_wi8_afp32", weight_elements={"int8": 74, "float32": 26}),
        "26 % of the weights are float32, not int8",
    ),
    (
        "SATURATED-BIAS",
        held(STATIC, weight_elements=INT8, weights=(weight(), weight(saturated_biases=2), weight(saturated_biases=1))),
        "3 bias values at the int32 limit, in CONV_2D conv1 and 1 more",
    ),
    (
        "DELEGATE-FELL-BACK",
        held("tflite/dynamic_wi8_afp32", delegated_macs_share=0.41, left_operators={"DEPTHWISE_CONV_2D": 17}),
        "41 % of the multiply-adds run in a delegate; left to the runtime's own kernels: 17 x DEPTHWISE_CONV_2D",
    ),
    (
        "DELEGATE-FELL-BACK",
        judged.facts(measured={"restarts": judged.restarts(facts={"fell_back": "GPU did not take every operator"})}),
        "GPU did not take every operator",
    ),
    (
        "DELEGATE-FELL-BACK",
        held("executorch/fp32", delegated_macs_share=None, delegated_operators=0, total_operators=42),
        "0 of 42 operators",
    ),
    (
        "DELEGATE-FELL-BACK",
        judged.facts(
            variant=judged.variant(contents=judged.contents(delegated_macs_share=None)),
            measured={"restarts": judged.restarts(delegated_operators=3, total_operators=30)},
        ),
        "3 of 30 operators",
    ),
    ("NO-BENEFIT", against(2.0), "file 3.81 MB against 3.81 MB"),
    ("NO-BENEFIT", against(2.5, memory_mb=30.0), "against tflite/fp32: on-CPU p50 2.49 ms against 2.00 ms"),
    (
        "NO-BENEFIT",
        compressed("prune(0.8)+fp32", download_bytes=1_200_000, weights=pruned(800)),
        "only what is sent shrank (zipped 3 times); not smaller on disk, not faster and not lighter than tflite/fp32: "
        "the kernels store and multiply every zero",
    ),
    ("NO-BENEFIT", compressed("channels(0.3)+fp32", macs=650), "(on paper 1.54 times fewer multiply-adds)"),
    ("NO-BENEFIT", compressed("qat+static_wi8_ai8"), "training changes no shape"),
    ("PROMISE-BROKEN", compressed("prune(0.8)+fp32", weights=pruned(30)), "3 % of the weights are zero, 80 % were"),
    ("PROMISE-BROKEN", compressed("channels(0.3)+fp32", macs=990), "1 % of the multiply-adds are gone, 30 % were"),
    (
        "PROMISE-BROKEN",
        msgspec.structs.replace(compressed("distill(teacher.py)+fp32"), parent_sha256="a"),
        "the uncompressed one, byte for byte",
    ),
    (
        "PROMISE-BROKEN",
        shaped("prune(0.8)+qat+static_wi8_ai8", StepResult(step="prune(0.8)", seconds=1.0)),
        "left out, since the quality fell below the floor: qat",
    ),
    (
        "PARTLY-COMPRESSED",
        shaped("prune(0.8)+fp32", StepResult(step="prune(0.8)", seconds=1.0, stopped="at 61 % zeros: the floor")),
        "80 % were asked for (at 61 % zeros: the floor)",
    ),
    (
        "PARTLY-COMPRESSED",
        compressed("prune(0.8)+fp32", weights=pruned(610)),
        "61 % of the weights are zero, 80 % were",
    ),
    ("SLOWER-THAN-BASELINE", against(6.0, size=1_000_000), "2.99 times the on-CPU p50 of tflite/fp32"),
    ("SLOWER-THAN-BASELINE", against(6.0, wait_share=None), "times the latency p50 of tflite/fp32"),
    ("OUTPUT-DRIFT", answered("tflite/fp32", max_rel_diff=0.01), "up to 0.01 of the largest one"),
    ("OUTPUT-DRIFT", answered("executorch/fp16", max_rel_diff=0.2), "fp16 should stay within 0.1"),
    ("OUTPUT-DRIFT", answered("executorch/weight_only_wi8_afp32", score=0.126), "accuracy 0.126, the model itself has"),
    (
        "OUTPUT-DRIFT",
        answered(STATIC, score=None, reference_score=None, top1_agreement=0.5),
        "the model's in 50 % of the samples; 8 bits should keep 80 %",
    ),
    (
        "OUTPUT-DRIFT",
        answered(STATIC, score=None, reference_score=None, top1_agreement=None, snr_db=2.0),
        "signal to noise 2.0 dB; 8 bits should keep 8 dB",
    ),
    ("OUTPUT-DRIFT", answered(STATIC, model={"random_weights": True}, snr_db=-3.0), "signal to noise -3.0 dB"),
    (
        "OUTPUT-DRIFT",  # the user's own metric, an error here: lower is better
        answered(STATIC, model={"metric": "mae", "metric_higher_is_better": False}, score=2.2, reference_score=2.0),
        "mae 2.2, the model itself has 2",
    ),
    ("NON-FINITE-OUTPUT", answered("executorch/fp16", non_finite=7), "7 output values NaN or infinite"),
    ("RANDOM-WEIGHTS", judged.facts(model=judged.model(random_weights=True)), "no trained weights"),
    ("NO-REFERENCE", judged.facts(measured={"quality": None}), "no model to hold the outputs against"),
    ("NO-LABELS", answered(STATIC, model={"labelled": False, "metric": ""}, score=None), "have no labels"),
    ("NO-LABELS", answered(STATIC, score=None), "the labels fit no output"),
]

QUIET: list[tuple[str, Facts]] = [
    ("SANDBOX", on(judged.PHONE)),
    ("THERMAL-LIMITED", on_phone(clock_limit_percent_before="80", clock_limit_percent_after="80")),
    ("THERMAL-LIMITED", on_phone(thermal_status_before="high; rm -rf /", thermal_status_after="nan")),
    ("LOW-BATTERY", on_phone(battery_percent_before="21")),
    ("POWER-SAVE", on_phone()),
    ("CHARGING", on_phone()),
    ("CHARGING", judged.facts()),
    ("CHARGER-CHANGED", on_phone(powered_by_before="USB", powered_by_after="USB")),
    ("SCREEN-OFF", on_phone()),
    ("NOT-IN-FRONT", on_phone(on_top_throughout="true")),
    ("NOT-IN-FRONT", on_phone()),
    ("DEBUGGABLE-APP", on_phone(debuggable="false")),
    ("DELEGATE-UNKNOWN", on_phone()),
    ("BUSY-DEVICE", on_phone(busy_percent_before="10", busy_percent_after="90")),
    ("MADE-UP-STATE", on_phone()),
    ("STATE-UNKNOWN", on_phone()),
    ("STATE-UNKNOWN", judged.facts()),
    ("MEANS-ONLY", on_phone()),
    ("FEW-SAMPLES", means()),
    ("HOST", on(judged.PHONE, "phone")),
    ("HOST", on(judged.HOST, "phone")),
    ("HOST-FALLBACK", on(judged.HOST)),
    ("EMULATOR", on(judged.PHONE, "phone")),
    ("FEW-SAMPLES", timed(count=2, calls=20)),
    ("UNSTABLE", timed()),
    ("UNSTABLE", levels(2.0, 2.1, 2.2, 2.0)),
    ("UNSTABLE", drifting(0.01)),
    ("NOISY-MACHINE", timed(wait_share=0.02)),
    ("NOISY-MACHINE", timed(wait_share=None)),
    ("STARVED", timed(wait_share=0.6)),
    ("WAIT-UNKNOWN", timed()),
    ("NO-TIME", timed(wait_share=0.99)),
    ("NO-TIME", timed(median_ms=0.005)),
    ("CANARY", canaries(40, 40.5, 41, 41.5, 40)),
    ("CANARY", timed()),
    ("THERMAL-THROTTLED", under_load(lasting.run([10.0] * 180))),
    ("THERMAL-THROTTLED", under_load(lasting.throttling(canary_us=(40.0,) * 180))),  # that is SLOWS-DOWN
    ("THERMAL-THROTTLED", under_load(lasting.throttling(share=-0.2))),  # it got faster
    ("SLOWS-DOWN", under_load(lasting.run([10.0] * 180))),
    ("SLOWS-DOWN", under_load(lasting.throttling())),  # that is THERMAL-THROTTLED
    ("SLOWS-DOWN", under_load(lasting.throttling(share=0.01))),
    ("SLOWS-DOWN", under_load(lasting.run(lasting.levels((20, 12.0), (160, 10.0))))),  # it warms up
    ("SLOWS-DOWN", under_load(lasting.run(lasting.levels((150, 12.0), (30, 10.0))))),  # unsteady, and faster in the end
    ("NO-STEADY-STATE", under_load(lasting.throttling())),
    ("NO-STEADY-STATE", judged.facts()),
    ("ENERGY-UNKNOWN", gauged(60)),
    ("ENERGY-UNKNOWN", asking("latency_ms.p50 <= 5")),
    ("PROMISE-BROKEN", held(STATIC, weight_elements=INT8, activation_dtypes={"int8": 30, "float32": 2})),
    ("PROMISE-BROKEN", held("tflite/weight_only_wi4_afp32", weight_elements={"int4": 95, "float32": 5})),
    ("PROMISE-BROKEN", held("tflite/fp32")),
    ("PROMISE-BROKEN", held("executorch/static_wi8_ai8", weight_elements=INT8, activation_dtypes={"float32": 2})),
    ("PROMISE-BROKEN", held(STATIC, weight_elements={})),
    ("PARTLY-QUANTIZED", held("tflite/dynamic_wi8_afp32", weight_elements={"int8": 95, "float32": 5})),
    ("PARTLY-QUANTIZED", held(STATIC, weight_elements={"float32": 100})),  # that is PROMISE-BROKEN
    ("SATURATED-BIAS", held(STATIC, weight_elements=INT8, weights=(weight(),))),
    (
        "DELEGATE-FELL-BACK",
        held("executorch/fp32", delegated_macs_share=0.99, delegated_operators=4, total_operators=9),
    ),
    ("DELEGATE-FELL-BACK", held("executorch/fp32", delegated_macs_share=None)),
    ("DELEGATE-FELL-BACK", on_gpu(held("tflite/fp32", delegated_macs_share=0.1, delegated_operators=1))),
    ("NO-BENEFIT", against(2.0, size=3_900_000)),
    ("NO-BENEFIT", against(2.0, memory_mb=15.0)),
    ("NO-BENEFIT", against(1.5)),
    ("NO-BENEFIT", against(2.0, count=1, calls=4)),  # too few samples to claim it
    ("NO-BENEFIT", judged.facts()),  # the baseline itself
    ("NO-BENEFIT", compressed("prune(0.8)+fp32", 1.5)),  # faster
    ("NO-BENEFIT", compressed("channels(0.3)+fp32", size_bytes=2_800_000)),
    ("NO-BENEFIT", compressed("lowrank(0.5)+fp32", memory_mb=15.0)),
    ("NO-BENEFIT", judged.facts("tflite/prune(0.8)+fp32")),  # nothing to hold it against
    ("PROMISE-BROKEN", compressed("prune(0.8)+fp32", weights=pruned(610))),  # that is PARTLY-COMPRESSED
    ("PARTLY-COMPRESSED", compressed("prune(0.8)+fp32", weights=pruned(785))),  # within the tolerance
    ("PARTLY-COMPRESSED", compressed("prune(0.8)+fp32", weights=pruned(30))),  # that is PROMISE-BROKEN
    ("PARTLY-COMPRESSED", compressed("channels(0.3)+fp32", macs=690)),
    ("SLOWER-THAN-BASELINE", against(2.02)),
    ("OUTPUT-DRIFT", answered("tflite/fp32", max_rel_diff=1e-5)),
    ("OUTPUT-DRIFT", answered("tflite/fp16", max_rel_diff=1e-3)),
    ("OUTPUT-DRIFT", answered(STATIC, score=0.89, top1_agreement=0.75, snr_db=7.0)),
    ("OUTPUT-DRIFT", answered(STATIC, model={"random_weights": True}, score=0.1, snr_db=25.0)),
    # neighbouring bins change places, and the user's own metric does not mind
    (
        "OUTPUT-DRIFT",
        answered(STATIC, model={"metric": "pitch"}, score=0.963, reference_score=0.967, top1_agreement=0.75),
    ),
    # the largest number of an embedding is no class
    (
        "OUTPUT-DRIFT",
        answered(
            STATIC,
            model={"metric": "", "labelled": False},
            score=None,
            reference_score=None,
            top1_agreement=0.3,
            snr_db=20.0,
        ),
    ),
    ("OUTPUT-DRIFT", answered("tflite/channels(0.5)+static_wi8_ai8", score=0.82)),
    ("OUTPUT-DRIFT", answered("tflite/weight_only_wi4_afp32", score=0.81)),
    ("NON-FINITE-OUTPUT", answered(STATIC)),
    ("RANDOM-WEIGHTS", judged.facts()),
    ("NO-REFERENCE", judged.facts()),
    ("NO-LABELS", judged.facts()),
    ("NO-LABELS", judged.facts(measured={"quality": None})),
]


@pytest.mark.parametrize(("id_", "facts", "detail"), RAISED, ids=[row[0] for row in RAISED])
def test_facts_that_raise_a_doubt_raise_it_with_figures(id_: str, facts: Facts, detail: str) -> None:
    found = {caveat.id: caveat for caveat in caveats.judge(facts)}
    assert id_ in found
    assert detail in found[id_].detail


@pytest.mark.parametrize(("id_", "facts"), QUIET, ids=[row[0] for row in QUIET])
def test_facts_that_do_not_raise_a_doubt_leave_it_out(id_: str, facts: Facts) -> None:
    assert id_ not in {caveat.id for caveat in caveats.judge(facts)}


def test_every_doubt_of_the_table_is_raised_here_and_left_out_here() -> None:
    assert {row[0] for row in RAISED} == {row[0] for row in QUIET} == set(CAVEATS)


def test_a_sound_build_on_the_host_has_the_one_caveat_that_informs() -> None:
    found = caveats.judge(judged.facts())
    assert [caveat.id for caveat in found] == ["HOST"]
    assert not any(caveats.casts_doubt(found[0], name) for name in metrics.METRICS)


def test_a_build_without_a_file_has_no_caveats() -> None:
    failed = judged.variant("tflite/fp16", failure=Failure(stage="convert", reason="no"))
    assert caveats.judge(judged.facts("tflite/fp16", variant=failed, measurement=None)) == ()


def test_a_build_that_could_not_be_measured_is_still_judged_by_its_file() -> None:
    facts = held(STATIC, weight_elements={"float32": 1})
    facts = Facts(experiment=facts.experiment, model=facts.model, variant=facts.variant)
    assert [caveat.id for caveat in caveats.judge(facts)] == ["PROMISE-BROKEN"]


@pytest.mark.parametrize(
    ("id_", "doubted", "trusted"),
    [
        ("NOISY-MACHINE", ["latency_ms.p90", "first_inference_ms"], ["on_cpu_ms.p50", "size_bytes", "accuracy"]),
        ("EMULATOR", ["latency_ms.p50", "on_cpu_ms.p50", "peak_rss_mb"], ["size_bytes", "accuracy", "cosine"]),
        ("RANDOM-WEIGHTS", ["accuracy", "accuracy_change", "cosine", "snr_db"], ["latency_ms.p50", "size_mb"]),
        ("OUTPUT-DRIFT", ["latency_ms.p50", "size_bytes", "anything"], []),
        ("NO-STEADY-STATE", ["sustained_ms.p50_last", "sustained_slowdown"], ["latency_ms.p50", "energy_mj"]),
        ("THERMAL-THROTTLED", [], ["latency_ms.p50", "sustained_ms.p50_last"]),
        ("CHARGING", ["energy_mj"], ["latency_ms.p50", "size_bytes"]),
        ("THERMAL-LIMITED", ["latency_ms.p50", "load_ms"], ["sustained_ms.p50_last", "accuracy", "peak_rss_mb"]),
        ("MEANS-ONLY", ["latency_ms.p50", "latency_ms.p99"], ["latency_ms.mean", "load_ms"]),
        ("NO-BENEFIT", [], ["latency_ms.p50", "size_bytes", "accuracy"]),
    ],
)
def test_a_caveat_doubts_the_metrics_that_it_is_about(id_: str, doubted: list[str], trusted: list[str]) -> None:
    facts = next(row[1] for row in RAISED if row[0] == id_)
    caveat: Caveat = next(one for one in caveats.judge(facts) if one.id == id_)
    assert all(caveats.casts_doubt(caveat, name) for name in doubted)
    assert not any(caveats.casts_doubt(caveat, name) for name in trusted)
