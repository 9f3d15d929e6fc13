"""Which weights stay: singly, in blocks, n of m, and never a channel without any."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from converters.compress import masks  # noqa: E402
from converters.compress.masks import Pattern  # noqa: E402

pytestmark = pytest.mark.runtimes


@pytest.fixture
def rows() -> list:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(16, 32, generator=generator), 4 * torch.randn(8, 64, generator=generator)]


def zeros(mask: torch.Tensor) -> float:
    return float((~mask).float().mean())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("0.8",), Pattern(share=0.8)),
        (("0.8", "global"), Pattern(share=0.8, scope="global")),
        (("0.8", "2x4", "global"), Pattern(share=0.8, block=(2, 4), scope="global")),
        (("2:4",), Pattern(share=0.5, kept=2, group=4)),
    ],
)
def test_a_steps_arguments_are_read(arguments: tuple[str, ...], expected: Pattern) -> None:
    assert masks.parse(arguments) == expected


def test_per_layer_each_loses_its_share_and_only_the_smallest(rows: list) -> None:
    for mask, each in zip(masks.make(rows, Pattern(share=0.75), 0.75), rows, strict=True):
        assert zeros(mask) == pytest.approx(0.75, abs=0.01)
        alive = mask.any(dim=1)
        assert each[alive].abs()[~mask[alive]].max() <= each.abs().flatten().quantile(0.76)


def test_globally_the_layer_with_small_weights_loses_more_and_all_together_the_share(rows: list) -> None:
    small, large = masks.make(rows, Pattern(share=0.5, scope="global"), 0.5)
    assert zeros(small) > 0.7 > 0.5 > zeros(large)
    assert (zeros(small) * small.numel() + zeros(large) * large.numel()) / 1024 == pytest.approx(0.5, abs=0.01)


def test_blocks_stay_or_go_as_a_whole(rows: list) -> None:
    for mask in masks.make(rows, Pattern(share=0.5, block=(2, 4)), 0.5):
        assert zeros(mask) == pytest.approx(0.5, abs=0.05)
        blocks = mask.reshape(mask.shape[0] // 2, 2, -1, 4).float().mean(dim=(1, 3))
        # a channel that lost all its blocks got one weight back
        assert ((blocks == 0) | (blocks == 1) | (blocks == 1 / 8)).all()


def test_two_of_four_hold_in_every_group_and_are_the_largest(rows: list) -> None:
    for mask, each in zip(masks.make(rows, Pattern(share=0.5, kept=2, group=4), 0.5), rows, strict=True):
        groups, values = mask.reshape(-1, 4), each.abs().reshape(-1, 4)
        assert (groups.sum(1) == 2).all()
        assert (values.masked_fill(~groups, 9e9).min(1).values >= values.masked_fill(groups, 0).max(1).values).all()


def test_on_the_way_to_two_of_four_one_of_four_goes_first(rows: list) -> None:
    (mask, _) = masks.make(rows, Pattern(share=0.5, kept=2, group=4), 0.25)
    assert (mask.reshape(-1, 4).sum(1) == 3).all()


@pytest.mark.parametrize("pattern", [Pattern(share=0.99), Pattern(share=0.99, scope="global")])
def test_every_output_channel_keeps_its_largest_weight(rows: list, pattern: Pattern) -> None:
    for mask, each in zip(masks.make(rows, pattern, 0.99), rows, strict=True):
        assert mask.any(dim=1).all()
        assert mask[torch.arange(len(each)), each.abs().argmax(1)].all()


def test_a_share_of_nothing_leaves_all(rows: list) -> None:
    assert all(mask.all() for mask in masks.make(rows, Pattern(share=0.8), 0.0))


def test_what_a_pattern_does_not_divide_is_said(rows: list) -> None:
    assert masks.fits(rows[0], 32, Pattern(share=0.5, kept=2, group=4)) == ""
    assert "3 inputs are no multiple of 4" in masks.fits(rows[0], 3, Pattern(share=0.5, kept=2, group=4))
    assert "no multiple of 3 x 4" in masks.fits(rows[0], 32, Pattern(share=0.5, block=(3, 4)))
