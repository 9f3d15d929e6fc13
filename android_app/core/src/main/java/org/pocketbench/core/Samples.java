package org.pocketbench.core;

import java.util.Arrays;

/** A block that grows: plain longs side by side, so that the samples do not grow the memory that is measured. */
final class Samples {
    private long[] wallNs = new long[1024];
    private long[] waitNs = new long[1024];
    private int count;

    int count() {
        return count;
    }

    void add(long wall, long wait) {
        if (count == wallNs.length) {
            wallNs = Arrays.copyOf(wallNs, 2 * count);
            waitNs = Arrays.copyOf(waitNs, 2 * count);
        }
        wallNs[count] = wall;
        waitNs[count++] = wait;
    }

    Block ended(boolean tellsWait, long callsPerSample, Long canaryNs, Long startNs) {
        long[] waits = tellsWait ? Arrays.copyOf(waitNs, count) : new long[0];
        return new Block(Arrays.copyOf(wallNs, count), waits, callsPerSample, canaryNs, startNs);
    }
}
