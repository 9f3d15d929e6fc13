package org.pocketbench.app;

import org.pocketbench.core.EngineRuntime;
import org.pocketbench.core.Engines;
import org.pocketbench.core.Refused;
import org.pocketbench.core.Request;

/** LiteRT: the interpreter for the CPU, the compiled model for GPU and NPU. */
final class FlavourEngines implements Engines {
    @Override
    public EngineRuntime start(String runtime, Request.Timing timing) throws Refused {
        if (!runtime.equals("tflite")) {
            throw new Refused("this app has LiteRT, not " + runtime, "install the app of the other runtime as well");
        }
        return timing.accelerator.equals("cpu")
                ? new InterpreterRuntime(timing.numThreads)
                : new CompiledRuntime(timing.accelerator, timing.numThreads);
    }
}
