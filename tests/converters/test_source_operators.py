"""converters/source_operators.py: what a model runs before anything is fused."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.runtimes


def counted(model: torch.nn.Module, *arguments: torch.Tensor) -> dict[str, int]:
    from converters.source_operators import Counting

    with Counting() as counting, torch.no_grad():
        model.eval()(*arguments)
    return counting.operators()


def test_convolution_norm_and_activation_count_apart_and_views_do_not() -> None:
    layer = (torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU6())
    head = (torch.nn.Flatten(), torch.nn.Linear(4 * 36, 2))
    assert counted(torch.nn.Sequential(*layer, *head), torch.zeros(1, 1, 8, 8)) == {
        "addmm": 1,
        "convolution": 1,
        "hardtanh": 1,
        "native_batch_norm": 1,
    }


def test_a_layer_that_is_called_twice_counts_twice() -> None:
    class Twice(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(self.layer(x))

    assert counted(Twice(), torch.zeros(1, 4)) == {"addmm": 2}
