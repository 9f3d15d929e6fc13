package org.pocketbench.core;

import java.io.File;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;

/**
 * What LiteRT's compiled model does not tell about a .tflite file, read from the first subgraph of the file
 * (schema.fbs of TensorFlow Lite).
 */
public final class Tflite {
    private static final int MODEL_CODES = 1;
    private static final int MODEL_GRAPHS = 2;
    private static final int CODE_OLD = 0;
    private static final int CODE_CUSTOM_NAME = 1;
    private static final int CODE = 3;
    private static final int CUSTOM = 32;
    private static final int GRAPH_TENSORS = 0;
    private static final int GRAPH_INPUTS = 1;
    private static final int GRAPH_OUTPUTS = 2;
    private static final int GRAPH_OPERATORS = 3;
    private static final int TENSOR_SHAPE = 0;
    private static final int TENSOR_DTYPE = 1;
    private static final int TENSOR_NAME = 3;
    private static final int TENSOR_QUANTIZATION = 4;
    private static final int TENSOR_IS_VARIABLE = 5;
    private static final int TENSOR_SIGNATURE = 7;
    private static final int SCALES = 2;
    private static final int ZERO_POINTS = 3;
    // TensorType, - for what has no counterpart
    private static final String[] DTYPES = ("float32 float16 int32 uint8 int64 - bool int16 - int8 float64 - uint64 - -"
            + " uint32 uint16 - bfloat16").split(" ");

    public final List<TensorSpec> inputs;
    public final List<TensorSpec> outputs;
    public final long operators;

    /** Whether a call leaves something behind for the next. */
    public final boolean hasVariables;

    /** Names of custom operators. */
    public final List<String> custom;

    private final FlatBuffer data;

    Tflite(FlatBuffer data) throws Refused {
        this.data = data;
        List<Integer> graphs = data.tables(data.root(), MODEL_GRAPHS);
        if (graphs.isEmpty()) {
            throw new Refused("LiteRT would refuse the file: it has no subgraph");
        }
        int graph = graphs.get(0);
        List<Integer> tensors = data.tables(graph, GRAPH_TENSORS);
        inputs = specs(tensors, data.numbers(graph, GRAPH_INPUTS));
        outputs = specs(tensors, data.numbers(graph, GRAPH_OUTPUTS));
        operators = data.tables(graph, GRAPH_OPERATORS).size();
        hasVariables = tensors.stream().anyMatch(tensor -> data.small(tensor, TENSOR_IS_VARIABLE) != 0);
        TreeSet<String> names = new TreeSet<>();
        for (int code : data.tables(data.root(), MODEL_CODES)) {
            if (Math.max(data.small(code, CODE_OLD), data.number(code, CODE, 0)) == CUSTOM) {
                names.add(data.text(code, CODE_CUSTOM_NAME));
            }
        }
        custom = new ArrayList<>(names);
    }

    public static Tflite of(File file) throws Refused {
        try {
            return new Tflite(FlatBuffer.of(file));
        } catch (IndexOutOfBoundsException error) {
            throw new Refused("LiteRT would refuse the file: it points out of itself");
        }
    }

    /** What a refusal of the runtime is likely about. */
    public Refused refused(Throwable error) {
        if (!custom.isEmpty()) {
            return new Refused("the file needs the custom operator '" + String.join("', '", custom)
                    + "', which LiteRT does not have", "convert the model without it");
        }
        return new Refused("LiteRT refused the file: " + Refused.oneLine(error), "see the log; make the file anew");
    }

    private List<TensorSpec> specs(List<Integer> tensors, long[] places) throws Refused {
        List<TensorSpec> found = new ArrayList<>();
        for (long place : places) {
            int tensor = tensors.get((int) place);
            String name = data.text(tensor, TENSOR_NAME);
            int code = data.small(tensor, TENSOR_DTYPE);
            if (code < 0 || code >= DTYPES.length || DTYPES[code].equals("-")) {
                throw new Refused("'" + name + "' of the build is of tensor type " + code);
            }
            found.add(spec(tensor, name, DTYPES[code]));
        }
        return found;
    }

    /** The shape with -1 for what may change; older files know only the shape itself. */
    private TensorSpec spec(int tensor, String name, String dtype) {
        long[] signature = data.numbers(tensor, TENSOR_SIGNATURE);
        long[] shape = signature.length > 0 ? signature : data.numbers(tensor, TENSOR_SHAPE);
        int quantization = data.table(tensor, TENSOR_QUANTIZATION);
        float[] scales = quantization < 0 ? new float[0] : data.floats(quantization, SCALES);
        if (scales.length != 1) {
            return new TensorSpec(name, shape, dtype);
        }
        long[] zeros = data.longs(quantization, ZERO_POINTS);
        return new TensorSpec(name, shape, dtype, (double) scales[0], zeros.length == 0 ? 0L : zeros[0]);
    }
}
