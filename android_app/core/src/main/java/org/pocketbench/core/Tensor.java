package org.pocketbench.core;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** The elements of one sample, row-major and little-endian, in a buffer that belongs to it. */
public final class Tensor {
    public final Dtype dtype;
    public final long[] shape;
    public final ByteBuffer data;

    public Tensor(Dtype dtype, long[] shape) {
        this(dtype, shape, ByteBuffer.allocateDirect(Math.multiplyExact(elements(shape), dtype.bytes)));
    }

    /** data: all of it, from 0 to its capacity. */
    public Tensor(Dtype dtype, long[] shape, ByteBuffer data) {
        this.dtype = dtype;
        this.shape = shape.clone();
        this.data = data.order(ByteOrder.LITTLE_ENDIAN);
        if (data.capacity() != elements(shape) * (long) dtype.bytes) {
            throw new IllegalArgumentException(spelled() + " in " + data.capacity() + " bytes");
        }
    }

    public int count() {
        return elements(shape);
    }

    public String spelled() {
        return Dtype.spelled(dtype.title(), shape);
    }

    public double real(int element) {
        return dtype.real(data, element);
    }

    public boolean sameBytes(Tensor other) {
        return whole().equals(other.whole());
    }

    /** Everything, to be read from its start; the same bytes, a position of its own. */
    public ByteBuffer whole() {
        ByteBuffer view = data.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        view.clear();
        return view;
    }

    static int elements(long[] shape) {
        long found = 1;
        for (long n : shape) {
            found = Math.multiplyExact(found, n);
        }
        return Math.toIntExact(found);
    }
}
