package org.pocketbench.host;

import java.nio.ByteBuffer;

/** The shim over libexecutorch.so; every call may throw a RuntimeException with what the library said. */
final class ExecuTorch {
    static {
        Native.load("executorch");
    }

    private ExecuTorch() {}

    /** Size the process's thread pool before the first build is loaded; the threads it then has. */
    static native int threads(int wanted);

    static native long create(String path);

    static native void feed(long build, int input, ByteBuffer bytes, long[] shape);

    static native void run(long build);

    /** Of an output of the last run. */
    static native long[] shape(long build, int output);

    static native void read(long build, int output, ByteBuffer bytes);

    static native void destroy(long build);

    /** Load a library of kernels, which registers them; "" or why it cannot be. */
    static native String kernels(String path);
}
