package org.pocketbench.core;

import java.io.File;
import java.util.List;
import java.util.Map;

/** A runtime that was started and told how to run builds. */
public interface EngineRuntime {
    /** shapes: of the inputs to come, for builds with dynamic dimensions. Refused: what the runtime would not have. */
    Engine load(File file, List<long[]> shapes) throws Refused;

    /** Name, version, threads. */
    Map<String, String> facts();
}
