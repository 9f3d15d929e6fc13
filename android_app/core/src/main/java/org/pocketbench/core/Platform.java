package org.pocketbench.core;

import java.util.Map;

/** What only the platform can tell or do; every value it has not is left out. */
public interface Platform {
    /** Give back what is free, so that a build cannot hide in it. */
    void freeMemory();

    /** Collections of garbage since the process started, -1 where nobody counts them. */
    long garbageCollections();

    /** A counter of energy, null for none. */
    EnergyCounter energy();

    /** Between two blocks, never while one is timed: the time to look at temperatures and the like. */
    void blockEnded();

    /** What was seen, for the response. */
    Map<String, String> facts();
}
