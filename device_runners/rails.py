"""Energy from a phone's power rails, which some phones (Pixel 6 and later) measure behind the battery.

They count what the parts of the phone use, so that they hold while it charges. Perfetto, which every Android since 9
has, writes them into a trace; of its protobuf only the few fields are read that are named here. Field numbers:
perfetto's protos/perfetto/trace/trace_packet.proto and power/power_rails.proto.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from device_runners.gauge import Span
from harness.errors import RunnerError
from harness.records import EnergyBlock, EnergyTrace, Record

_PACKET, _POWER_RAILS = 1, 40  # of Trace, of TracePacket
_DESCRIPTOR, _ENERGY = 1, 2  # of PowerRails
_INDEX, _NAME = 1, 2  # of both, and of RailDescriptor
_TIME_MS, _USED_UWS = 2, 3  # of EnergyData
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
TRACES = "/data/misc/perfetto-traces"  # where perfetto may write, and the shell may read
# "$1" milliseconds at the most, "$2" the trace's name, "$3" a file that ends it earlier. The configuration goes in by
# standard input: perfetto reads no file of ours.
RECORD = """
cat <<END | perfetto -c - --txt -o "$2" &
duration_ms: $1
buffers { size_kb: 16384 fill_policy: DISCARD }
data_sources {
  config { name: "android.power" android_power_config { battery_poll_ms: 250 collect_power_rails: true } }
}
END
pid=$!
while [ ! -e "$3" ] && kill -0 "$pid" 2>/dev/null; do sleep 0.3; done
kill -TERM "$pid" 2>/dev/null
wait "$pid"
"""


class Rails(Record, frozen=True, kw_only=True):
    """What a trace holds. names: of the rails by number; used: (milliseconds since the start, rail, microwatt-seconds
    since some start), in the order of the trace."""

    names: dict[int, str] = {}
    used: tuple[tuple[int, int, int], ...] = ()


def parse(trace: bytes) -> Rails:
    """Raises RunnerError for what is no trace; packets of other kinds are left out."""
    names: dict[int, str] = {}
    used: list[tuple[int, int, int]] = []
    for number, packet in _fields(trace):
        if number != _PACKET or not isinstance(packet, bytes):
            continue
        for kind, rails in _fields(packet):
            if kind == _POWER_RAILS and isinstance(rails, bytes):
                _read(rails, names, used)
    return Rails(names=names, used=tuple(used))


def _read(rails: bytes, names: dict[int, str], used: list[tuple[int, int, int]]) -> None:
    for number, content in _fields(rails):
        if not isinstance(content, bytes):
            continue
        found = dict(_fields(content))
        index = found.get(_INDEX, 0)
        if number == _DESCRIPTOR and isinstance(index, int):
            name = found.get(_NAME, b"")
            names[index] = name.decode(errors="replace")[:80] if isinstance(name, bytes) else ""
        elif number == _ENERGY and isinstance(index, int):
            time_ms, uws = found.get(_TIME_MS), found.get(_USED_UWS)
            if isinstance(time_ms, int) and isinstance(uws, int):
                used.append((time_ms, index, uws))


def trace(found: Rails, spans: Sequence[Span]) -> EnergyTrace:
    """All rails added up, cut into blocks. Each is read where all have been read, at the time of the latest."""
    times, totals = _totals(found)
    blocks = []
    for span in spans:
        inside = np.flatnonzero((times >= span.start_s) & (times <= span.end_s))
        share = (times[inside[-1]] - times[inside[0]]) / (span.end_s - span.start_s) if inside.size else 0.0
        blocks.append(
            EnergyBlock(
                kind="load" if span.kind == "load" else "idle",
                group=span.group,
                time_s=tuple(times[inside].tolist()),
                counter=tuple(totals[inside].tolist()),
                inferences=round(span.inferences * share),
            )
        )
    return EnergyTrace(
        source=f"{len(found.names)} power rails, added up", counter="energy_uj", blocks=tuple(blocks), charging=False
    )


def _totals(found: Rails) -> tuple[np.ndarray, np.ndarray]:
    latest: dict[int, int] = {}
    at: dict[int, int] = {}
    rails = {index for _, index, _ in found.used}
    for time_ms, index, uws in found.used:
        latest[index] = uws
        if len(latest) == len(rails):
            at[time_ms] = sum(latest.values())
    if not at:
        raise RunnerError("the phone's power rails were not read", remedy="unplug it and use its battery instead")
    return np.asarray(list(at), dtype=np.float64) / 1000, np.asarray(list(at.values()), dtype=np.float64)


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of each field of a protobuf message; values of fixed size are passed over."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield number, value
        elif wire == _BYTES:
            size, at = _varint(message, at)
            if at + size > len(message):
                raise RunnerError("the trace of the power rails is cut off")
            yield number, message[at : at + size]
            at += size
        elif wire in (_FIXED64, _FIXED32):
            at += 8 if wire == _FIXED64 else 4
        else:
            raise RunnerError("the trace of the power rails cannot be read")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(10):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at
    raise RunnerError("the trace of the power rails cannot be read")
