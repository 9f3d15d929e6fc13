package com.google.ai.edge.litert;

/** Signatures alone, to compile against; the real class comes with the runtime that the flavour names. */
public abstract class JniHandle implements AutoCloseable {
    public final void close() {
        throw new RuntimeException("stub");
    }
}
