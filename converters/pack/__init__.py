"""A lossless packed form of a .tflite or .pte: codebooks, gaps between non-zero weights, Huffman codes.

No runtime reads such a file; it is what a download of a pruned and clustered model needs to weigh, and `unpack` gives
back the very same bytes. The idea is that of Deep Compression (Han, Mao, Dally: arXiv:1510.00149): a pruned tensor
becomes the distances between its non-zero weights, a clustered one indices into a short codebook, and both are
Huffman coded. Each tensor gets the coding that makes it smallest; whatever is no tensor goes through a general coder.
"""

from __future__ import annotations

from collections.abc import Sequence

from converters.pack import container
from converters.pack.container import MAGIC
from converters.pack.streams import Damaged
from converters.pack.tensors import Packed, Region, encode

__all__ = ["LIMIT_BYTES", "MAGIC", "Damaged", "Region", "codings", "pack", "unpack"]

LIMIT_BYTES = 2**31  # as much as a .tflite can have


def pack(data: memoryview, regions: Sequence[Region], suffix: str = "") -> bytes:
    """The packed form of a whole file. regions: where its tensors lie; those over another one are left out.

    suffix: of the file's name, given back by `unpack`.
    """
    return container.write(data, suffix, _encoded(data, regions))


def codings(packed: bytes | memoryview) -> dict[str, int]:
    """Number of tensors per way in which a packed file holds them; raises Damaged."""
    return container.codings(memoryview(packed))


def unpack(packed: bytes | memoryview, *, limit_bytes: int = LIMIT_BYTES) -> tuple[bytes, str]:
    """(the original file, its suffix), proven by its SHA-256.

    Raises Damaged for anything else than what `pack` wrote, and for an original above `limit_bytes`; memory stays
    within a few times that limit whatever the file says.
    """
    return container.read(memoryview(packed), limit_bytes)


def _encoded(data: memoryview, regions: Sequence[Region]) -> list[tuple[Region, Packed]]:
    found = []
    for region in _apart(data, regions):
        found.append((region, encode(region, data[region.offset : region.offset + region.size])))
    return found


def _apart(data: memoryview, regions: Sequence[Region]) -> list[Region]:
    """In the order of the file, without those that overlap an earlier one or hold nothing."""
    kept: list[Region] = []
    end = 0
    for region in sorted(set(regions)):
        if region.size and region.offset >= end and region.offset + region.size <= len(data):
            kept.append(region)
            end = region.offset + region.size
    return kept
