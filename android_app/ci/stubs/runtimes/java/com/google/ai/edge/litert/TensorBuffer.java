package com.google.ai.edge.litert;

/** Signatures alone, to compile against; the real class comes with the runtime that the flavour names. */
public final class TensorBuffer extends JniHandle {
    TensorBuffer() {
        throw new RuntimeException("stub");
    }

    public void writeFloat(float[] data) throws LiteRtException {
        throw new RuntimeException("stub");
    }

    public void writeInt(int[] data) throws LiteRtException {
        throw new RuntimeException("stub");
    }

    public void writeInt8(byte[] data) throws LiteRtException {
        throw new RuntimeException("stub");
    }

    public float[] readFloat() throws LiteRtException {
        throw new RuntimeException("stub");
    }

    public int[] readInt() throws LiteRtException {
        throw new RuntimeException("stub");
    }

    public byte[] readInt8() throws LiteRtException {
        throw new RuntimeException("stub");
    }
}
