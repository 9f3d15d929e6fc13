package org.pocketbench.app;

import com.google.ai.edge.litert.LiteRtException;
import com.google.ai.edge.litert.TensorBuffer;
import org.pocketbench.core.Dtype;
import org.pocketbench.core.Refused;
import org.pocketbench.core.Tensor;
import org.pocketbench.core.TensorSpec;

/** Tensors into and out of LiteRT's buffers, which know float32, int32 and int8. */
final class BufferCopies {
    private interface Write {
        void now() throws LiteRtException;
    }

    private BufferCopies() {}

    static Runnable writing(TensorBuffer buffer, Tensor value) throws Refused {
        Write write;
        if (value.dtype == Dtype.FLOAT32) {
            float[] values = new float[value.count()];
            value.whole().asFloatBuffer().get(values);
            write = () -> buffer.writeFloat(values);
        } else if (value.dtype == Dtype.INT32) {
            int[] values = new int[value.count()];
            value.whole().asIntBuffer().get(values);
            write = () -> buffer.writeInt(values);
        } else if (value.dtype == Dtype.INT8) {
            byte[] values = new byte[value.count()];
            value.whole().get(values);
            write = () -> buffer.writeInt8(values);
        } else {
            throw unknown(value.dtype.title());
        }
        return () -> {
            try {
                write.now();
            } catch (LiteRtException error) {
                throw new IllegalStateException(error.getMessage(), error);
            }
        };
    }

    static Tensor read(TensorBuffer buffer, TensorSpec spec) throws Refused {
        Tensor found = new Tensor(Dtype.of(spec.stored()), spec.shape);
        try {
            switch (found.dtype) {
                case FLOAT32:
                    found.whole().asFloatBuffer().put(buffer.readFloat());
                    return found;
                case INT32:
                    found.whole().asIntBuffer().put(buffer.readInt());
                    return found;
                case INT8:
                    found.whole().put(buffer.readInt8());
                    return found;
                default:
                    throw unknown(spec.dtype);
            }
        } catch (LiteRtException error) {
            throw new Refused("an output cannot be read: " + Refused.oneLine(error));
        }
    }

    private static Refused unknown(String dtype) {
        return new Refused("a tensor of " + dtype + ", which LiteRT's buffers do not carry in Java",
                "measure it on the CPU, or convert it with inputs of float32, int32 or int8");
    }
}
