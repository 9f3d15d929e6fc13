package org.pocketbench.core;

/** IEEE 754 half precision, rounded to the nearest and halves to even, as numpy does. */
final class Half {
    private static final double SMALLEST = 0x1p-24;
    private static final double LARGEST = 65520.0; // from here on the nearest is infinity

    private Half() {}

    static float toFloat(short bits) {
        int exponent = (bits >> 10) & 0x1F;
        int mantissa = bits & 0x3FF;
        double size;
        if (exponent == 0x1F) {
            size = mantissa == 0 ? Double.POSITIVE_INFINITY : Double.NaN;
        } else if (exponent == 0) {
            size = mantissa * SMALLEST;
        } else {
            size = (1024 + mantissa) * Math.scalb(1.0, exponent - 25);
        }
        return (float) (bits < 0 ? -size : size);
    }

    static short of(double value) {
        int sign = Double.doubleToRawLongBits(value) < 0 ? 0x8000 : 0;
        double size = Math.abs(value);
        if (Double.isNaN(value)) {
            return (short) (sign | 0x7E00);
        }
        if (size >= LARGEST) {
            return (short) (sign | 0x7C00);
        }
        int exponent = Math.max(Math.getExponent(size), -14);
        long steps = (long) Math.rint(size / Math.scalb(1.0, exponent - 10)); // 2048: up to the next exponent
        return (short) (sign | (int) (steps + ((long) (exponent + 14) << 10)));
    }
}
