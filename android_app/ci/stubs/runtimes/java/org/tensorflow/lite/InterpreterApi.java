package org.tensorflow.lite;

/** Signatures alone, to compile against; the real class comes with the runtime that the flavour names. */
public interface InterpreterApi {
    /** See InterpreterApi. */
    class Options {}
}
