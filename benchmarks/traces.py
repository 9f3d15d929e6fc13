"""Every timed sample of a comparison, as arrays: from the files that `harness.compare` leaves, or from an .npz."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from device_runners import wire
from harness import paired
from harness.records import Block


class Trace(NamedTuple):
    """wall_ns, wait_ns (a part of it): int32 [pair, side, block, sample], -1 where a block has fewer samples.
    calls_per_sample: int32 [pair, side]. Sides are A and B, blocks and samples in the order they were timed."""

    wall_ns: NDArray[np.int32]
    wait_ns: NDArray[np.int32]
    calls_per_sample: NDArray[np.int32]

    def wait_share(self) -> float:
        """Of the wall time, over all."""
        return float(self.wait_ns.clip(0).sum(dtype=np.int64) / self.wall_ns.clip(0).sum(dtype=np.int64))

    def log_ratios(self) -> list[float]:
        """The statistic of every pair, B against A on on-CPU time, as the product computes it."""
        return [
            paired.pair_statistic(self._blocks(pair, 0, on_cpu=True), self._blocks(pair, 1, on_cpu=True))
            for pair in range(len(self.wall_ns))
        ]

    def wall_us(self, pair: int, side: int) -> list[NDArray[np.float64]]:
        """Microseconds on the wall per call of one process, block by block."""
        return [block / 1e3 for block in self._blocks(pair, side, on_cpu=False)]

    def on_cpu_us(self) -> float:
        """The median of all calls of side A."""
        blocks = [block for pair in range(len(self.wall_ns)) for block in self._blocks(pair, 0, on_cpu=True)]
        return float(np.median(np.concatenate(blocks))) / 1e3

    def _blocks(self, pair: int, side: int, *, on_cpu: bool) -> list[NDArray[np.float64]]:
        """ns per call."""
        calls = int(self.calls_per_sample[pair, side])
        found = []
        for wall, wait in zip(self.wall_ns[pair, side], self.wait_ns[pair, side], strict=True):
            known = wall >= 0
            found.append((wall[known] - wait[known] if on_cpu else wall[known]) / calls)
        return found


def read(path: Path) -> Trace:
    """A frozen trace."""
    with np.load(path) as file:
        return Trace(*(file[name] for name in Trace._fields))


def write(path: Path, trace: Trace) -> None:
    np.savez_compressed(path, **trace._asdict())


def of_comparison(folder: Path, pairs: int) -> Trace:
    """What a comparison in `folder` (Match.folder) left behind."""
    return packed([[_timed(folder / f"pair-{pair}-{name}") for name in "ab"] for pair in range(pairs)])


def packed(blocks: Sequence[Sequence[Sequence[Block]]]) -> Trace:
    """From blocks [pair][side][block]."""
    every = [block for pair in blocks for side in pair for block in side]
    shape = (len(blocks), 2, len(blocks[0][0]), max(len(block.wall_ns) for block in every))
    wall, wait = np.full(shape, -1, np.int32), np.full(shape, -1, np.int32)
    for place, block in zip(np.ndindex(shape[:3]), every, strict=True):
        wall[place][: len(block.wall_ns)] = block.wall_ns
        wait[place][: len(block.wait_ns)] = block.wait_ns
    calls = np.array([[side[0].calls_per_sample for side in pair] for pair in blocks], np.int32)
    return Trace(wall_ns=wall, wait_ns=wait, calls_per_sample=calls)


def joined(parts: Sequence[Trace]) -> Trace:
    """One after the other; all of the same number of blocks."""
    longest = max(part.wall_ns.shape[-1] for part in parts)

    def wide(values: NDArray[np.int32]) -> NDArray[np.int32]:
        room = [(0, 0)] * (values.ndim - 1) + [(0, longest - values.shape[-1])]
        return np.pad(values, room, constant_values=-1)

    return Trace(
        wall_ns=np.concatenate([wide(part.wall_ns) for part in parts]),
        wait_ns=np.concatenate([wide(part.wait_ns) for part in parts]),
        calls_per_sample=np.concatenate([part.calls_per_sample for part in parts]),
    )


def verdict(log_ratios: Sequence[float], plan: paired.Plan) -> tuple[paired.Outcome, int]:
    """What a comparison would have ended as, had it met these pairs in this order, and after how many."""
    for pairs in plan.looks:
        outcome = paired.outcome(log_ratios[:pairs], plan)
        if outcome != "undecided":
            break
    return outcome, pairs


def _timed(folder: Path) -> tuple[Block, ...]:
    return wire.read_response(folder / "response.json").results[0].blocks
