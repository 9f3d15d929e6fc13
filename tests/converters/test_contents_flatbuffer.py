"""The schema-driven flatbuffer reader, on buffers packed by hand so that every byte is known."""

import struct
import time

import pytest

from converters.contents.flatbuffer import decode, parse

SCHEMA = parse(
    """
    // a comment: table Nonsense { x: int; }
    enum Kind : byte { NONE = 0, SOME = 3, NEXT, }
    union Shape { Round, Square: Box, }
    table Round { radius: float; }
    table Box { side: uint = 7; }
    table Root {
      kind: Kind = SOME;   // absent below
      name: string;
      sizes: [int];
      shape: Shape;
      boxes: [Box];
      old: bool = true (deprecated);
    }
    """
)


def packed() -> bytes:
    """A Root named "ab" with sizes [1, -2], a Square of side 9 and twice the same default Box."""
    root, vtable = 24, 4
    slots = {1: 4, 2: 8, 3: 20, 4: 12, 5: 16}  # name, sizes, tag of shape, shape, boxes
    data = bytearray(140)
    struct.pack_into("<I", data, 0, root)
    struct.pack_into("<HH", data, vtable, 4 + 2 * 7, 24)
    for slot, offset in slots.items():
        struct.pack_into("<H", data, vtable + 4 + 2 * slot, offset)
    struct.pack_into("<i", data, root, root - vtable)
    data[root + 20] = 2

    def point(at: int, to: int) -> None:
        struct.pack_into("<I", data, at, to - at)

    point(root + 4, 52)
    struct.pack_into("<I2s", data, 52, 2, b"ab")
    point(root + 8, 60)
    struct.pack_into("<Iii", data, 60, 2, 1, -2)
    point(root + 12, 84)
    struct.pack_into("<HHH", data, 76, 6, 8, 4)
    struct.pack_into("<iI", data, 84, 84 - 76, 9)
    point(root + 16, 100)
    struct.pack_into("<I", data, 100, 2)
    point(104, 120)
    point(108, 120)
    struct.pack_into("<HH", data, 112, 4, 4)
    struct.pack_into("<i", data, 120, 120 - 112)
    return bytes(data[:124])


def test_a_table_is_decoded_with_its_defaults_unions_and_lists():
    root = decode(SCHEMA, memoryview(packed()), "Root")
    assert root["kind"] == 3
    assert SCHEMA.member("Kind", 4) == "NEXT"
    assert root["name"] == "ab"
    assert root["sizes"].tolist() == [1, -2]
    assert root["shape"] == ("Square", {"side": 9})
    assert root["boxes"] == [{"side": 7}, {"side": 7}]
    assert root["old"] is True


def test_a_buffer_cut_off_anywhere_is_a_value_error():
    whole = packed()
    for size in range(len(whole)):
        with pytest.raises(ValueError):
            decode(SCHEMA, memoryview(whole[:size]), "Root")


def test_a_buffer_with_any_bit_flipped_is_read_or_refused_but_never_crashes():
    whole = packed()
    refused = 0
    for place in range(len(whole) * 8):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        try:
            decode(SCHEMA, memoryview(bytes(flipped)), "Root")
        except ValueError:
            refused += 1
    assert refused > 100


def test_a_list_that_names_one_table_over_and_over_does_not_hang():
    schema = parse("table A { b: [B]; } table B { c: [C]; } table C { d: [D]; } table D { e: int; }")
    width = 2000

    def table(at: int, vector: int) -> bytes:
        return struct.pack("<HHHHiI", 6, 8, 4, 0, 8, vector - (at + 12))

    size = 16 + 4 + 4 * width
    data = bytearray(4 + 3 * size + 16)
    struct.pack_into("<I", data, 0, 4 + 8)
    for level in range(3):
        start, following = 4 + level * size, 4 + (level + 1) * size + 8
        data[start : start + 16] = table(start, start + 16)
        struct.pack_into("<I", data, start + 16, width)
        for entry in range(start + 20, start + 20 + 4 * width, 4):
            struct.pack_into("<I", data, entry, following - entry)
    data[4 + 3 * size : 4 + 3 * size + 12] = struct.pack("<HHHHi", 4, 4, 0, 0, 8)
    started = time.monotonic()
    with pytest.raises(ValueError, match="more tables than bytes"):
        decode(schema, memoryview(bytes(data)), "A")
    assert time.monotonic() - started < 5
