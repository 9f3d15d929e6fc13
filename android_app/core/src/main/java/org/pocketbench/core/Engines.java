package org.pocketbench.core;

/** The runtimes that this program has. */
public interface Engines {
    /** runtime: tflite or executorch. Refused where it is not here, or has not the accelerator that is asked for. */
    EngineRuntime start(String runtime, Request.Timing timing) throws Refused;
}
