package org.pocketbench.core;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Samples to what a build takes, and back: shapes checked, dtypes cast only where nothing is lost. */
final class Fitting {
    private static final String REMEDY = "give data of the shape and dtype that get_args() has";

    private Fitting() {}

    /** One tensor of zeros per input; a dynamic dimension is 1. */
    static List<Tensor> zeros(List<TensorSpec> specs) {
        List<Tensor> found = new ArrayList<>();
        for (TensorSpec spec : specs) {
            long[] shape = spec.shape.clone();
            for (int i = 0; i < shape.length; i++) {
                shape[i] = shape[i] < 0 ? 1 : shape[i];
            }
            found.add(new Tensor(Dtype.of(spec.stored()), shape));
        }
        return found;
    }

    /** One sample in the build's own dtypes; Refused names what does not fit. */
    static List<Tensor> fitted(List<Tensor> values, List<TensorSpec> specs) throws Refused {
        if (values.size() != specs.size()) {
            StringBuilder names = new StringBuilder();
            for (TensorSpec spec : specs) {
                names.append(names.length() == 0 ? "" : ", ").append(spec.name);
            }
            throw new Refused("the request has " + values.size() + " inputs, the build takes " + specs.size()
                    + " (" + names + ")");
        }
        List<Tensor> found = new ArrayList<>();
        for (int i = 0; i < specs.size(); i++) {
            found.add(fitted(values.get(i), specs.get(i)));
        }
        return found;
    }

    static Tensor fitted(Tensor values, TensorSpec spec) throws Refused {
        Dtype wanted = Dtype.of(spec.stored());
        if (!shapeFits(values.shape, spec.shape)) {
            throw misfit(values, spec);
        }
        if (values.dtype == wanted) {
            Tensor copy = new Tensor(wanted, values.shape);
            copy.whole().put(values.whole());
            return copy;
        }
        if (spec.isQuantized() && values.dtype.isFloat()) {
            return quantized(values, spec, wanted);
        }
        if (values.dtype.isFloat() && wanted.isFloat()) {
            return cast(values, wanted);
        }
        if (values.dtype.isInteger() && wanted.isInteger()) {
            return narrowed(values, wanted, spec);
        }
        throw misfit(values, spec);
    }

    /** A quantized output as the float32 it stands for; others as they are. */
    static Tensor restored(Tensor values, TensorSpec spec) {
        if (!spec.isQuantized() || !values.dtype.isInteger()) {
            return values;
        }
        Tensor found = new Tensor(Dtype.FLOAT32, values.shape);
        long zero = spec.zeroPoint == null ? 0 : spec.zeroPoint;
        for (int i = 0; i < values.count(); i++) {
            found.data.putFloat(4 * i, (float) ((values.real(i) - zero) * spec.scale));
        }
        return found;
    }

    private static Tensor quantized(Tensor values, TensorSpec spec, Dtype wanted) throws Refused {
        Tensor found = new Tensor(wanted, values.shape);
        long zero = spec.zeroPoint == null ? 0 : spec.zeroPoint;
        for (int i = 0; i < values.count(); i++) {
            double value = values.real(i);
            if (Double.isNaN(value) || Double.isInfinite(value)) {
                throw new Refused("input '" + spec.name + "' holds NaN or infinity, which " + spec.dtype
                        + " cannot say");
            }
            double code = Math.rint(value / spec.scale) + zero;
            wanted.putWhole(found.data, i, (long) Math.max(wanted.least(), Math.min(wanted.most(), code)));
        }
        return found;
    }

    private static Tensor cast(Tensor values, Dtype wanted) {
        Tensor found = new Tensor(wanted, values.shape);
        for (int i = 0; i < values.count(); i++) {
            wanted.putReal(found.data, i, values.real(i));
        }
        return found;
    }

    private static Tensor narrowed(Tensor values, Dtype wanted, TensorSpec spec) throws Refused {
        Tensor found = new Tensor(wanted, values.shape);
        for (int i = 0; i < values.count(); i++) {
            long value = values.dtype.whole(values.data, i);
            boolean tooLarge = values.dtype == Dtype.UINT64 && value < 0; // of no signed long
            if (tooLarge || value < wanted.least() || value > wanted.most()) {
                throw new Refused("input '" + spec.name + "' holds " + Long.toString(value) + " as "
                        + values.dtype.title() + ", which the build's " + wanted.title() + " cannot hold");
            }
            wanted.putWhole(found.data, i, value);
        }
        return found;
    }

    private static boolean shapeFits(long[] shape, long[] wanted) {
        boolean fits = shape.length == wanted.length;
        for (int i = 0; fits && i < shape.length; i++) {
            fits = wanted[i] == -1 || wanted[i] == shape[i];
        }
        return fits;
    }

    private static Refused misfit(Tensor values, TensorSpec spec) {
        return new Refused("input '" + spec.name + "' is " + values.spelled() + ", the build wants "
                + Dtype.spelled(spec.dtype, spec.shape), REMEDY);
    }

    /** Whether two tensors are of one dtype and shape. */
    static boolean alike(Tensor one, Tensor other) {
        return one.dtype == other.dtype && Arrays.equals(one.shape, other.shape);
    }
}
