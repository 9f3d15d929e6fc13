package com.google.ai.edge.litert;

/** Signatures alone, to compile against; the real class comes with the runtime that the flavour names. */
public enum Accelerator {
    NONE,
    CPU,
    GPU,
    NPU;
}
