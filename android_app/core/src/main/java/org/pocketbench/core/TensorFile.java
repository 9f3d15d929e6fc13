package org.pocketbench.core;

import java.util.LinkedHashMap;
import java.util.Map;

/** `samples` tensors of one input or output in one raw little-endian file, one after the other. */
public final class TensorFile {
    public final String path;
    public final String dtype;
    public final long[] shape;
    public final long samples;

    public TensorFile(String path, String dtype, long[] shape, long samples) {
        this.path = path;
        this.dtype = dtype;
        this.shape = shape;
        this.samples = samples;
    }

    static TensorFile of(Fields fields) throws Refused {
        TensorFile file = new TensorFile(
                fields.text("path"), fields.text("dtype"), fields.counts("shape", 0), fields.count("samples", 1));
        fields.end();
        return file;
    }

    Map<String, Object> toJson() {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("path", path);
        json.put("dtype", dtype);
        json.put("shape", shape);
        json.put("samples", samples);
        return json;
    }
}
