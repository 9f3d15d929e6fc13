package org.pocketbench.app;

import org.pocketbench.core.EngineRuntime;
import org.pocketbench.core.Engines;
import org.pocketbench.core.Refused;
import org.pocketbench.core.Request;

/** ExecuTorch. What a build runs on was settled when it was lowered; this app must have the backend for it. */
final class FlavourEngines implements Engines {
    @Override
    public EngineRuntime start(String runtime, Request.Timing timing) throws Refused {
        if (!runtime.equals("executorch")) {
            throw new Refused(
                    "this app has ExecuTorch, not " + runtime, "install the app of the other runtime as well");
        }
        return new ExecuTorchRuntime(timing);
    }
}
