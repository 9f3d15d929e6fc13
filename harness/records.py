"""The nouns of pocketbench: frozen records that are also the format of results.json and bench.yaml.

A run is one `Report`. It holds the `Experiment` that was asked for, the `Variant`s (builds) that were made,
one `Measurement` per variant and device with every timed call, and what follows from them: `Standing`s
(the ranking) and `Verdict`s (the gates). Units stand in the names: `_ms` milliseconds, `_ns` nanoseconds,
`_mb` 2**20 bytes, `_bytes` bytes. Defaults are written here and nowhere else.
"""

from __future__ import annotations

from typing import Literal

# Part of the same vocabulary, and to be imported from here.
from harness.asked import Accelerator as Accelerator
from harness.asked import Experiment as Experiment
from harness.asked import GateRule as GateRule
from harness.asked import Limits as Limits
from harness.asked import ModelSource as ModelSource
from harness.asked import Phone as Phone
from harness.asked import Record as Record
from harness.asked import Runtime as Runtime
from harness.asked import Schedule as Schedule
from harness.asked import Settings as Settings
from harness.asked import Training as Training

SCHEMA_VERSION = 1

Format = Literal["python", "pt2", "keras-python", "keras", "savedmodel", "tflite", "pte"]
Outcome = Literal["pass", "fail", "not judged"]


# --- builds -----------------------------------------------------------------------------------------


