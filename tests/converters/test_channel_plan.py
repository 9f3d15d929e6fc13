"""Which group loses how many channels: the cheap ones first, until the share is reached."""

from __future__ import annotations

import pytest

from converters.compress.channel_plan import Choice, Part, Price, choose, steps


def group(name: str, loss_at_all: float, units: int = 64) -> Choice:
    curve = ((0.0, 0.0), (0.5, loss_at_all / 4), (1.0, loss_at_all))
    return Choice(group=name, units=units, steps=steps(units, 8, 8), curve=curve)


def layer(macs: int, written: str = "", read: str = "") -> Price:
    parts = [Part(group=written, written=1 / 64, read=0)] if written else []
    return Price(macs=macs, parts=(*parts, *([Part(group=read, written=0, read=1 / 64)] if read else [])))


CHAIN = [layer(100_000, written="a"), layer(100_000, written="b", read="a"), layer(100_000, read="b")]


@pytest.mark.parametrize(
    ("units", "multiple", "keep", "expected"),
    [
        (64, 16, 8, (16, 32, 48)),
        (40, 16, 5, (8, 24)),
        (20, 8, 3, (4, 12)),
        (16, 16, 2, ()),
        (8, 4, 1, (4,)),
        (1, 4, 1, ()),
    ],
)
def test_what_is_left_is_a_multiple(units: int, multiple: int, keep: int, expected: tuple[int, ...]) -> None:
    assert steps(units, multiple, keep) == expected


def test_a_layer_costs_its_outputs_times_its_inputs() -> None:
    assert CHAIN[1].at({"a": 32, "b": 16}) == 100_000 * 0.5 * 0.75


def test_the_share_is_reached_and_not_by_much_more() -> None:
    plan = choose([group("a", 1.0), group("b", 1.0)], CHAIN, 0.3)
    assert 0.3 <= plan.share < 0.35
    assert plan.share == pytest.approx(1 - sum(price.at(plan.removed) for price in CHAIN) / 300_000)


def test_the_group_that_hurts_less_loses_more() -> None:
    plan = choose([group("a", 1.0), group("b", 0.01)], CHAIN, 0.3)
    assert plan.removed["b"] > plan.removed.get("a", 0)


def test_one_that_hurts_as_much_but_saves_more_loses_more() -> None:
    prices = [layer(1_000_000, written="a"), layer(10_000, written="b")]
    plan = choose([group("a", 1.0), group("b", 1.0)], prices, 0.2)
    assert plan.removed == {"a": 16}


def test_a_surplus_of_a_large_step_is_exchanged_for_smaller_ones() -> None:
    cheap = Choice(group="a", units=64, steps=(32,), curve=((0.0, 0.0), (1.0, 0.1)))
    plan = choose([cheap, group("b", 0.2)], [layer(100_000, written="a"), layer(100_000, written="b")], 0.1)
    assert plan.removed == {"b": 16} and plan.share == pytest.approx(0.125)


def test_out_of_reach_everything_goes_that_may_and_the_share_says_so() -> None:
    plan = choose([group("a", 1.0), group("b", 1.0)], CHAIN, 0.99)
    assert plan.removed == {"a": 56, "b": 56}
    assert plan.share == pytest.approx(1 - (1 / 8 + 1 / 64 + 1 / 8) / 3)


def test_without_choices_nothing_goes() -> None:
    assert choose([], CHAIN, 0.3).share == 0
