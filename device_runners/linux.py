"""What Linux says about this process and this machine; an empty answer where a file is not there.

Imported by the worker, so it needs the standard library alone.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

_PROC = Path("/proc")
_CPU = Path("/sys/devices/system/cpu")


def text_of(path: Path) -> str:
    """A small file of /proc or /sys, "" where the system has none or does not let us read it."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def fields_of(text: str, separator: str = ":") -> dict[str, str]:
    """`key : value` lines, the first of each key."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(separator)
        found.setdefault(key.strip(), value.strip())
    return found


def status_kb(name: str) -> int | None:
    """A line such as `VmHWM: 5120 kB` of /proc/self/status."""
    value = fields_of(text_of(_PROC / "self/status")).get(name, "").split()
    return int(value[0]) if value else None


def load_average() -> str:
    return " ".join(text_of(_PROC / "loadavg").split()[:3])


def cpu_pressure_us() -> int | None:
    """Microseconds since boot in which at least one task waited for a processor (PSI "some")."""
    for line in text_of(_PROC / "pressure/cpu").splitlines():
        if line.startswith("some"):
            return int(line.rpartition("total=")[2])
    return None


def run_queue_wait_ns() -> int | None:
    """Time that all threads of this process together stood ready to run and did not."""
    waits = [text_of(thread / "schedstat").split() for thread in (_PROC / "self/task").glob("*")]
    return sum(int(fields[1]) for fields in waits if len(fields) == 3) if any(waits) else None


def scheduler_counts() -> dict[str, int]:
    """Since the start of the process's first thread: moves between processors, switches it did not ask for."""
    moved = fields_of(text_of(_PROC / "self/sched")).get("se.nr_migrations")
    switched = fields_of(text_of(_PROC / "self/status")).get("nonvoluntary_ctxt_switches")
    found = {"cpu_migrations": moved, "involuntary_switches": switched}
    return {name: int(value) for name, value in found.items() if value}


def thread_count() -> int:
    """Threads of this process, 0 where the system does not tell."""
    return len(list((_PROC / "self/task").glob("*")))


def usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0


def keep_on(pid: int, processor: int | None) -> int | None:
    """Have a process run on one processor alone, on one at random for None; which one. None: the system knows no such
    thing, or the process is gone (whoever talks to it next will be told)."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    try:
        chosen = random.choice(sorted(os.sched_getaffinity(pid))) if processor is None else processor
        os.sched_setaffinity(pid, {chosen})
    except ProcessLookupError:
        return None
    return chosen


def cpu_model() -> str:
    fields = fields_of(text_of(_PROC / "cpuinfo"))
    return fields.get("model name") or fields.get("Hardware") or fields.get("CPU part", "")


def memory_mb() -> int:
    total = fields_of(text_of(_PROC / "meminfo")).get("MemTotal", "0 kB")
    return int(total.split()[0]) // 1024


def machine_facts() -> dict[str, str]:
    """What of the machine bears on a latency; only what the system tells."""
    cpuinfo = fields_of(text_of(_PROC / "cpuinfo"))
    facts = {
        "cpu_governor": text_of(_CPU / "cpu0/cpufreq/scaling_governor"),
        "cpu_max_khz": text_of(_CPU / "cpu0/cpufreq/cpuinfo_max_freq"),
        "cpu_mhz": cpuinfo.get("cpu MHz", ""),
        "turbo": _turbo(),
        "hypervisor": "yes" if "hypervisor" in cpuinfo.get("flags", "").split() else "",
        "cpu_quota": text_of(Path("/sys/fs/cgroup/cpu.max")).removeprefix("max 100000"),
        "vector_units": " ".join(sorted(_VECTOR_UNITS & set(_flags(cpuinfo)))),
        "load_average": load_average(),
        "cpu_pressure": text_of(_PROC / "pressure/cpu").partition("\n")[0],
    }
    return {name: value for name, value in facts.items() if value}


_VECTOR_UNITS = {"avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimd", "asimddp", "i8mm", "sve"}


def _flags(cpuinfo: dict[str, str]) -> list[str]:
    return (cpuinfo.get("flags") or cpuinfo.get("Features", "")).split()


def _turbo() -> str:
    if no_turbo := text_of(_CPU / "intel_pstate/no_turbo"):
        return "off" if no_turbo == "1" else "on"
    if boost := text_of(_CPU / "cpufreq/boost"):
        return "on" if boost == "1" else "off"
    return ""
