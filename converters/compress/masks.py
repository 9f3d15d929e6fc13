"""Which weights stay when small ones are set to zero: singly, in blocks, or n of every m neighbours.

A mask is a tensor like `Weight.rows()`, 1 for what stays. Every output channel keeps at least its largest weight: one
without any would have no scale in int8, and its bias would leave the range. Imports torch: for child processes only.
"""

from __future__ import annotations

from typing import Literal

import torch

from harness.records import Record


class Pattern(Record, frozen=True, kw_only=True):
    """What goes together. block: output channels x neighbouring inputs, (1, 1) for single weights. kept, group: of
    every `group` neighbours the `kept` largest stay, 0 without such a rule. scope: how far one threshold reaches."""

    share: float
    block: tuple[int, int] = (1, 1)
    kept: int = 0
    group: int = 0
    scope: Literal["layer", "global"] = "layer"

    @property
    def final_sparsity(self) -> float:
        return 1 - self.kept / self.group if self.group else self.share


def parse(arguments: tuple[str, ...]) -> Pattern:
    """From a step's arguments, which the grammar has checked: `0.8`, `0.8,global`, `0.8,1x4`, `2:4`."""
    first, *others = arguments
    if ":" in first:
        kept, group = (int(part) for part in first.split(":"))
        return Pattern(share=1 - kept / group, kept=kept, group=group)
    block = next((tuple(map(int, other.split("x"))) for other in others if other[0].isdigit()), (1, 1))
    scope: Literal["layer", "global"] = "global" if "global" in others else "layer"
    return Pattern(share=float(first), block=(block[0], block[1]), scope=scope)


def fits(rows: torch.Tensor, inputs: int, pattern: Pattern) -> str:
    """Why a pattern cannot lie on a weight, or "". inputs: its input channels, within which neighbours are counted."""
    if pattern.group and inputs % pattern.group:
        return f"{inputs} inputs are no multiple of {pattern.group}"
    high, wide = pattern.block
    if rows.shape[0] % high or inputs % wide:
        return f"{rows.shape[0]} x {inputs} channels are no multiple of {high} x {wide}"
    return ""


def make(rows: list[torch.Tensor], pattern: Pattern, share: float) -> list[torch.Tensor]:
    """One mask per tensor, with about `share` of its elements (of all together: scope `global`) zero."""
    if pattern.group:
        return [_alive(_n_of_m(each, pattern, share), each) for each in rows]
    scores = [_block_scores(each, pattern.block) for each in rows]
    if pattern.scope == "global":
        limit = _smallest(torch.cat([each.flatten() for each in scores]), share)
        kept = [each > limit for each in scores]
    else:
        kept = [each > _smallest(each.flatten(), share) for each in scores]
    return [_alive(_spread(mask, pattern.block), each) for mask, each in zip(kept, rows, strict=True)]


def _smallest(scores: torch.Tensor, share: float) -> torch.Tensor:
    """The largest of the `share` smallest; below everything where there are none."""
    count = round(share * scores.numel())
    return scores.kthvalue(count).values if count else scores.new_tensor(-1.0)


def _block_scores(rows: torch.Tensor, block: tuple[int, int]) -> torch.Tensor:
    high, wide = block
    blocks = rows.abs().reshape(rows.shape[0] // high, high, rows.shape[1] // wide, wide)
    return blocks.mean(dim=(1, 3))


def _spread(mask: torch.Tensor, block: tuple[int, int]) -> torch.Tensor:
    return mask.repeat_interleave(block[0], 0).repeat_interleave(block[1], 1)


def _n_of_m(rows: torch.Tensor, pattern: Pattern, share: float) -> torch.Tensor:
    """On the way to the final share fewer than m - n of each group are zero."""
    dropped = pattern.group - pattern.kept
    now = min(dropped, round(dropped * share / pattern.final_sparsity))
    groups = rows.abs().reshape(-1, pattern.group)
    small = groups.topk(now, largest=False).indices if now else groups.new_zeros((len(groups), 0), dtype=torch.int64)
    return torch.ones_like(groups, dtype=torch.bool).scatter(1, small, False).reshape(rows.shape)


def _alive(mask: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    dead = ~mask.any(dim=1)
    mask = mask.clone()
    mask[dead, rows[dead].abs().argmax(dim=1)] = True
    return mask
