"""Groups of channels, and the proof that a removal was what it was taken for."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torch_pruning")

from torch import nn  # noqa: E402

from converters.compress import dependencies, silencing  # noqa: E402

pytestmark = pytest.mark.runtimes
IMAGE = (torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)),)


class Parts(nn.Module):
    """A grouped, a transposed and a 1x1 convolution; normalized or put side by side, where a test says so."""

    def __init__(self, *, normalized: bool = False, flattened_pair: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(4, 16, 1)
        self.grouped = nn.Conv2d(16, 32, 3, padding=1, groups=4)
        self.up = nn.ConvTranspose2d(32, 16, 2, 2)
        self.norm = nn.GroupNorm(4, 16) if normalized else nn.Identity()
        self.other = nn.Conv2d(32, 8, 1, stride=1) if flattened_pair else None
        self.head = nn.Linear(24 * 64 if flattened_pair else 16, 5)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.grouped(torch.tanh(self.stem(image))))
        up = nn.functional.avg_pool2d(self.norm(self.up(x)), 2)
        if self.other is not None:
            return self.head(torch.cat([up, self.other(x)], 1).flatten(1))
        return self.head(up.mean((2, 3)))


def groups(model: nn.Module) -> dict[str, dependencies.Group]:
    return {group.layer: group for group in dependencies.groups(model.eval(), IMAGE)}


def reasons(model: nn.Module) -> dict[str, str]:
    return silencing.unfollowable(model.eval(), IMAGE, IMAGE, list(groups(model).values()))


def test_a_grouped_convolution_loses_as_much_in_every_part() -> None:
    found = groups(Parts())["grouped"]
    assert (found.width, found.parts, found.units) == (32, 4, 8)
    assert found.channels_of([0, 3]) == [0, 3, 8, 11, 16, 19, 24, 27]


def test_groups_that_can_be_followed_have_no_reason_against_them() -> None:
    assert reasons(Parts()) == {"head": silencing.OUTPUTS}


def test_removing_channels_is_the_same_as_silencing_them_for_every_kind_of_reader() -> None:
    model = Parts().eval()
    for name, group in groups(model).items():
        if name == "head":
            continue
        before = model(*IMAGE)
        with silencing.silenced(model, group, [1, 2]):
            silent = model(*IMAGE)
        slim = dependencies.remove(model, IMAGE, {name: group.channels_of([1, 2])})
        assert not torch.allclose(silent, before, atol=1e-4), f"{name} is heard by somebody"
        assert torch.allclose(slim(*IMAGE), silent, atol=1e-5), name
        assert torch.equal(model(*IMAGE), before), "and afterwards all is as it was"


def test_a_norm_over_several_channels_is_not_the_same_without_some() -> None:
    found = reasons(Parts(normalized=True))
    assert set(found) == {"head", "up"}
    assert "something else" in found["up"] or "does not run" in found["up"]


def test_a_guess_of_the_library_that_is_wrong_is_found_out() -> None:
    """Torch-Pruning loses count of channels that are put side by side and flattened."""
    found = reasons(Parts(flattened_pair=True))
    assert {"up", "other"} & set(found), found


def test_layers_behind_a_detach_are_found() -> None:
    class Cut(nn.Sequential):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self[1](torch.relu(self[0](image)).detach())

    model = Cut(nn.Conv2d(4, 16, 1), nn.Conv2d(16, 4, 1)).eval()
    assert dependencies.cut_off(model, IMAGE) == ["0"]
