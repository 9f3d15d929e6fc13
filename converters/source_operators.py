"""What the source model does in one call, operator by operator, before any converter has touched it.

Beside the operators of a finished file it shows what was fused: convolution, batch norm and activation are three here
and one there. Imports torch: for child processes only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch

# PyTorch's extension point for watching operators; it lies in a private module, and torch is pinned.
from torch.utils._python_dispatch import TorchDispatchMode


class Counting(TorchDispatchMode):  # type: ignore[misc]  # torch is not type-checked here
    """Counts while it is entered: `with Counting() as counting: model(x)`, then `counting.operators()`.

    ATen operators as they are run: loops are unrolled, composite functions are taken apart. Views and constants
    compute nothing and do not count.
    """

    def __init__(self) -> None:
        super().__init__()
        self._counts = Counter[str]()

    def __torch_dispatch__(
        self, operator: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        arguments = dict(kwargs or {})
        if not operator.is_view and _reads_a_tensor((args, arguments)):
            self._counts[str(operator.overloadpacket.__name__).strip("_")] += 1
        return operator(*args, **arguments)

    def operators(self) -> dict[str, int]:
        """Times by operator, in PyTorch's words: convolution, native_batch_norm, hardtanh, addmm ..."""
        return dict(sorted(self._counts.items()))


def _reads_a_tensor(arguments: Any) -> bool:
    return any(isinstance(leaf, torch.Tensor) for leaf in torch.utils._pytree.tree_leaves(arguments))
