"""Which rank each split layer gets, and which layers are not worth splitting. Pure arithmetic: no torch.

The limits are measured, in both runtimes on one core (benchmarks/layer_costs.py): in float a split layer is faster as
soon as it has three quarters of the multiply-adds, counted as the kernels do, 16 output channels at a time. With 64
channels that is a rank of 16 (0.66 of the time) but not of 24 (1.04 of the time, though 0.75 of the multiply-adds).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from converters.compress.exchanging import nearer
from converters.compress.factors import Rank
from harness.records import Record

TILE = 16
MOST = 0.75  # of the whole layer's multiply-adds, full tiles counted
MOST_RANKS = 8  # that are considered per layer: wide ones have dozens
LEAST_SAVED = 4096  # multiply-adds per call: less than what one more operator costs
# In TFLite's int8 kernels one more operator costs more than that: channels of dense and 1x1 layers, and the most of the
# multiply-adds, at which the split layer was faster. Split larger kernels never were.
PAYS_IN_INT8 = ((256, 0.5), (1024, 0.75))


class Form(Record, frozen=True, kw_only=True):
    """A layer: channels that it reads and writes, weights of its kernel per pair of them, and the positions (pixels, or
    rows of a dense layer) that one call reads and writes."""

    read: int
    written: int
    kernel: int
    reads_at: int
    writes_at: int

    @property
    def macs(self) -> int:
        return self.writes_at * self.read * self.written * self.kernel

    def split_macs(self, rank: Rank, tile: int = 1) -> int:
        """Multiply-adds when split. With a tile the outputs of every layer are counted in full tiles."""
        read, written, out = (-(-width // tile) * tile for width in (rank.read, rank.written, self.written))
        if self.kernel == 1:
            return self.writes_at * (self.read * read + rank.read * out)
        inner = rank.read * written * self.kernel + rank.written * out
        return self.reads_at * self.read * read + self.writes_at * inner


class Option(Record, frozen=True, kw_only=True):
    """A layer at a rank (None: whole): what it costs, and what the outputs lose."""

    rank: Rank | None
    macs: int
    loss: float = 0.0


def possible(form: Form) -> list[Rank]:
    """Ranks at which the split layer is sure to be faster, from the largest to the smallest; [] for none."""
    whole = form.writes_at * form.read * -(-form.written // TILE) * TILE * form.kernel
    found = []
    for rank in _ranks(form):
        faster = form.split_macs(rank, TILE) <= MOST * whole and form.split_macs(rank) <= MOST * form.macs
        if faster and form.macs - form.split_macs(rank) >= LEAST_SAVED:
            found.append(rank)
    return spread(found, MOST_RANKS)


def pays_in_int8(form: Form, rank: Rank) -> bool:
    """Whether the split layer is faster in TFLite's int8 kernels as well."""
    channels, left = min(form.read, form.written), form.split_macs(rank) / form.macs
    return form.kernel == 1 and any(channels >= width and left <= most for width, most in PAYS_IN_INT8)


def spread(ranks: Sequence[Rank], most: int) -> list[Rank]:
    """At most so many of them, evenly, ends included."""
    places = np.unique(np.linspace(0, len(ranks) - 1, min(most, len(ranks))).round().astype(int))
    return [ranks[place] for place in places]


def options(form: Form, ranks: Sequence[Rank], losses: Mapping[Rank, float]) -> list[Option]:
    """The whole layer and every rank, the loss between the measured ones interpolated along the multiply-adds."""
    known = sorted((form.split_macs(rank), loss) for rank, loss in losses.items())
    macs, values = [*(at for at, _ in known), form.macs], [*(loss for _, loss in known), 0.0]
    values = list(np.maximum.accumulate(values[::-1])[::-1])
    split = [
        Option(rank=rank, macs=form.split_macs(rank), loss=float(np.interp(form.split_macs(rank), macs, values)))
        for rank in ranks
    ]
    return [Option(rank=None, macs=form.macs), *split]


def choose(layers: Mapping[str, Sequence[Option]], target: float) -> dict[str, Option]:
    """One option per layer, so that `target` of the multiply-adds of all goes for the least loss: step by step the one
    with the least loss per multiply-add saved. As far as it goes where the target is out of reach."""
    chosen = {name: found[0] for name, found in layers.items()}
    total = sum(option.macs for option in chosen.values())
    while sum(option.macs for option in chosen.values()) > (1 - target) * total + 0.5:
        rated = [
            ((option.loss - chosen[name].loss + 1e-12) / (chosen[name].macs - option.macs), name, place)
            for name, found in layers.items()
            for place, option in enumerate(found)
            if option.macs < chosen[name].macs
        ]
        if not rated:
            break
        _, name, _ = min(rated)
        smaller = [option for option in layers[name] if option.macs < chosen[name].macs]
        chosen[name] = max(smaller, key=lambda option: option.macs)
    return nearer(
        chosen,
        lambda state: _exchanges(layers, state),
        lambda state: 1 - sum(option.macs for option in state.values()) / total,
        lambda state: sum(option.loss for option in state.values()),
        target,
    )


def _exchanges(layers: Mapping[str, Sequence[Option]], chosen: dict[str, Option]) -> Iterator[dict[str, Option]]:
    """Every choice in which one layer costs more, and another one perhaps less."""
    for one, found in layers.items():
        larger = [option for option in found if option.macs > chosen[one].macs]
        if not larger:
            continue
        back = {**chosen, one: min(larger, key=lambda option: option.macs)}
        yield back
        for other, options_there in layers.items():
            if other != one:
                yield from ({**back, other: each} for each in options_there if each.macs < chosen[other].macs)


def _ranks(form: Form) -> list[Rank]:
    """Full tiles on both sides, the same share of either; a layer of one tile cannot be thinner."""
    narrow = min(form.read, form.written)
    steps = (narrow - 1) // TILE
    if form.kernel == 1:
        return [Rank(read=TILE * step, written=TILE * step) for step in range(steps, 0, -1)]
    shares = [TILE * step / narrow for step in range(steps, 0, -1)]
    return [Rank(read=_tiles(form.read * share), written=_tiles(form.written * share)) for share in shares]


def _tiles(width: float) -> int:
    return max(TILE, round(width / TILE) * TILE)