class TensorSpec(Record, frozen=True, kw_only=True):
    """One input or output; shape counts the batch, -1 is a dynamic dimension; dtype in numpy's words."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None = None
    zero_point: int | None = None


class Failure(Record, frozen=True, kw_only=True):
    """Why a build has no file or no numbers."""

    stage: Literal["prepare", "convert", "inspect", "measure", "quality"]
    reason: str
    remedy: str = ""
    log: str = ""
    unsupported: bool = False  # the runtime does not have this recipe: expected, not an accident


class Model(Record, frozen=True, kw_only=True):
    """The source after it was looked at: what goes in, what comes out, what data came with it.

    operators: what one call of it runs before anything is fused, count per ATen operator; empty for a ready-made file.
    """

    name: str
    source: str
    format: Format
    fingerprint: str
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    parameters: int | None = None
    operators: dict[str, int] = {}
    calibration_samples: int = 0
    evaluation_samples: int = 0
    labelled: bool = False
    metric: str = ""  # "" when there are no labels: parity only
    metric_higher_is_better: bool = True
    random_weights: bool = False
    notes: tuple[str, ...] = ()


class Step(Record, frozen=True, kw_only=True):
    """One step of a recipe: `prune(0.8)` is name `prune` with arguments `("0.8",)`."""

    name: str
    arguments: tuple[str, ...] = ()


class Recipe(Record, frozen=True, kw_only=True):
    """What is done to the model before it is a file; `name` is its spelling in the recipe grammar."""

    name: str
    steps: tuple[Step, ...]


class WeightTensor(Record, frozen=True, kw_only=True):
    """One constant weight inside a build, once per stored buffer.

    zeros: elements that stand for 0 (equal to the zero point when quantized). distinct: different stored values, and
    distinct_per_channel: the most in any one output channel. groups: of so many neighbours along the input channels
    (4: the groups of 2:4), how many have 0, 1, 2 ... non-zeros; only for tensors with many zeros, stored densely.
    saturated_biases: elements of the bias beside it that lie at the end of their integer type's range. macs:
    multiply-adds of the operators that read it. stored_bytes: in the file, with the index of a sparse tensor.
    """

    name: str
    operator: str
    shape: tuple[int, ...]
    dtype: str
    elements: int
    zeros: int
    distinct: int
    distinct_per_channel: int = 0
    groups: dict[int, tuple[int, ...]] = {}
    saturated_biases: int = 0
    macs: int | None = None
    stored_bytes: int = 0


class Contents(Record, frozen=True, kw_only=True):
    """What a build's file really holds, read from the file itself; all its methods or subgraphs added up.

    download_bytes: after deflate level 9, what a store download costs. packed_bytes: as `pocketbench pack` writes it,
    None where the file was not looked into that far.
    weights: constants that multiply-adds read, and other constant tables (not biases, scales, shapes).
    weight_elements, weight_bytes: of them per stored dtype, in numpy's words with `int4` and `bfloat16`, looked for
    behind operators that only unpack them; sparsity: share of zeros among them.
    operators: count per operator as the file spells them; inside a delegate of a .pte, the delegate's own nodes.
    fused_activations: operators that apply an activation at no extra pass.
    delegates: subgraphs per delegate. delegated_operators / total_operators, and left_operators by name: a .pte
    tells itself; a .tflite's first subgraph as the XNNPACK interpreter splits it on loading, None when not loaded.
    macs: multiply-adds of one call, control flow counted once; delegated_macs_share: those inside a delegate.
    activation_dtypes: number of computed tensors per dtype: tells static from dynamic and weight-only int8.
    inputs, outputs: of the first subgraph, or of `forward`; upper bounds where a .pte has dynamic shapes.
    custom_operators: by name. unopened_bytes: payload of delegates whose format is not known here; operators, macs
    and weights inside are then unknown. load_failure: why the runtime refused the file, "" when it did not.
    """

    format: Literal["tflite", "pte"]
    size_bytes: int
    download_bytes: int
    packed_bytes: int | None = None
    weight_elements: dict[str, int]
    weight_bytes: dict[str, int]
    sparsity: float
    operators: dict[str, int]
    fused_activations: int = 0
    delegates: dict[str, int] = {}
    delegated_operators: int | None = None
    total_operators: int | None = None
    left_operators: dict[str, int] = {}
    macs: int | None = None
    delegated_macs_share: float | None = None
    activation_dtypes: dict[str, int] = {}
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    weights: tuple[WeightTensor, ...] = ()
    custom_operators: tuple[str, ...] = ()
    unopened_bytes: int = 0
    load_failure: str = ""


class StepResult(Record, frozen=True, kw_only=True):
    """What one compression step did. score: the task metric on samples kept apart from training, higher is better (a
    metric where lower is better comes negated); None where there are none. stopped: where it ended before its target,
    and why. facts: what the step says of itself, such as `sparsity` or `layers_left`."""

    step: str
    seconds: float
    score_before: float | None = None
    score_after: float | None = None
    stopped: str = ""
    facts: dict[str, str | float | int | list[str] | dict[str, float]] = {}


class Variant(Record, frozen=True, kw_only=True):
    """One build: a file that one runtime can run, or the reason why there is none. history: its compression steps."""

    id: str  # "tflite/static_wi8_ai8"
    runtime: Runtime
    recipe: str
    path: str = ""
    sha256: str = ""
    contents: Contents | None = None
    tools: dict[str, str] = {}
    seconds: float = 0.0
    cached: bool = False
    warnings: tuple[str, ...] = ()
    history: tuple[StepResult, ...] = ()
    failure: Failure | None = None


# --- measurements -----------------------------------------------------------------------------------


class Device(Record, frozen=True, kw_only=True):
    """What the numbers were taken on."""

    kind: Literal["phone", "emulator", "sandbox", "host"]
    name: str
    soc: str = ""
    abi: str = ""
    os_build: str = ""
    serial: str = ""
    cores: int = 0
    memory_mb: int = 0
    facts: dict[str, str] = {}


class Block(Record, frozen=True, kw_only=True):
    """Timed calls that followed each other; one entry per sample, a sample is `calls_per_sample` calls.

    wall_ns: what a user would wait, per sample. wait_ns: how much of it the thread stood in the run queue,
    empty where the system does not tell. start_ns: when it began, on a clock of the device that only grows.
    """

    wall_ns: tuple[int, ...]
    wait_ns: tuple[int, ...] = ()
    calls_per_sample: int = 1
    canary_ns: int | None = None
    start_ns: int | None = None


class Memory(Record, frozen=True, kw_only=True):
    """Of the whole process. peak_rss_mb: the high-water mark from just before loading the build, less what
    was resident then, so the cost of the build and not of the interpreter; total_peak_rss_mb: with it."""

    peak_rss_mb: float
    total_peak_rss_mb: float
    anonymous_mb: float | None = None
    file_backed_mb: float | None = None
    method: str = "VmHWM"


class EnergyBlock(Record, frozen=True, kw_only=True):
    """Readings of an energy counter while nothing ran (idle) or a build was called without a pause (load).

    group: blocks of one number are held against each other, idle, load, load, idle. time_s: on a clock that only grows.
    counter: see EnergyTrace. voltage_v: beside each reading, empty for a counter of energy. inferences: calls between
    the first and the last reading of a load block.
    """

    kind: Literal["idle", "load"]
    group: int
    time_s: tuple[float, ...]
    counter: tuple[float, ...]
    voltage_v: tuple[float, ...] = ()
    inferences: int = 0


class EnergyTrace(Record, frozen=True, kw_only=True):
    """What an energy counter said while a build was measured; harness/energy.py makes figures of it.

    counter: `charge_uah` is what is left in a battery, `energy_uj` what was used since some start. quantum (in the
    counter's unit) and refresh_secs: its smallest step and how often it moves, None where only the readings tell.
    charging: whether power came in at any time.
    """

    source: str
    counter: Literal["charge_uah", "energy_uj"]
    blocks: tuple[EnergyBlock, ...]
    quantum: float | None = None
    refresh_secs: float | None = None
    charging: bool = False


class Restart(Record, frozen=True, kw_only=True):
    """One fresh process with one build. load_ms, first_inference_ms: 0 where the runner does not tell."""

    started: str
    load_ms: float
    first_inference_ms: float
    warmup: Block
    blocks: tuple[Block, ...]
    memory: Memory | None = None
    facts: dict[str, str] = {}
    delegate: str = ""
    delegated_operators: int | None = None
    total_operators: int | None = None
    steady: bool = True
    energy: EnergyTrace | None = None


class Sustained(Record, frozen=True, kw_only=True):
    """One fresh process that called a build for minutes without a pause, in blocks of about a second, an entry each.

    start_secs: since the first block. wall_ms, on_cpu_ms: median of the block's calls, on_cpu_ms empty where the wait
    is not known. canary_us: a fixed loop right before the block, empty where it was not run.
    """

    started: str
    start_secs: tuple[float, ...]
    wall_ms: tuple[float, ...]
    on_cpu_ms: tuple[float, ...] = ()
    canary_us: tuple[float, ...] = ()
    energy: EnergyTrace | None = None
    facts: dict[str, str] = {}


class Quality(Record, frozen=True, kw_only=True):
    """A build's outputs, produced by the measured build in its runner, against the reference's.

    cosine, snr_db, max_abs_diff, max_rel_diff: over all samples, in float64, of the output that comes off worst;
    top1_agreement only for outputs that are class scores. score / reference_score: the task metric of the build and
    of the source model. correct: where the score is the share of right classes, one digit per sample, 1 for right,
    so that two builds can be compared sample by sample.
    """

    samples: int
    cosine: float
    max_abs_diff: float
    max_rel_diff: float
    snr_db: float
    top1_agreement: float | None = None
    score: float | None = None
    reference_score: float | None = None
    non_finite: int = 0
    correct: str = ""


class Measurement(Record, frozen=True, kw_only=True):
    """Facts of one build on one device; doubts and verdicts are drawn from them elsewhere."""

    variant: str
    device: Device
    settings: Settings
    restarts: tuple[Restart, ...] = ()
    quality: Quality | None = None
    sustained: Sustained | None = None
    energy: EnergyTrace | None = None  # from a run of its own; else each restart may have one
    failure: Failure | None = None


# --- judgement --------------------------------------------------------------------------------------


class Estimate(Record, frozen=True, kw_only=True):
    """A number with its interval; low and high are None where too few samples allow no interval."""

    value: float
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95
    samples: int = 0


class Comparison(Record, frozen=True, kw_only=True):
    """Build `b` against build `a`, timed side by side in pairs of live processes (see harness/paired.py).

    effect: b / a - 1 as a share (0.03: b is 3 % slower), with the interval that holds over all looks together.
    log_ratios: the statistic of every pair. clock: what was compared, on-CPU time where the system tells it.
    alpha, minimum_effect, margin: what was asked for.
    """

    a: str
    b: str
    outcome: Literal["faster", "slower", "same", "inconclusive"]
    effect: Estimate
    p: float
    log_ratios: tuple[float, ...]
    clock: Literal["on-CPU", "wall"]
    wait_share: float | None = None
    alpha: float = 0.01
    minimum_effect: float = 0.01
    margin: float = 0.03
    seconds: float = 0.0
    reason: str = ""


class Caveat(Record, frozen=True, kw_only=True):
    """A doubt: what it is, what it means, what to do. doubts: metrics it casts doubt on, `*` for all."""

    id: str
    summary: str
    advice: str
    detail: str = ""
    doubts: tuple[str, ...] = ()


class Verdict(Record, frozen=True, kw_only=True):
    """What became of one gate for one build. limit: the number it was held against, baseline resolved."""

    gate: str
    variant: str
    outcome: Outcome
    observed: Estimate | None = None
    limit: float | None = None
    reason: str = ""


class Standing(Record, frozen=True, kw_only=True):
    """A build's place. rank is None for builds without numbers; builds with equal rank cannot be told apart."""

    variant: str
    rank: int | None = None
    tied: bool = False
    on_front: bool = False
    metrics: dict[str, Estimate] = {}
    caveats: tuple[Caveat, ...] = ()
    failure: Failure | None = None


class Benefit(Record, frozen=True, kw_only=True):
    """What a build gained over its parent: the same quantization without the compression, or fp32, in the same runtime.

    parent: id of that build, or (parent "") `missing` says which recipe would have to be in the experiment. gains: how
    many times smaller, lighter or faster, by metric (2.0: half the bytes, half the time), with `macs` and `parameters`
    from the files. clock: of the gain in time, "side by side" where a comparison of the pair exists. change: of
    `quality`, the build's less the parent's. outcome: `helped` when faster, smaller on disk or lighter (for what only
    trains: better) beyond the noise, `at a price` when something else got worse, `sending only` when nothing but the
    zipped or packed file shrank.
    """

    variant: str
    parent: str = ""
    missing: str = ""
    gains: dict[str, Estimate] = {}
    clock: Literal["", "side by side", "on-CPU", "wall"] = ""
    quality: str = ""
    change: Estimate | None = None
    outcome: Literal["helped", "at a price", "sending only", "no benefit", "not told"] = "not told"
    verdict: str = ""


class Recommendation(Record, frozen=True, kw_only=True):
    """The one build to ship, or (variant "") why none can be named."""

    variant: str
    reason: str


class Report(Record, frozen=True, kw_only=True):
    """One run, whole: results.json. gate_outcome: what the release rule makes of all verdicts (and what the
    exit code says); None without gates."""

    schema_version: int = SCHEMA_VERSION
    id: str = ""
    created: str = ""
    tool_version: str = ""
    experiment: Experiment
    model: Model | None = None
    devices: tuple[Device, ...] = ()
    variants: tuple[Variant, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    standings: tuple[Standing, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    benefits: tuple[Benefit, ...] = ()
    gate_outcome: Outcome | None = None
    recommendation: Recommendation | None = None
    environment: dict[str, str] = {}
    convert_secs: float = 0.0
    measure_secs: float = 0.0
    complete: bool = False
