package org.pocketbench.host;

import java.nio.ByteBuffer;

/** The shim over libLiteRt.so; every call may throw a RuntimeException with what the library said. */
final class LiteRt {
    static {
        Native.load("litert");
    }

    private LiteRt() {}

    /** Load the library, so that no build pays for it. */
    static native void touch();

    /** A build, or an exception; shapes: for the inputs that need one to be set, null for others. */
    static native long create(String path, int threads, long[][] shapes);

    /** Whether XNNPACK took every operator. */
    static native boolean fully(long build);

    /** Of an output. */
    static native long[] shape(long build, int output);

    static native void feed(long build, int input, ByteBuffer bytes);

    static native void run(long build);

    static native void read(long build, int output, ByteBuffer bytes);

    static native void destroy(long build);
}
