package org.pocketbench.core;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** bfloat16 tensors travel as float32, which holds all of their values; runtimes take and give the upper two bytes. */
public final class BFloat16 {
    private BFloat16() {}

    /** float32 to a direct buffer of bfloat16, to the nearest, halves to even. */
    public static ByteBuffer packed(Tensor values) {
        ByteBuffer found = ByteBuffer.allocateDirect(2 * values.count()).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < values.count(); i++) {
            int bits = values.data.getInt(4 * i);
            boolean nan = Float.isNaN(Float.intBitsToFloat(bits));
            int rounded = bits + 0x7FFF + ((bits >>> 16) & 1);
            found.putShort(2 * i, (short) (nan ? 0x7FC0 : rounded >>> 16));
        }
        return found;
    }

    /** And back. */
    public static Tensor unpacked(ByteBuffer packed, long[] shape) {
        Tensor found = new Tensor(Dtype.FLOAT32, shape);
        for (int i = 0; i < found.count(); i++) {
            found.data.putInt(4 * i, packed.getShort(2 * i) << 16);
        }
        return found;
    }
}
