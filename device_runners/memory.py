"""What loading and running a build costs in resident memory: the kernel's own high-water mark, never a poll.

Linux lets a process reset its mark (`5` to /proc/self/clear_refs), so the peak from just before the load is exact.
Elsewhere the mark cannot be reset; `Memory.method` says what was read instead.
"""

from __future__ import annotations

import ctypes
import gc
import resource
import sys
from pathlib import Path

import msgspec

from device_runners import linux
from harness.records import Memory

RESET = "VmHWM after reset"
NOT_RESET = "ru_maxrss, mark not reset"


class Mark(msgspec.Struct, frozen=True):
    """Where the memory stood; kilobytes."""

    peak_kb: int
    anonymous_kb: int | None
    file_backed_kb: int | None
    method: str


def mark() -> Mark:
    """Start of a measurement: give back what is free, so that the build cannot hide in it, and reset the mark."""
    gc.collect()
    if sys.platform == "linux":
        getattr(ctypes.CDLL(None), "malloc_trim", lambda _: 0)(0)  # not in every libc
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return Mark(_max_rss_kb(), None, None, NOT_RESET)
    peak = linux.status_kb("VmHWM")
    return Mark(_max_rss_kb(), None, None, NOT_RESET) if peak is None else Mark(peak, *_split_kb(), RESET)


def since(start: Mark) -> Memory:
    """Peak since the mark, and how much more stays resident now, split by what backs it."""
    peak_kb = (linux.status_kb("VmHWM") or 0) if start.method == RESET else _max_rss_kb()
    anonymous_kb, file_backed_kb = _split_kb()
    return Memory(
        peak_rss_mb=max(0, peak_kb - start.peak_kb) / 1024,
        total_peak_rss_mb=peak_kb / 1024,
        anonymous_mb=_grown_mb(start.anonymous_kb, anonymous_kb),
        file_backed_mb=_grown_mb(start.file_backed_kb, file_backed_kb),
        method=start.method,
    )


def _grown_mb(before_kb: int | None, now_kb: int | None) -> float | None:
    return None if before_kb is None or now_kb is None else (now_kb - before_kb) / 1024


def _split_kb() -> tuple[int | None, int | None]:
    fields = linux.fields_of(linux.text_of(Path("/proc/self/smaps_rollup")))
    if "Rss" not in fields or "Anonymous" not in fields:
        return None, None
    resident, anonymous = (int(fields[name].split()[0]) for name in ("Rss", "Anonymous"))
    return anonymous, resident - anonymous


def _max_rss_kb() -> int:
    """macOS counts in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak
