"""The nouns of pocketbench: frozen records that are also the format of results.json and bench.yaml.

A run is one `Report`. It holds the `Experiment` that was asked for, the `Variant`s (builds) that were made,
one `Measurement` per variant and device with every timed call, and what follows from them: `Standing`s
(the ranking) and `Verdict`s (the gates). Units stand in the names: `_ms` milliseconds, `_ns` nanoseconds,
`_mb` 2**20 bytes, `_bytes` bytes. Defaults are written here and nowhere else.
"""

from __future__ import annotations

from typing import Literal

import msgspec

SCHEMA_VERSION = 1

Runtime = Literal["tflite", "executorch"]
Format = Literal["python", "pt2", "keras-python", "keras", "savedmodel", "tflite", "pte"]
Outcome = Literal["pass", "fail", "not judged"]
Accelerator = Literal["cpu", "gpu", "npu"]


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A value that never changes; unknown keys are refused when one is read."""


# --- what the user asks for: bench.yaml -------------------------------------------------------------


class ModelSource(Record, frozen=True, kw_only=True):
    """Where the model comes from.

    source: a Python file with `get_model()` (and `get_args()`, which Keras models may leave out), a `.pt2`
    ExportedProgram, a `.keras` or `.h5` file, a SavedModel folder, or a ready-made `.tflite` or `.pte`. depends_on:
    files that the model's code reads in ways Python cannot see (they are part of the cache key, like every file seen
    to be opened). dynamic_batch: TFLite builds of a Keras or TensorFlow model take any number of samples at once.
    integer_io: statically quantized TFLite builds take and give integers, which saves their first and last operator.
    """

    source: str
    name: str = ""
    depends_on: tuple[str, ...] = ()
    dynamic_batch: bool = False
    integer_io: bool = False
    calibration_samples: int = 100
    evaluation_samples: int = 1000


class Settings(Record, frozen=True, kw_only=True):
    """How one build is measured; one restart is one fresh process.

    Per restart: load, first inference (kept apart), warm-up of at least `warmup_runs` calls and `warmup_min_secs`
    until steady (at most `warmup_max_secs`), then at least `num_runs` calls and `min_secs`, at most `max_secs`,
    in `blocks` blocks. After `restarts` restarts of every build, those that are still tied, or whose gates are still
    open, get more, up to `max_restarts` each and for `extra_secs` in all. With `sustained_secs` above 0 each build then
    gets one more process that calls it for so long without a pause. With `energy_secs` above 0, on a phone, the
    battery's counter is then read in `energy_groups` groups of four blocks of so long: idle, load, load, idle.
    """

    accelerator: Accelerator = "cpu"
    num_threads: int = 1
    restarts: int = 5
    max_restarts: int = 10
    extra_secs: float = 60.0
    warmup_runs: int = 3
    warmup_min_secs: float = 0.2
    warmup_max_secs: float = 8.0
    num_runs: int = 50
    min_secs: float = 0.5
    max_secs: float = 10.0
    blocks: int = 8
    sustained_secs: float = 0.0
    timeout_secs: float = 300.0
    memory_limit_mb: int = 8192
    energy_secs: float = 0.0
    energy_groups: int = 4


class Phone(Record, frozen=True, kw_only=True):
    """How builds are run on a phone. route: in the benchmark app, or by the runtimes' own programs for the shell,
    named by benchmark_model and executor_runner (files on this computer, built for the phone). tflite_app,
    executorch_app: the app's packages on this computer, put on the phone when it has others; "" for those it has.

    cool_down_secs: longest wait, before each process, for the phone to be as cool as at the start. fixed_performance:
    ask for Android's fixed-performance mode while measuring. store_mb: builds kept there, to be pushed once only.
    """

    route: Literal["app", "binary"] = "app"
    benchmark_model: str = ""
    executor_runner: str = ""
    tflite_app: str = ""
    executorch_app: str = ""
    cool_down_secs: float = 600.0
    fixed_performance: bool = True
    store_mb: int = 2048


class Limits(Record, frozen=True, kw_only=True):
    """Bounds of one conversion; jobs 0 means one per core."""

    timeout_secs: float = 1200.0
    memory_limit_mb: int = 12288
    jobs: int = 0


class Schedule(Record, frozen=True, kw_only=True):
    """How zeros grow while `prune` trains: s(t) = final + (initial - final) * (1 - t)^3, final being its argument.

    begin, end: where in the training, as shares of it; t goes from 0 to 1 between them. frequency: optimizer steps
    between two new masks, fewer in a short training, which draws at least ten.
    """

    initial_sparsity: float = 0.0
    begin: float = 0.0
    end: float = 0.6
    frequency: int = 10


class Training(Record, frozen=True, kw_only=True):
    """How compression steps train, each of them anew, with Adam and a learning rate that falls to 0 along a cosine.

    samples: at most so many of get_training_data(); validation_samples of them, at most a fifth, are kept apart to
    watch the quality. floor: what the task metric may not fall below on these, a number or `baseline - 0.01`, baseline
    being the source model's; "" for none. temperature, soft_share: of a teacher's soft labels, and their share of the
    loss. hints: `layer` or `layer=teacher's layer`, pairs of modules whose features are pulled together, with the
    weight hint_weight.
    """

    epochs: float = 3.0
    batch_size: int = 64
    learning_rate: float = 1e-3
    samples: int = 100_000
    validation_samples: int = 1000
    floor: str | float = ""
    schedule: Schedule = Schedule()
    temperature: float = 4.0
    soft_share: float = 0.7
    hints: tuple[str, ...] = ()
    hint_weight: float = 1.0


class GateRule(Record, frozen=True, kw_only=True):
    """A gate that holds for some builds only; builds are ids such as `tflite/static_wi8_ai8` or `*/fp32`."""

    gate: str
    builds: tuple[str, ...] = ()


class Experiment(Record, frozen=True, kw_only=True):
    """bench.yaml, checked. `folder` is where relative paths start.

    release says what the exit code is about: `all` builds must pass their gates, `any` one is enough, or the
    named builds must. device: `host`, `auto` (a phone, else this computer), `phone` (refuses without one), a serial,
    `emulator:<avd>` or `sandbox`; devices: several phones at once, or all, each with a report of its own.
    accept: ids of caveats whose doubt the user takes on. confidence: of every interval.
    side_by_side: builds, by patterns such as `*/channels(0.3)+*`, that are timed in pairs with the build they were made
    from, which tells smaller gains than two medians do.
    false_alarms: chance that any of a run's side-by-side comparisons finds a change where there is none.
    minimum_effect: a smaller change, as a share, is no alarm.
    """

    model: ModelSource
    runtimes: tuple[Runtime, ...] = ("tflite", "executorch")
    recipes: tuple[str, ...] = ("fp32", "static_wi8_ai8")
    baseline: str = "fp32"
    device: str = "host"
    devices: Literal["all"] | tuple[str, ...] = ()
    phone: Phone = Phone()
    settings: Settings = Settings()
    limits: Limits = Limits()
    training: Training = Training()
    gates: tuple[str | GateRule, ...] = ()
    release: Literal["all", "any"] | tuple[str, ...] = "all"
    accept: tuple[str, ...] = ()
    side_by_side: tuple[str, ...] = ()
    rank_by: str = "latency_ms.p50"
    confidence: float = 0.95
    false_alarms: float = 0.01
    minimum_effect: float = 0.01
    seed: int = 0
    output: str = "runs"
    name: str = ""
    folder: str = "."


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
