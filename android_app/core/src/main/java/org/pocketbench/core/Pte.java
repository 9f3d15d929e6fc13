package org.pocketbench.core;

import java.io.File;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;

/**
 * What ExecuTorch's Java does not tell about a .pte file: inputs, outputs and delegates of `forward`, read from the
 * file (schema/program.fbs of ExecuTorch).
 */
public final class Pte {
    private static final int PROGRAM_PLANS = 1;
    private static final int PLAN_NAME = 0;
    private static final int PLAN_VALUES = 2;
    private static final int PLAN_INPUTS = 3;
    private static final int PLAN_OUTPUTS = 4;
    private static final int PLAN_DELEGATES = 7;
    private static final int DELEGATE_ID = 0;
    private static final int VALUE_KIND = 0;
    private static final int VALUE = 1;
    private static final int VALUE_IS_TENSOR = 5;
    private static final int TENSOR_DTYPE = 0;
    private static final int TENSOR_SIZES = 2;
    // c10::ScalarType, - for what has no counterpart
    private static final String[] DTYPES = ("uint8 int8 int16 int32 int64 float16 float32 float64 - - - bool - - -"
            + " bfloat16 - - - - - - - - - - - uint16 uint32 uint64").split(" ");

    public final List<TensorSpec> inputs;
    public final List<TensorSpec> outputs;

    /** Names of the delegates, such as XnnpackBackend, joined with +; "" for none. */
    public final String delegates;

    private final FlatBuffer data;

    Pte(FlatBuffer data) throws Refused {
        this.data = data;
        List<String> names = new ArrayList<>();
        int plan = -1;
        for (int table : data.tables(data.root(), PROGRAM_PLANS)) {
            names.add(data.text(table, PLAN_NAME));
            plan = data.text(table, PLAN_NAME).equals("forward") ? table : plan;
        }
        if (plan < 0) {
            String found = names.isEmpty() ? "none" : String.join(", ", names);
            throw new Refused("the file has no method 'forward', but " + found);
        }
        List<Integer> values = data.tables(plan, PLAN_VALUES);
        inputs = specs(values, data.numbers(plan, PLAN_INPUTS), "input_");
        outputs = specs(values, data.numbers(plan, PLAN_OUTPUTS), "output_");
        TreeSet<String> delegated = new TreeSet<>();
        for (int delegate : data.tables(plan, PLAN_DELEGATES)) {
            delegated.add(data.text(delegate, DELEGATE_ID));
        }
        delegates = String.join("+", delegated);
    }

    public static Pte of(File file) throws Refused {
        try {
            return new Pte(FlatBuffer.of(file));
        } catch (IndexOutOfBoundsException error) {
            throw new Refused("ExecuTorch would refuse the file: it points out of itself");
        }
    }

    private List<TensorSpec> specs(List<Integer> values, long[] places, String stem) throws Refused {
        List<TensorSpec> found = new ArrayList<>();
        for (long place : places) {
            String name = stem + found.size();
            int value = values.get((int) place);
            if (data.small(value, VALUE_KIND) != VALUE_IS_TENSOR) {
                throw new Refused(name + " of the build is not a tensor");
            }
            int tensor = data.table(value, VALUE);
            int code = data.small(tensor, TENSOR_DTYPE);
            if (code < 0 || code >= DTYPES.length || DTYPES[code].equals("-")) {
                throw new Refused(name + " of the build is of scalar type " + code);
            }
            found.add(new TensorSpec(name, data.numbers(tensor, TENSOR_SIZES), DTYPES[code]));
        }
        return found;
    }
}
