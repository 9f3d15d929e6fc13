"""The arithmetic of converters.contents: values, shares, sums."""

import zlib

import numpy as np
import pytest

from converters.contents import macs_share, quantized_share
from converters.contents.graph import Graph, Node, contents_of, with_delegated
from converters.contents.stored import Stored, Use, Weights, weight_tensor
from converters.contents.values import distinct_in, is_zero, saturated_in, unpacked, values_of
from harness.records import WeightTensor


def graph_of(*weights: WeightTensor, nodes: tuple[Node, ...] = (), **more) -> Graph:
    return Graph(format="tflite", nodes=nodes, weights=weights, activation_dtypes={}, inputs=(), outputs=(), **more)


def weight(dtype: str, elements: int, *, zeros: int = 0, macs: int = 0) -> WeightTensor:
    return WeightTensor(
        name="w",
        operator="CONV_2D",
        shape=(elements,),
        dtype=dtype,
        elements=elements,
        zeros=zeros,
        distinct=2,
        macs=macs,
    )


def test_four_bit_values_are_unpacked_low_nibble_first_and_signed():
    packed = memoryview(bytes([0x8F, 0x70]))
    assert unpacked(packed, 4, signed=True).tolist() == [-1, -8, 0, 7]
    assert unpacked(packed, 4, signed=False).tolist() == [15, 8, 0, 7]


def test_an_odd_number_of_four_bit_values_leaves_the_last_nibble_out():
    assert values_of(memoryview(bytes([0x21, 0x03])), "int4", 3).tolist() == [1, 2, 3]


def test_two_bit_values_are_unpacked_four_to_a_byte():
    assert unpacked(memoryview(bytes([0b11_10_01_00])), 2, signed=True).tolist() == [0, 1, -2, -1]


def test_fewer_bytes_than_elements_is_an_error_that_counts_both():
    with pytest.raises(ValueError, match="10 elements of float32 need 40 bytes, 36 are there"):
        values_of(memoryview(bytes(36)), "float32", 10)


def test_minus_zero_counts_as_zero_in_every_float():
    assert is_zero(np.array([0.0, -0.0, 1e-30], np.float32), "float32").sum() == 2
    assert is_zero(np.array([0x0000, 0x8000, 0x0001], np.uint16), "bfloat16").sum() == 2


def test_the_code_that_stands_for_zero_is_the_zero_point_of_its_channel():
    stored = Stored("w", (2, 3), "uint8", memoryview(bytes([128, 0, 128, 7, 7, 128])), np.array([[128], [7]]))
    assert weight_tensor(stored, Use("CONV_2D")).zeros == 4


def test_distinct_values_are_counted_by_value_for_bytes_and_floats():
    assert distinct_in(np.array([-1, -1, 127, 0], np.int8)) == 3
    assert distinct_in(np.array([0.5, 0.5, 0.25], np.float32)) == 2


def test_a_sparse_tensor_counts_the_zeros_that_are_not_stored():
    stored = Stored("w", (4, 4), "float32", memoryview(np.float32([1, 2, 1]).tobytes()), sparse=True, index_bytes=9)
    tensor = weight_tensor(stored, Use("CONV_2D"))
    assert (tensor.elements, tensor.zeros, tensor.distinct, tensor.stored_bytes) == (16, 13, 3, 21)


@pytest.mark.parametrize(("bias", "expected"), [(2**31 - 1, 1), (-(2**31), 1), (2**31 - 3, 0), (0, 0)])
def test_a_bias_at_the_end_of_int32_is_saturated(bias, expected):
    assert saturated_in(np.array([5, bias], np.int32)) == expected


def test_a_float_bias_is_never_saturated():
    assert saturated_in(np.array([3.4e38], np.float32)) == 0


def test_a_buffer_that_two_operators_read_is_one_weight_with_the_work_of_both():
    weights = Weights()
    stored = Stored("shared", (2,), "float32", memoryview(bytes(8)))
    weights.add(7, stored, Use("CONV_2D", macs=10))
    weights.add(7, stored, Use("FULLY_CONNECTED", macs=5, saturated_biases=2))
    (tensor,) = weights.tensors()
    assert (tensor.operator, tensor.elements, tensor.macs, tensor.saturated_biases) == ("CONV_2D", 2, 15, 2)


def test_download_bytes_are_those_of_deflate_level_nine():
    data = bytes(range(256)) * 9000
    assert contents_of(graph_of(), data).download_bytes == len(zlib.compress(data, 9))


def test_shares_tell_a_quantized_head_from_quantized_work():
    found = contents_of(graph_of(weight("int8", 900, macs=900), weight("float32", 100, zeros=50, macs=99_100)), b"x")
    assert quantized_share(found) == {"int8": 0.9, "float32": 0.1}
    assert macs_share(found) == {"float32": 0.991, "int8": 0.009}
    assert found.sparsity == 0.05


def test_a_file_without_weights_has_no_shares():
    assert quantized_share(contents_of(graph_of(), b"x")) == {}


def test_delegated_shares_stay_unknown_until_somebody_looked():
    nodes = (Node(operator="CONV_2D", macs=90), Node(operator="MEAN"), Node(operator="ADD", macs=10))
    before = contents_of(graph_of(nodes=nodes, main_nodes=3), b"x")
    assert (before.delegated_operators, before.total_operators, before.delegated_macs_share) == (None, None, None)
    marked = with_delegated(graph_of(nodes=nodes, main_nodes=3), [True, True, False], delegates={"XNNPACK": 1})
    after = contents_of(marked, b"x")
    assert (after.delegated_operators, after.total_operators, after.delegated_macs_share) == (2, 3, 0.9)
    assert after.left_operators == {"ADD": 1}


def test_operators_inside_an_unknown_delegate_are_not_guessed():
    found = contents_of(graph_of(nodes=(Node(operator="aten::add.out", delegated=False),), unopened_bytes=64), b"x")
    assert found.delegated_operators is None
    assert found.total_operators is None
    assert found.macs is None
