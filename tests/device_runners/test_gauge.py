"""device_runners/gauge.py: from what a fuel gauge said, in whatever unit and sign, to the energy of one call."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from device_runners import gauge
from device_runners.gauge import Span
from device_runners.wire import BuildResult, Response
from harness import energy
from harness.errors import RunnerError
from harness.records import Block

SECS, CALLS_PER_SEC, VOLTS = 60.0, 50, 4.0
IDLE_MA, LOAD_MA, FULL_UAH = 150.0, 650.0, 4_000_000.0
TRUE_MJ = (LOAD_MA - IDLE_MA) * VOLTS / CALLS_PER_SEC

KINDS = ("idle", "load", "load", "idle") * 3
SPANS = tuple(
    Span(
        kind=kind,
        group=number // 4,
        start_s=1000 + number * SECS,
        end_s=1000 + (number + 1) * SECS,
        inferences=int(CALLS_PER_SEC * SECS) if kind == "load" else 0,
    )
    for number, kind in enumerate(KINDS)
)


def log(line: Callable[[float, float, float], str], period: float = 0.25) -> str:
    """A sampler's output over all spans; `line` makes one look of (seconds, uAh that are left, mA that are drawn)."""
    left, out, now = 0.8 * FULL_UAH, [], SPANS[0].start_s
    for span in SPANS:
        drawn = LOAD_MA if span.kind == "load" else IDLE_MA
        while now < span.end_s:
            out.append(line(now, left, drawn))
            left -= drawn * 1000 * period / 3600
            now += period
    return "\n".join(out) + "\n"


def energy_mj(text: str, level: float | None = 0.8) -> energy.Energy:
    return energy.estimate(gauge.trace(gauge.readings(text), SPANS, level), 0.95)


SHAPES = {
    "charge in uAh": lambda t, left, ma: f"{t:.2f} {left:.0f} 4000000 - Discharging",
    "charge in mAh": lambda t, left, ma: f"{t:.2f} {left / 1000:.3f} 4000 - Discharging",
    "current in uA, negative when drawn": lambda t, left, ma: f"{t:.2f} - 4000000 {-1000 * ma:.0f} Discharging",
    "current in uA, positive when drawn": lambda t, left, ma: f"{t:.2f} - 4000000 {1000 * ma:.0f} Discharging",
    "current in mA, positive when drawn": lambda t, left, ma: f"{t:.2f} - 4.0 {ma:.0f} Unknown",
    "whole dumps": lambda t, left, ma: (
        f"@ {t:.2f}\n  USB powered: false\n  Charge counter: {left:.0f}\n  status: 3\n  level: 80\n  voltage: 4000"
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_energy_of_a_call_is_found_in_every_unit_and_sign(shape: str) -> None:
    found = energy_mj(log(SHAPES[shape]))
    assert found.per_inference_mj is not None, found.reason
    assert found.per_inference_mj.value == pytest.approx(TRUE_MJ, rel=0.01)


def test_a_current_s_guessed_unit_and_sign_are_told_beside_the_figure() -> None:
    made = gauge.trace(gauge.readings(log(SHAPES["current in mA, positive when drawn"])), SPANS, 0.8)
    assert made.source == "current, added up over time (taken for mA, positive when it discharges)"


def test_a_coarse_counter_is_answered_with_the_time_it_would_take() -> None:
    found = energy_mj(log(lambda t, left, ma: f"{t:.2f} {left // 5000 * 5000:.0f} 4000000 - Discharging"))
    assert found.per_inference_mj is None and found.needed_secs is not None and found.needed_secs > 400


def test_a_charger_plugged_in_on_the_way_makes_it_unusable() -> None:
    text = log(SHAPES["charge in uAh"]).replace("Discharging", "Full", 3)
    assert "was charging" in energy_mj(text).reason


def test_torn_lines_and_looks_without_a_value_are_left_out() -> None:
    lines = log(SHAPES["charge in uAh"]).splitlines()
    lines[10:20] = ["1002.50 - - - Discharging", "gibberish", "", "1003", "nan nan nan nan nan"]
    found = energy_mj("\n".join(lines) + "\n1720.")
    assert found.per_inference_mj is not None
    assert found.per_inference_mj.value == pytest.approx(TRUE_MJ, rel=0.02)


def test_a_phone_without_a_voltage_has_no_energy() -> None:
    text = log(lambda t, left, ma: f"{t:.2f} {left:.0f} - - Discharging")
    assert "voltage is not known" in energy_mj(text).reason


@pytest.mark.parametrize(
    ("value", "level", "unit"),
    [(2_750_000, 0.68, 1.0), (2750, 0.68, 1000.0), (220, 0.05, 1000.0), (150_000, None, 1.0), (2750, None, 1000.0)],
)
def test_the_unit_of_a_charge_is_found_from_the_size_of_a_battery(
    value: float, level: float | None, unit: float
) -> None:
    assert gauge.charge_unit_uah(value, level) == unit


@pytest.mark.parametrize(("value", "level"), [(68, 0.68), (0, 0.5), (10**12, 0.5), (40_000, 0.5)])
def test_a_charge_that_fits_no_battery_is_refused(value: float, level: float | None) -> None:
    with pytest.raises(RunnerError, match="neither microampere-hours"):
        gauge.charge_unit_uah(value, level)


def test_a_phone_that_tells_neither_charge_nor_current_is_refused() -> None:
    with pytest.raises(RunnerError, match="neither the charge"):
        energy_mj(log(lambda t, left, ma: f"{t:.2f} - 4000000 - Discharging"))


def answer(*blocks: Block) -> Response:
    return Response(run_id="r", started="", results=(BuildResult(build="tflite/fp32", blocks=blocks),))


def test_a_load_s_span_lies_inside_the_timed_part_and_holds_its_share_of_the_calls() -> None:
    blocks = tuple(Block(wall_ns=(10**7,) * 100, start_ns=5 + number * 10**9) for number in range(60))
    span = gauge.load_span(answer(*blocks), 2, ended_s=1000.0)
    assert (span.kind, span.group, span.start_s, span.end_s) == ("load", 2, 940.5, 998.5)
    assert span.inferences == round(6000 * 58 / 60)


def test_a_load_that_tells_no_starts_lasts_as_long_as_its_calls() -> None:
    span = gauge.load_span(answer(Block(wall_ns=(60 * 10**9,), calls_per_sample=3000)), 0, ended_s=100.0)
    assert (span.start_s, span.end_s, span.inferences) == (40.5, 98.5, 2900)


def test_a_load_without_calls_or_shorter_than_its_edges_is_an_error() -> None:
    with pytest.raises(RunnerError, match="nothing was timed"):
        gauge.load_span(answer(), 0, 100.0)
    with pytest.raises(RunnerError, match="too short"):
        gauge.load_span(answer(Block(wall_ns=(10**9,))), 0, 100.0)
