package org.tensorflow.lite;

import java.nio.ByteBuffer;

/** Signatures alone, to compile against; the real class comes with the runtime that the flavour names. */
public interface Tensor {
    int[] shape();

    ByteBuffer asReadOnlyBuffer();
}
