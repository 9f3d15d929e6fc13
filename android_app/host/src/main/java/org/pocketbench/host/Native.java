package org.pocketbench.host;

import java.io.File;

/** What Java cannot do about its own process; and where the shims lie. */
final class Native {
    static {
        load("process");
    }

    private Native() {}

    /** Load a shim out of the folder that the property pocketbench.native names; UnsatisfiedLinkError otherwise. */
    static void load(String name) {
        File folder = new File(System.getProperty("pocketbench.native", "."));
        System.load(new File(folder, "libpocketbench_" + name + ".so").getAbsolutePath());
    }

    /** Give freed memory back to the system. */
    static native void trim();

    /** Whoever prints from here on prints to the log; the descriptor that was standard output. */
    static native int takeStandardOutput();

    /** All of it; false when nobody reads any more. */
    static native boolean write(int descriptor, byte[] bytes);

    /** End at once, without unloading anything. */
    static native void exit(int code);
}
