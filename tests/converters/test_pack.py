"""Packed files come back bit by bit, get as small as their entropy says, and are refused when they are damaged."""

from __future__ import annotations

import struct
import tracemalloc
import zlib

import msgspec
import numpy as np
import pytest

from converters import pack
from converters.pack import container, streams
from converters.pack.container import Index, StreamEntry, TensorEntry

RNG = np.random.default_rng(0)
ROWS, COLUMNS = 40, 300
COUNT = ROWS * COLUMNS
BOOK = np.linspace(-1, 1, 16, dtype=np.float32)


def normal() -> np.ndarray:
    return RNG.normal(size=(ROWS, COLUMNS)).astype(np.float32)


def pruned(values: np.ndarray, share: float = 0.9) -> np.ndarray:
    return np.where(RNG.random(values.shape) < share, values.dtype.type(0), values)


def clustered() -> np.ndarray:
    return BOOK[RNG.integers(0, 16, (ROWS, COLUMNS))]


def per_channel() -> np.ndarray:
    return (np.abs(normal()).max(1, keepdims=True) * clustered()).astype(np.float32)


def file_of(tensor: np.ndarray) -> tuple[bytes, list[pack.Region]]:
    """A file with the tensor between a head and a tail, and where it lies."""
    rows = tensor.shape[0] if tensor.ndim > 1 else 1
    region = pack.Region(5, tensor.itemsize, rows, tensor.size // rows)
    return b"head!" + tensor.tobytes() + b"the tail", [region]


def packed(tensor: np.ndarray) -> bytes:
    """Packed, having come back whole."""
    data, regions = file_of(tensor)
    result = pack.pack(memoryview(data), regions, ".tflite")
    assert pack.unpack(result) == (data, ".tflite")
    return result


with_negative_zeros = pruned(normal())
with_negative_zeros[3] = -0.0
with_nans = normal()
with_nans.view(np.uint32)[0, :7] = 0x7FC00000 + np.arange(7)
empty_row = pruned(per_channel())
empty_row[3] = 0
last_only = np.zeros((ROWS, COLUMNS), np.float32)
last_only[-1, -1] = 1


@pytest.mark.parametrize(
    ("tensor", "coding"),
    [
        pytest.param(normal(), "plain", id="floats"),
        pytest.param(with_nans, "plain", id="NaNs with payloads"),
        pytest.param(clustered(), "codebook", id="clustered"),
        pytest.param(per_channel(), "codebook", id="clustered per channel"),
        pytest.param(np.ascontiguousarray(per_channel().T), "codebook", id="clustered per channel, channels last"),
        pytest.param(pruned(normal()), "sparse", id="pruned"),
        pytest.param(with_negative_zeros, "sparse", id="negative zeros"),
        pytest.param(pruned(clustered()), "sparse codebook", id="pruned and clustered"),
        pytest.param(empty_row, "sparse codebook", id="pruned and clustered per channel, one empty"),
        pytest.param(last_only, "sparse codebook", id="a gap of thousands"),
        pytest.param(np.zeros((ROWS, COLUMNS), np.float32), "sparse codebook", id="zeros alone"),
        pytest.param(np.full((1, 1), 7.5, np.float32), "plain", id="one value"),
        pytest.param((20 * normal()).astype(np.int8), "plain", id="int8"),
        pytest.param(pruned((20 * normal()).astype(np.int8)), "sparse codebook", id="pruned int8"),
        pytest.param(clustered().astype(np.float16), "codebook", id="clustered halves"),
        pytest.param(RNG.integers(0, 9, (ROWS, COLUMNS)).astype(np.int64), "codebook", id="int64"),
    ],
)
def test_every_kind_of_tensor_comes_back_bit_by_bit_in_the_coding_made_for_it(tensor: np.ndarray, coding: str) -> None:
    assert pack.codings(packed(tensor)) == {coding: 1}


def test_gaps_of_exactly_the_skipping_symbol_come_back() -> None:
    for gap in (253, 254, 255, 256, 509, 510, 511):
        tensor = np.zeros((1, 2000), np.float32)
        tensor[0, [gap, 2 * gap + 1]] = 1
        packed(tensor)


def test_a_pruned_and_clustered_tensor_takes_little_more_than_its_entropy() -> None:
    tensor = pruned(BOOK[RNG.integers(0, 16, (300, 784))], 0.92)
    zero, rest = np.mean(tensor == 0), np.mean(tensor != 0)
    mask_bits = -tensor.size * (zero * np.log2(zero) + rest * np.log2(rest))
    counts = np.unique_counts(tensor[tensor != 0]).counts
    value_bits = -float(np.sum(counts * np.log2(counts / counts.sum())))
    size = len(packed(tensor))
    assert (mask_bits + value_bits) / 8 < size < 1.03 * (mask_bits + value_bits) / 8 + 150


def test_a_tensor_used_column_by_column_is_written_in_the_order_that_is_smaller() -> None:
    dead_inputs = clustered()
    dead_inputs[:, RNG.random(COLUMNS) < 0.9] = 0
    scattered = dead_inputs.reshape(-1)[RNG.permutation(COUNT)].reshape(ROWS, COLUMNS)
    assert len(packed(dead_inputs)) < 0.9 * len(packed(scattered))


def test_a_file_without_tensors_goes_through_the_general_coder() -> None:
    data = b"operator " * 1000
    assert len(small := pack.pack(memoryview(data), [])) < 150
    assert pack.unpack(small) == (data, "")


def test_regions_that_overlap_or_leave_the_file_are_written_once_or_not_at_all() -> None:
    data = np.arange(64, dtype=np.float32).tobytes()
    regions = [pack.Region(0, 4, 4, 8), pack.Region(16, 4, 4, 8), pack.Region(200, 4, 4, 8), pack.Region(0, 4, 4, 8)]
    result = pack.pack(memoryview(data), regions)
    assert pack.unpack(result)[0] == data
    assert pack.codings(result) == {"plain": 1}


def test_large_streams_are_coded_by_what_suits_their_middle() -> None:
    data = bytes(100_000) + RNG.bytes(200_000) + bytes(100_000)
    assert streams.expand(streams.squeeze(data)) == data


# --- damage ----------------------------------------------------------------------------------------


def test_every_cut_is_noticed() -> None:
    whole = packed(pruned(clustered())[:4])
    for end in range(len(whole)):
        with pytest.raises(pack.Damaged):
            pack.unpack(whole[:end])


def test_every_flipped_byte_is_noticed() -> None:
    whole = packed(pruned(clustered())[:4])
    for place in range(len(whole)):
        broken = bytearray(whole)
        broken[place] ^= 1 << place % 8
        with pytest.raises(pack.Damaged):
            pack.unpack(broken)


def sealed(packed_bytes: bytes | bytearray) -> bytes:
    """With a checksum that is right, as an attacker would write it."""
    crc = struct.pack("<I", zlib.crc32(packed_bytes[container._CRC_FROM :]))
    return bytes(packed_bytes[:5]) + crc + bytes(packed_bytes[9:])


def test_flipped_bytes_behind_a_right_checksum_are_refused_or_do_no_harm() -> None:
    refused = 0
    for tensor in (pruned(clustered()), pruned(per_channel()), clustered(), normal()[:4], pruned(normal())):
        whole, (data, _) = packed(tensor), file_of(tensor)
        for place in {*range(9, 200), *RNG.integers(9, len(whole), 200).tolist()}:
            broken = bytearray(whole)
            broken[place] ^= 1 << int(RNG.integers(8))
            try:
                assert pack.unpack(sealed(broken))[0] == data  # padding bits, or the suffix
            except pack.Damaged:
                refused += 1
    assert refused > 1500


def forged(tensors: list[TensorEntry], bodies: list[bytes], *, size: int, rest: bytes = b"") -> bytes:
    """A packed file with a right checksum and whatever index one likes."""
    index = msgspec.msgpack.encode(Index(".tflite", StreamEntry(0, len(rest), len(rest)), tuple(tensors)))
    body = struct.pack("<BII", 0, len(index), len(index)) + index + rest + b"".join(bodies)
    head = pack.MAGIC + bytes([container.VERSION, 0, 0, 0, 0]) + struct.pack("<Q32s", size, bytes(32))
    return sealed(head + body)


def tensor_entry(bodies: list[bytes], lengths: list[int], **changes: int) -> TensorEntry:
    entries = tuple(StreamEntry(1, length, len(body)) for body, length in zip(bodies, lengths, strict=True))
    fields = {"gap": 0, "item_bytes": 4, "rows": 1, "columns": 10, "coding": 0, "turned": False, "books": 1}
    return TensorEntry(**{**fields, **changes}, streams=entries)


def bomb(length: int) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return stream.compress(bytes(length)) + stream.flush()


def refusal(data: bytes, **options: int) -> str:
    with pytest.raises(pack.Damaged) as caught:
        pack.unpack(data, **options)
    return caught.value.message


def test_a_stream_that_expands_without_end_is_left_after_what_it_should_hold() -> None:
    body = bomb(50_000_000)
    data = forged([tensor_entry([body] * 4, [10] * 4)], [body] * 4, size=40)
    tracemalloc.start()
    assert "holds more" in refusal(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


@pytest.mark.parametrize(
    ("changes", "size", "expected"),
    [
        ({"columns": 10**9}, 40, "do not add up"),
        ({"columns": -10}, 40, "negative"),
        ({"gap": 5}, 40, "do not add up"),
        ({"item_bytes": 3}, 30, "impossible size"),
        ({"item_bytes": 0}, 0, "impossible size"),
        ({"coding": 9}, 40, "coding 9"),
        ({"books": 0}, 40, "0 codebooks"),
        ({"books": 3}, 40, "3 codebooks"),
        ({"coding": 1}, 40, "missing"),
        ({"coding": 2}, 40, "missing"),
    ],
)
def test_an_index_that_contradicts_itself_is_refused(changes: dict[str, int], size: int, expected: str) -> None:
    bodies = [bomb(10)] * 4
    assert expected in refusal(forged([tensor_entry(bodies, [10] * 4, **changes)], bodies, size=size))


def test_an_original_above_the_limit_is_refused_before_anything_is_expanded() -> None:
    assert "more than the limit of 1000" in refusal(packed(normal()), limit_bytes=1000)


def test_what_is_no_packed_file_or_of_another_version_is_named() -> None:
    assert "pocketbench pack" in refusal(b"PK\x03\x04" + bytes(100))
    assert "cut off after 20 bytes" in refusal(pack.MAGIC + bytes(16))
    later = bytearray(packed(normal()))
    later[4] = 7
    assert "format version 7" in refusal(bytes(later))


def test_the_format_stays_readable() -> None:
    """A file of version 1 as it was written when the format was made."""
    data = bytes.fromhex(OLD)
    original, suffix = pack.unpack(data)
    tensor = np.frombuffer(original[4:-4], np.float32).reshape(8, 24)
    assert (original[:4], original[-4:], suffix) == (b"head", b"tail", ".pte")
    assert np.array_equal(tensor, np.where(np.arange(192).reshape(8, 24) % 5, 0, np.arange(192).reshape(8, 24) % 7 - 3))


OLD = (
    "5042504b01b08f13220803000000000000ec6376b02d791948dbdc4462e1b6f2660fa9a28ec6cddeeee68ddaa30a47d01300280000002800"
    "000093a42e7074659300080891980404081802c20195930004049301210993000101930118159301210b686561647461696c000000006360"
    "e16401019c240005636068b0676060700022206ed80f641f00b20f000063656461626066c54d0200"
)
