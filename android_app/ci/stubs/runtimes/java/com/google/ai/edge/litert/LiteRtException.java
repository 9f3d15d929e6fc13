package com.google.ai.edge.litert;

/** Signatures alone, to compile against; the real class comes with the runtime that the flavour names. */
public class LiteRtException extends Exception {
    private static final long serialVersionUID = 1L;
}
