"""Ranks at which a split layer is sure to be faster, and which layer gets which."""

from __future__ import annotations

import pytest

from converters.compress import ranks
from converters.compress.factors import Rank
from converters.compress.ranks import Form, Option

pytest.importorskip("torch")
pytestmark = pytest.mark.runtimes


def form(read: int, written: int, kernel: int = 1, positions: int = 100) -> Form:
    return Form(read=read, written=written, kernel=kernel, reads_at=positions, writes_at=positions)


def reads(found: list[Rank]) -> list[int]:
    return [rank.read for rank in found]


def test_the_cost_of_a_split_layer_is_that_of_its_parts() -> None:
    assert form(64, 96).macs == 100 * 64 * 96
    assert form(64, 96).split_macs(Rank(read=16, written=16)) == 100 * 16 * (64 + 96)
    strided = Form(read=64, written=96, kernel=9, reads_at=400, writes_at=100)
    assert strided.split_macs(Rank(read=32, written=48)) == 400 * 64 * 32 + 100 * (32 * 48 * 9 + 48 * 96)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (form(64, 64), [16]),  # measured: 16 takes 0.66 of the time, 24 takes 1.04
        (form(128, 128), [48, 32, 16]),  # 48: 0.81 of the time
        (form(16, 512), []),
        (form(64, 10), []),
        (form(64, 64, positions=1), []),  # saves less than another operator costs
        (form(64, 64, kernel=9), [48, 32, 16]),
        (form(16, 64, kernel=9), []),
    ],
)
def test_only_ranks_that_pay_are_possible(layer: Form, expected: list[int]) -> None:
    assert reads(ranks.possible(layer)) == expected


@pytest.mark.parametrize(
    ("layer", "rank", "pays"),
    [
        (form(128, 128), 32, False),  # half of the multiply-adds, measured: 1.37 of the time
        (form(256, 256), 64, True),  # half: 0.92
        (form(256, 256), 96, False),  # three quarters: 1.18
        (form(1024, 1024), 384, True),  # three quarters: 0.72
        (form(1024, 128), 16, False),  # as wide as its narrow side
        (form(1024, 1024, kernel=9), 128, False),  # 3x3: never
    ],
)
def test_in_int8_only_wide_matrices_pay(layer: Form, rank: int, pays: bool) -> None:
    assert ranks.pays_in_int8(layer, Rank(read=rank, written=rank)) is pays


def test_a_kernels_two_ranks_keep_the_proportion_of_its_channels() -> None:
    found = ranks.possible(form(64, 128, kernel=9))
    assert Rank(read=32, written=64) in found
    assert all(rank.written == 2 * rank.read for rank in found)


def test_wide_layers_are_looked_at_in_a_few_places() -> None:
    found = ranks.possible(form(2048, 2048))
    assert len(found) == ranks.MOST_RANKS and found[-1].read == 16
    assert reads(found) == sorted(reads(found), reverse=True)


def test_losses_between_the_measured_ranks_lie_between() -> None:
    layer = form(256, 256)
    found = ranks.possible(layer)
    made = ranks.options(layer, found, {found[0]: 0.1, found[-1]: 0.5})
    assert made[0] == Option(rank=None, macs=layer.macs)
    assert made[1].loss == pytest.approx(0.1) and made[-1].loss == pytest.approx(0.5)
    assert [option.loss for option in made] == sorted(option.loss for option in made)


def options(name_loss: float, macs: int = 1000) -> list[Option]:
    rows = [Option(rank=None, macs=macs)]
    return rows + [Option(rank=Rank(read=r, written=r), macs=macs * r // 64, loss=name_loss / r) for r in (48, 32, 16)]


def test_the_layer_that_loses_less_is_split_more() -> None:
    chosen = ranks.choose({"a": options(1.0), "b": options(0.01)}, 0.3)
    assert chosen["b"].macs < chosen["a"].macs
    assert 0.3 <= 1 - sum(option.macs for option in chosen.values()) / 2000 < 0.45


def test_out_of_reach_all_go_as_far_as_they_may() -> None:
    chosen = ranks.choose({"a": options(1.0), "b": options(1.0)}, 0.99)
    assert [option.macs for option in chosen.values()] == [250, 250]
