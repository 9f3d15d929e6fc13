"""Energy of this machine's processors, where it counts it: Linux shows each package's counter under powercap (RAPL).

A package's counter holds everything that runs on it, so the worker reads it while it idles, before and after the blocks
of a build, as well as around every block. Imported by the worker, so it needs the standard library alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from device_runners import linux
from harness.errors import RunnerError
from harness.records import EnergyBlock, EnergyTrace

POWERCAP = Path("/sys/class/powercap")
# Intel SDM volume 3B, 15.10: a counter moves about once in a millisecond, in steps of 61 uJ unless a chip says finer.
QUANTUM_UJ, REFRESH_SECS = 61.04, 0.001
IDLE_READINGS, MOST_IDLE_SECS = 11, 10.0


class PackageCounters:
    """The counters of all packages as one that only grows. folders: one of powercap per package."""

    def __init__(self, folders: list[Path]) -> None:
        self._last = {folder: _number(folder / "energy_uj") for folder in folders}
        self._wraps_at = {folder: _number(folder / "max_energy_range_uj") for folder in folders}
        self._used_uj = 0
        self.names = [linux.text_of(folder / "name") for folder in folders]

    def used_uj(self) -> int:
        """Microjoules since this object was made; a counter that went round in between is taken to have done so once,
        which at full power takes minutes."""
        for folder, last in self._last.items():
            now = _number(folder / "energy_uj")
            self._used_uj += now - last if now >= last else now - last + self._wraps_at[folder]
            self._last[folder] = now
        return self._used_uj


def counters(root: Path = POWERCAP) -> PackageCounters | None:
    """The package counters of this machine, None where it has none or does not let us read them (see `told`)."""
    found = _packages(root)
    return PackageCounters(found) if found and not told(root).endswith(UNREADABLE) else None


UNREADABLE = "may not be read by this user (chmod a+r energy_uj, as root)"


def told(root: Path = POWERCAP) -> str:
    """What can be had here, in words for people."""
    found = _packages(root)
    if not found:
        return "no package energy counters on this machine"
    if any(not linux.text_of(folder / name) for folder in found for name in ("energy_uj", "max_energy_range_uj")):
        return f"the package energy counters {UNREADABLE}"
    return f"package energy counters ({', '.join(linux.text_of(folder / 'name') for folder in found)})"


def _packages(root: Path) -> list[Path]:
    """Packages alone: cores and memory are parts of them, and `psys` counts them once more."""
    folders = sorted(root.glob("intel-rapl:*"))
    return [folder for folder in folders if linux.text_of(folder / "name").startswith("package")]


def _number(path: Path) -> int:
    text = linux.text_of(path)
    if not text.isdigit():
        raise RunnerError(f"the energy counter {path} cannot be read", remedy="see who may read it")
    return int(text)


class Meter:
    """Readings while the worker idles and around the blocks of one build; without counters, or with no idle time to
    hold them against, it does nothing."""

    def __init__(
        self,
        counters: PackageCounters | None,
        *,
        idle_secs: float,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._counters = counters if idle_secs > 0 else None
        self._idle_secs = min(idle_secs, MOST_IDLE_SECS)
        self._sleep, self._clock = sleep, clock
        self._idle: list[list[tuple[float, int]]] = []
        self._load: list[tuple[float, int]] = []

    def idle(self) -> None:
        """Do nothing for a while, and read the counters meanwhile."""
        if self._counters is None:
            return
        readings: list[tuple[float, int]] = []
        for number in range(IDLE_READINGS):
            if number:
                self._sleep(self._idle_secs / (IDLE_READINGS - 1))
            self._add(readings)
        self._idle.append(readings)

    def read(self) -> None:
        """One reading of the load, before its first block or after any."""
        self._add(self._load)

    def trace(self, inferences: int) -> EnergyTrace | None:
        """Everything that was read, as one group; inferences: calls in all blocks."""
        if self._counters is None or not self._idle or len(self._load) < 2:
            return None
        load = _block("load", self._load, inferences)
        before, *after = [_block("idle", readings) for readings in self._idle]
        return EnergyTrace(
            source=f"package energy counters ({', '.join(self._counters.names)})",
            counter="energy_uj",
            blocks=(before, load, *after),
            quantum=QUANTUM_UJ,
            refresh_secs=REFRESH_SECS,
        )

    def _add(self, readings: list[tuple[float, int]]) -> None:
        if self._counters is not None:
            readings.append((self._clock(), self._counters.used_uj()))


def _block(kind: str, readings: list[tuple[float, int]], inferences: int = 0) -> EnergyBlock:
    return EnergyBlock(
        kind="load" if kind == "load" else "idle",
        group=0,
        time_s=tuple(time_s for time_s, _ in readings),
        counter=tuple(float(used_uj) for _, used_uj in readings),
        inferences=inferences,
    )
