package org.pocketbench.host;

import org.pocketbench.core.EngineRuntime;
import org.pocketbench.core.Engines;
import org.pocketbench.core.Refused;
import org.pocketbench.core.Request;

/** The two runtimes inside the PyPI wheels. */
final class HostEngines implements Engines {
    @Override
    public EngineRuntime start(String runtime, Request.Timing timing) throws Refused {
        if (!timing.accelerator.equals("cpu")) {
            throw new Refused("this machine's runtimes have no " + timing.accelerator, "measure it on a phone");
        }
        try {
            return runtime.equals("tflite")
                    ? new LiteRtRuntime(timing.numThreads)
                    : new ExecuTorchRuntime(timing.numThreads);
        } catch (LinkageError error) {
            throw new Refused("the " + runtime + " runtime cannot be loaded: " + Refused.oneLine(error),
                    "build the shims: python -m android_app.ci.jvm");
        }
    }
}
