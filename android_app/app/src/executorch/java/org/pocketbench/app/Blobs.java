package org.pocketbench.app;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.pocketbench.core.Dtype;
import org.pocketbench.core.Refused;
import org.pocketbench.core.Tensor;
import org.pocketbench.core.TensorSpec;

/** Tensors into and out of ExecuTorch's own, for the dtypes that its Java knows. */
final class Blobs {
    private Blobs() {}

    /** Wraps the same memory; it lives as long as the wrapper. */
    static org.pytorch.executorch.Tensor of(Tensor value, TensorSpec spec) throws Refused {
        ByteBuffer bytes = value.whole().order(ByteOrder.nativeOrder());
        if (!spec.dtype.equals(value.dtype.title())) {
            throw unknown(spec.dtype);
        }
        switch (value.dtype) {
            case FLOAT32:
                return org.pytorch.executorch.Tensor.fromBlob(bytes.asFloatBuffer(), value.shape);
            case FLOAT64:
                return org.pytorch.executorch.Tensor.fromBlob(bytes.asDoubleBuffer(), value.shape);
            case INT32:
                return org.pytorch.executorch.Tensor.fromBlob(bytes.asIntBuffer(), value.shape);
            case INT64:
                return org.pytorch.executorch.Tensor.fromBlob(bytes.asLongBuffer(), value.shape);
            case INT8:
                return org.pytorch.executorch.Tensor.fromBlob(bytes, value.shape);
            case UINT8:
                return org.pytorch.executorch.Tensor.fromBlobUnsigned(bytes, value.shape);
            default:
                throw unknown(spec.dtype);
        }
    }

    /** The runtime writes its next outputs over these. */
    static Tensor copy(org.pytorch.executorch.Tensor value, TensorSpec spec) throws Refused {
        Tensor found = new Tensor(Dtype.of(spec.stored()), value.shape());
        ByteBuffer to = found.whole();
        switch (found.dtype) {
            case FLOAT32:
                to.asFloatBuffer().put(value.getDataAsFloatArray());
                return found;
            case FLOAT64:
                to.asDoubleBuffer().put(value.getDataAsDoubleArray());
                return found;
            case INT32:
                to.asIntBuffer().put(value.getDataAsIntArray());
                return found;
            case INT64:
                to.asLongBuffer().put(value.getDataAsLongArray());
                return found;
            case INT8:
                to.put(value.getDataAsByteArray());
                return found;
            case UINT8:
                to.put(value.getDataAsUnsignedByteArray());
                return found;
            default:
                throw unknown(spec.dtype);
        }
    }

    private static Refused unknown(String dtype) {
        return new Refused("a tensor of " + dtype + ", which ExecuTorch's Java does not carry",
                "lower the model with inputs and outputs of float32, int32, int64 or int8");
    }
}
