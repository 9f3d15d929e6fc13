package org.pocketbench.core;

import java.nio.ByteBuffer;
import java.util.Arrays;

/** The element types that travel in files, in numpy's words, little-endian. */
public enum Dtype {
    BOOL(1, 'b'),
    INT8(1, 'i'),
    UINT8(1, 'u'),
    INT16(2, 'i'),
    UINT16(2, 'u'),
    INT32(4, 'i'),
    UINT32(4, 'u'),
    INT64(8, 'i'),
    UINT64(8, 'u'),
    FLOAT16(2, 'f'),
    FLOAT32(4, 'f'),
    FLOAT64(8, 'f');

    public final int bytes;
    private final char kind;

    Dtype(int bytes, char kind) {
        this.bytes = bytes;
        this.kind = kind;
    }

    /** IllegalArgumentException for a name that is none of them; see {@link #known}. */
    public static Dtype of(String name) {
        return valueOf(name.toUpperCase(java.util.Locale.ROOT));
    }

    public static boolean known(String name) {
        for (Dtype dtype : values()) {
            if (dtype.title().equals(name)) {
                return true;
            }
        }
        return false;
    }

    /** numpy's name. */
    public String title() {
        return name().toLowerCase(java.util.Locale.ROOT);
    }

    public boolean isFloat() {
        return kind == 'f';
    }

    public boolean isInteger() {
        return kind == 'i' || kind == 'u';
    }

    long least() {
        return kind == 'u' ? 0 : -1L << (8 * bytes - 1);
    }

    /** Of an unsigned 64-bit number too what fits a long. */
    long most() {
        return kind == 'i' ? ~least() : bytes == 8 ? Long.MAX_VALUE : (1L << (8 * bytes)) - 1;
    }

    double real(ByteBuffer from, int element) {
        switch (this) {
            case FLOAT16:
                return Half.toFloat(from.getShort(2 * element));
            case FLOAT32:
                return from.getFloat(4 * element);
            case FLOAT64:
                return from.getDouble(8 * element);
            default:
                return whole(from, element);
        }
    }

    void putReal(ByteBuffer to, int element, double value) {
        switch (this) {
            case FLOAT16:
                to.putShort(2 * element, Half.of(value));
                break;
            case FLOAT32:
                to.putFloat(4 * element, (float) value);
                break;
            case FLOAT64:
                to.putDouble(8 * element, value);
                break;
            default:
                putWhole(to, element, (long) value);
        }
    }

    long whole(ByteBuffer from, int element) {
        switch (bytes) {
            case 1:
                return kind == 'i' ? from.get(element) : from.get(element) & 0xFF;
            case 2:
                return kind == 'i' ? from.getShort(2 * element) : from.getShort(2 * element) & 0xFFFF;
            case 4:
                return kind == 'i' ? from.getInt(4 * element) : from.getInt(4 * element) & 0xFFFFFFFFL;
            default:
                return from.getLong(8 * element);
        }
    }

    void putWhole(ByteBuffer to, int element, long value) {
        switch (bytes) {
            case 1:
                to.put(element, (byte) value);
                break;
            case 2:
                to.putShort(2 * element, (short) value);
                break;
            case 4:
                to.putInt(4 * element, (int) value);
                break;
            default:
                to.putLong(8 * element, value);
        }
    }

    static String spelled(String dtype, long[] shape) {
        return dtype + " " + Arrays.toString(shape);
    }
}
