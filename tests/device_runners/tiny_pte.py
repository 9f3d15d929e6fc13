"""Makes the .pte files of the runner tests: `python tiny_pte.py FOLDER`, once per test session, in its own process."""

from __future__ import annotations

import sys
from pathlib import Path

IN, OUT = 8, 4


def main(folder: Path) -> None:
    import executorch.kernels.quantized  # noqa: F401  lowering int8 without a delegate needs its operators
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from executorch.exir import to_edge_transform_and_lower
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    def save(name: str, module: torch.nn.Module, example: torch.Tensor, *, delegated: bool) -> None:
        exported = torch.export.export(module, (example,))
        partitioner = [XnnpackPartitioner()] if delegated else None
        program = to_edge_transform_and_lower(exported, partitioner=partitioner).to_executorch()
        (folder / name).write_bytes(program.buffer)

    class Dense(torch.nn.Linear):
        """x @ W.T + b with the numbers of tiny_tflite."""

        def __init__(self) -> None:
            super().__init__(IN, OUT)
            with torch.no_grad():
                self.weight.copy_(torch.linspace(-1, 1, IN * OUT).reshape(OUT, IN))
                self.bias.copy_(torch.tensor([0.5, -0.5, 0.25, 0.0]))

    class Doubled(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + x

    x = torch.linspace(-1, 1, IN).reshape(1, IN)
    save("dense.pte", Dense().eval(), x, delegated=True)
    save("doubled_int64.pte", Doubled().eval(), torch.ones(1, 3, dtype=torch.int64), delegated=False)
    quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config())
    prepared = prepare_pt2e(torch.export.export(Dense().eval(), (x,)).module(), quantizer)
    prepared(x)
    save("int8_without_delegate.pte", convert_pt2e(prepared), x, delegated=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
