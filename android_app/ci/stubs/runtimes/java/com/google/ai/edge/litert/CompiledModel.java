package com.google.ai.edge.litert;

import java.util.List;

/** Signatures alone, to compile against; the real class comes with the runtime that the flavour names. */
public final class CompiledModel extends JniHandle {
    private CompiledModel() {
        throw new RuntimeException("stub");
    }

    public static CompiledModel create(String filePath, Options options) throws LiteRtException {
        throw new RuntimeException("stub");
    }

    public List<TensorBuffer> createInputBuffers() throws LiteRtException {
        throw new RuntimeException("stub");
    }

    public List<TensorBuffer> createOutputBuffers() throws LiteRtException {
        throw new RuntimeException("stub");
    }

    public void run(List<TensorBuffer> inputs, List<TensorBuffer> outputs) throws LiteRtException {
        throw new RuntimeException("stub");
    }

    /** See CompiledModel. */
    public static final class Options {
        public Options(Accelerator... accelerators) {
            throw new RuntimeException("stub");
        }

        public void setCpuOptions(CpuOptions options) {
            throw new RuntimeException("stub");
        }
    }

    /** See CompiledModel. */
    public static final class CpuOptions {
        public CpuOptions(Integer numThreads, Integer xnnPackFlags, String xnnPackWeightCachePath) {
            throw new RuntimeException("stub");
        }
    }
}
