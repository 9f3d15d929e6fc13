import msgspec
import numpy as np

from harness.records import Block, Device, Measurement, Restart, Settings
from reports.spread import DOTS, spread


def measured(*restarts: tuple[int, ...], wait_ns: tuple[int, ...] = (), calls: int = 1) -> Measurement:
    return Measurement(
        variant="tflite/fp32",
        device=Device(kind="host", name="here"),
        settings=Settings(),
        restarts=tuple(
            Restart(
                started="",
                load_ms=1,
                first_inference_ms=1,
                warmup=Block(wall_ns=(1,)),
                blocks=(Block(wall_ns=samples, wait_ns=wait_ns, calls_per_sample=calls),) if samples else (),
            )
            for samples in restarts
        ),
    )


def test_quantiles_are_those_of_all_samples_together() -> None:
    random = np.random.default_rng(1)
    first, second = (tuple(int(x) for x in random.gamma(2, 1e6, 501)) for _ in range(2))
    found = spread(measured(first, second), runtime="tflite")
    assert found is not None
    every = np.array(first + second) / 1e6
    shown = [found.wall.p5, found.wall.p25, found.wall.p50, found.wall.p75, found.wall.p95, found.wall.p99]
    assert np.allclose(shown, np.percentile(every, [5, 25, 50, 75, 95, 99]))
    assert (found.wall.low, found.wall.high, found.wall.count) == (every.min(), every.max(), 1002)
    assert np.allclose(found.wall.medians, [np.median(first) / 1e6, np.median(second) / 1e6])


def test_few_samples_are_all_shown_and_many_are_thinned_with_both_ends_kept() -> None:
    few = spread(measured((3_000_000, 1_000_000, 2_000_000)), runtime="tflite")
    many = spread(measured(tuple(range(1_000_000, 1_100_000))), runtime="tflite")
    assert few is not None and many is not None
    assert [dot for dot, _ in few.wall.dots] == [1.0, 2.0, 3.0]
    assert len(many.wall.dots) == DOTS
    assert (many.wall.dots[0][0], many.wall.dots[-1][0]) == (many.wall.low, many.wall.high)


def test_on_cpu_time_is_a_lane_only_where_the_wait_is_known() -> None:
    without = spread(measured((4_000_000,)), runtime="tflite")
    known = spread(measured((4_000_000,), wait_ns=(1_000_000,), calls=2), runtime="tflite")
    assert without is not None and without.on_cpu is None
    assert known is not None and known.on_cpu is not None
    assert (known.wall.p50, known.on_cpu.p50) == (2.0, 1.5)


def test_a_build_without_samples_has_no_spread() -> None:
    assert spread(measured(()), runtime="tflite") is None
    assert spread(msgspec.structs.replace(measured(), restarts=()), runtime="tflite") is None
