"""device_runners/rails.py: power rails out of a perfetto trace, written here field by field."""

from __future__ import annotations

import pytest

from device_runners import rails
from device_runners.gauge import Span
from harness import energy
from harness.errors import RunnerError

IDLE_W, LOAD_W, SECS, CALLS = 0.4, 2.4, 10.0, 500
KINDS = ("idle", "load", "load", "idle") * 2
SPANS = tuple(
    Span(
        kind=kind,
        group=number // 4,
        start_s=100 + number * SECS,
        end_s=100 + (number + 1) * SECS,
        inferences=CALLS if kind == "load" else 0,
    )
    for number, kind in enumerate(KINDS)
)


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def packet(*parts: bytes) -> bytes:
    """A TracePacket with a time stamp (field 8) and power rails (field 40)."""
    return field(1, field(8, 123456789) + field(40, b"".join(parts)))


def descriptor(index: int, name: str) -> bytes:
    return field(1, field(1, index) + field(2, name.encode()) + field(4, 1000))


def reading(index: int, time_ms: int, uws: int) -> bytes:
    return field(2, field(1, index) + field(2, time_ms) + field(3, uws))


def recorded() -> bytes:
    """Two rails that share the power, 3 : 1, read four times a second, a millisecond apart."""
    out = [field(1, field(33, b"\x08\x01")), packet(descriptor(0, "VDD_CPU"), descriptor(1, "VDD_MEM"))]
    used, now = 7_000_000.0, SPANS[0].start_s
    for span in SPANS:
        while now < span.end_s:
            share = int(used / 4)
            out.append(packet(reading(0, round(now * 1000), 3 * share), reading(1, round(now * 1000) + 1, share)))
            used += (LOAD_W if span.kind == "load" else IDLE_W) * 0.25 * 1e6
            now += 0.25
    return b"".join(out)


def test_the_energy_of_a_call_is_found_from_all_rails_together() -> None:
    found = rails.parse(recorded())
    assert found.names == {0: "VDD_CPU", 1: "VDD_MEM"}
    made = rails.trace(found, SPANS)
    assert made.counter == "energy_uj" and made.source == "2 power rails, added up" and not made.charging
    estimate = energy.estimate(made, 0.95).per_inference_mj
    assert estimate is not None
    assert estimate.value == pytest.approx((LOAD_W - IDLE_W) * SECS / CALLS * 1000, rel=0.02)


def test_a_trace_without_rails_has_no_energy() -> None:
    found = rails.parse(field(1, field(8, 5) + field(38, b"\x08\x02")))
    assert found == rails.Rails()
    with pytest.raises(RunnerError, match="were not read"):
        rails.trace(found, SPANS)


@pytest.mark.parametrize("trace", [b"\x0a", b"\x0a\xff\xff\xff\x7f", b"\xff" * 20, b"\x0b\x00", recorded()[:-3]])
def test_a_trace_that_is_cut_off_or_none_is_an_error(trace: bytes) -> None:
    with pytest.raises(RunnerError, match="trace of the power rails"):
        rails.parse(trace)
