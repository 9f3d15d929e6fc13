"""Shapes of .tflite that no quantizer here writes but users bring: packed by hand through the format's schema."""

from pathlib import Path

import numpy as np
import pytest

from converters.contents import inspect, read
from harness.errors import ConversionError

pytestmark = pytest.mark.runtimes


class Model:
    """A model under construction: tensors, operators and buffers as the schema has them."""

    def __init__(self) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self.schema = schema
        self.model = schema.ModelT()
        self.model.version, self.model.description = 3, "handmade"
        self.model.buffers, self.model.operatorCodes, self.model.subgraphs = [schema.BufferT()], [], []
        self.add_graph()

    def add_graph(self) -> None:
        graph = self.schema.SubGraphT()
        graph.name, graph.tensors, graph.operators, graph.inputs, graph.outputs = "g", [], [], [], []
        self.model.subgraphs.append(graph)
        self.graph = graph

    def tensor(self, name, shape, *, values=None, kind="FLOAT32", signature=None, buffer=None) -> int:
        tensor = self.schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.hasRank = name, list(shape), 0, True
        tensor.type = getattr(self.schema.TensorType, kind)
        tensor.shapeSignature = signature
        tensor.buffer = 0 if buffer is None else buffer
        if values is not None:
            tensor.buffer = self.buffer(values)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def buffer(self, values) -> int:
        buffer = self.schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        return len(self.model.buffers) - 1

    def operator(self, name, inputs, outputs, *, options=None, custom=None) -> None:
        code, op = self.schema.OperatorCodeT(), self.schema.OperatorT()
        code.builtinCode = getattr(self.schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode, code.version, code.customCode = min(code.builtinCode, 127), 1, custom
        self.model.operatorCodes.append(code)
        op.opcodeIndex, op.inputs, op.outputs = len(self.model.operatorCodes) - 1, inputs, outputs
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            op.builtinOptionsType, op.builtinOptions = getattr(self.schema.BuiltinOptions, kind), options
        self.graph.operators.append(op)

    def dense(self, source, weight, width) -> int:
        out = self.tensor("out", (1, width))
        self.operator("FULLY_CONNECTED", [source, weight, -1], [out], options=self.schema.FullyConnectedOptionsT())
        return out

    def write(self, path: Path, inputs, outputs) -> Path:
        import flatbuffers

        self.model.subgraphs[0].inputs, self.model.subgraphs[0].outputs = inputs, outputs
        builder = flatbuffers.Builder()
        builder.Finish(self.model.Pack(builder), file_identifier=b"TFL3")
        path.write_bytes(bytes(builder.Output()))
        return path


@pytest.fixture
def model():
    return Model()


WEIGHTS = np.arange(12, dtype=np.float32).reshape(3, 4)


def test_a_dense_layer_is_loaded_and_counted(model, tmp_path):
    source = model.tensor("in", (1, 4))
    out = model.dense(source, model.tensor("w", (3, 4), values=WEIGHTS), 3)
    found = inspect(model.write(tmp_path / "dense.tflite", [source], [out]))
    assert found.load_failure == ""
    assert (found.macs, found.delegated_macs_share, found.delegated_operators) == (12, 1.0, 1)
    assert (found.weights[0].name, found.weights[0].zeros, found.weights[0].distinct) == ("w", 1, 12)


def test_weights_behind_the_flatbuffer_are_found_by_their_offset(model, tmp_path):
    source = model.tensor("in", (1, 4))
    weight = model.tensor("w", (3, 4), buffer=1)
    outside = model.schema.BufferT()
    outside.offset, outside.size = 2, 48
    model.model.buffers.append(outside)
    out = model.dense(source, weight, 3)
    path = model.write(tmp_path / "large.tflite", [source], [out])
    start = -(-path.stat().st_size // 16) * 16
    outside.offset = start
    model.write(path, [source], [out])
    path.write_bytes(path.read_bytes().ljust(start, b"\0") + WEIGHTS.tobytes())
    found = inspect(path)
    assert found.load_failure == ""
    assert found.weight_bytes == {"float32": 48}
    assert found.weights[0].distinct == 12
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ConversionError, match=r"large\.tflite is damaged: buffer 1 ends at byte"):
        read(path)


def test_sparse_weights_are_counted_dense_behind_densify(model, tmp_path):
    schema = model.schema
    rows, columns = schema.DimensionMetadataT(), schema.DimensionMetadataT()
    rows.format, rows.denseSize = schema.DimensionType.DENSE, 3
    columns.format = schema.DimensionType.SPARSE_CSR
    vectors = []
    for values in ([0, 1, 1, 2], [2, 0]):
        vector = schema.Uint8VectorT()
        vector.values = np.array(values, np.uint8)
        vectors.append(vector)
    columns.arraySegmentsType = columns.arrayIndicesType = schema.SparseIndexVector.Uint8Vector
    columns.arraySegments, columns.arrayIndices = vectors
    sparsity = schema.SparsityParametersT()
    sparsity.traversalOrder, sparsity.dimMetadata = [0, 1], [rows, columns]
    source = model.tensor("in", (1, 4))
    stored = model.tensor("stored", (3, 4), values=np.float32([5, 7]))
    model.graph.tensors[stored].sparsity = sparsity
    weight = model.tensor("w", (3, 4))
    model.operator("DENSIFY", [stored], [weight], options=schema.DensifyOptionsT())
    out = model.dense(source, weight, 3)
    found = inspect(model.write(tmp_path / "sparse.tflite", [source], [out]))
    assert found.load_failure == ""
    (tensor,) = found.weights
    assert (tensor.name, tensor.operator, tensor.elements, tensor.zeros) == ("stored", "FULLY_CONNECTED", 12, 10)
    assert (tensor.distinct, tensor.stored_bytes, tensor.macs) == (3, 2 * 4 + 6, 12)
    assert found.sparsity == 10 / 12
    assert tensor.groups == {2: (4, 2, 0), 4: (1, 2, 0, 0, 0)} and tensor.distinct_per_channel == 2


def test_a_dynamic_dimension_is_told_and_counted_once(model, tmp_path):
    source = model.tensor("in", (1, 4), signature=[-1, 4])
    out = model.dense(source, model.tensor("w", (3, 4), values=WEIGHTS), 3)
    found = read(model.write(tmp_path / "dynamic.tflite", [source], [out]))
    assert found.inputs[0].shape == (-1, 4)
    assert found.macs == 12


def test_an_operator_that_the_runtime_lacks_is_named(model, tmp_path):
    source, out = model.tensor("in", (1, 4)), model.tensor("out", (1, 4))
    model.operator("CUSTOM", [source], [out], custom="MyOwnKernel")
    found = inspect(model.write(tmp_path / "custom.tflite", [source], [out]))
    assert found.custom_operators == ("MyOwnKernel",)
    assert found.operators == {"MyOwnKernel": 1}
    assert "MyOwnKernel" in found.load_failure
    assert found.delegated_operators is None


def test_a_buffer_shared_by_two_subgraphs_is_one_weight(model, tmp_path):
    buffer = model.buffer(WEIGHTS)
    source = model.tensor("in", (1, 4))
    out = model.dense(source, model.tensor("w", (3, 4), buffer=buffer), 3)
    model.add_graph()
    second = model.tensor("in2", (1, 4))
    model.graph.outputs = [model.dense(second, model.tensor("w2", (3, 4), buffer=buffer), 3)]
    model.graph.inputs = [second]
    found = inspect(model.write(tmp_path / "two.tflite", [source], [out]))
    assert found.weight_elements == {"float32": 12}
    assert found.operators == {"FULLY_CONNECTED": 2}
    assert found.macs == 24
    assert (found.delegated_operators, found.total_operators) == (1, 1)


def test_a_transposed_convolution_is_counted_by_its_input(model, tmp_path):
    source = model.tensor("in", (1, 8, 8, 3))
    size = model.tensor("size", (4,), values=np.int32([1, 16, 16, 5]), kind="INT32")
    weight = model.tensor("w", (5, 2, 2, 3), values=np.ones((5, 2, 2, 3), np.float32))
    out = model.tensor("out", (1, 16, 16, 5))
    options = model.schema.TransposeConvOptionsT()
    options.strideW = options.strideH = 2
    model.operator("TRANSPOSE_CONV", [size, weight, source], [out], options=options)
    found = inspect(model.write(tmp_path / "up.tflite", [source], [out]))
    assert found.load_failure == ""
    assert found.macs == 8 * 8 * 3 * 5 * 2 * 2


def test_a_matrix_product_of_two_computed_tensors_has_work_but_no_weights(model, tmp_path):
    left, right = model.tensor("left", (2, 5, 4)), model.tensor("right", (2, 4, 6))
    out = model.tensor("out", (2, 5, 6))
    model.operator("BATCH_MATMUL", [left, right], [out], options=model.schema.BatchMatMulOptionsT())
    found = inspect(model.write(tmp_path / "product.tflite", [left, right], [out]))
    assert found.load_failure == ""
    assert (found.macs, found.weights) == (2 * 5 * 4 * 6, ())


def test_a_tensor_that_is_not_there_is_damage_and_not_the_last_one(model, tmp_path):
    source = model.tensor("in", (1, 4))
    out = model.dense(source, model.tensor("w", (3, 4), values=WEIGHTS), 3)
    with pytest.raises(ConversionError, match="tensor -3 is not there"):
        read(model.write(tmp_path / "negative.tflite", [source], [-3]))
    with pytest.raises(ConversionError, match="tensor 99 is not there"):
        read(model.write(tmp_path / "beyond.tflite", [99], [out]))


def test_a_shape_larger_than_its_bytes_is_damage(model, tmp_path):
    source = model.tensor("in", (1, 4))
    out = model.dense(source, model.tensor("w", (2**20, 2**20), values=WEIGHTS), 3)
    with pytest.raises(ConversionError, match="48 are there"):
        read(model.write(tmp_path / "huge.tflite", [source], [out]))
