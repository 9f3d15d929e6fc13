package org.pocketbench.core;

import java.util.LinkedHashMap;
import java.util.Map;

/** One input or output of a build; -1 is a dynamic dimension; dtype in numpy's words; scale null: not quantized. */
public final class TensorSpec {
    public final String name;
    public final long[] shape;
    public final String dtype;
    public final Double scale;
    public final Long zeroPoint;

    public TensorSpec(String name, long[] shape, String dtype) {
        this(name, shape, dtype, null, null);
    }

    public TensorSpec(String name, long[] shape, String dtype, Double scale, Long zeroPoint) {
        this.name = name;
        this.shape = shape;
        this.dtype = dtype;
        this.scale = scale;
        this.zeroPoint = zeroPoint;
    }

    /** An integer tensor that stands for real numbers. */
    public boolean isQuantized() {
        return scale != null && scale != 0 && Dtype.of(stored()).isInteger();
    }

    /** The dtype that carries the tensor in files: there is no bfloat16 in numpy, float32 holds all of its values. */
    public String stored() {
        return dtype.equals("bfloat16") ? "float32" : dtype;
    }

    /** The shape to set for a sample of this shape, null where nothing is to be set: all is fixed, or it cannot fit. */
    public long[] resized(long[] sample) {
        long[] found = shape.clone();
        boolean dynamic = false;
        for (int i = 0; i < shape.length && sample.length == shape.length; i++) {
            dynamic |= shape[i] < 0;
            found[i] = shape[i] < 0 ? sample[i] : shape[i];
        }
        return dynamic ? found : null;
    }

    Map<String, Object> toJson() {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("name", name);
        json.put("shape", shape);
        json.put("dtype", dtype);
        json.put("scale", scale);
        json.put("zero_point", zeroPoint);
        return json;
    }
}
