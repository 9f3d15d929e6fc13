package org.tensorflow.lite;

import java.io.File;

/** Signatures alone, to compile against; the real class comes with the runtime that the flavour names. */
public final class Interpreter extends InterpreterImpl {
    public Interpreter(File modelFile, Options options) {
        throw new RuntimeException("stub");
    }

    public void resetVariableTensors() {
        throw new RuntimeException("stub");
    }

    /** See Interpreter. */
    public static class Options {
        public Options() {}

        public Options setNumThreads(int numThreads) {
            throw new RuntimeException("stub");
        }

        public Options setUseXNNPACK(boolean useXNNPACK) {
            throw new RuntimeException("stub");
        }
    }
}
