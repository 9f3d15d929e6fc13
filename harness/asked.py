"""The nouns of bench.yaml: what the user asks for. `records` has those of what comes of it, and these as well.

Units stand in the names: `_ms` milliseconds, `_mb` 2**20 bytes, `_secs` seconds. Defaults are written here and nowhere
else.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Runtime = Literal["tflite", "executorch"]
Accelerator = Literal["cpu", "gpu", "npu"]


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A value that never changes; unknown keys are refused when one is read."""


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
