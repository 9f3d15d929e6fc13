package org.pocketbench.core;

import java.util.LinkedHashMap;
import java.util.Map;

/** Timed calls that followed each other; one entry per sample, a sample is callsPerSample calls. null: not known. */
public final class Block {
    public final long[] wallNs;
    public final long[] waitNs;
    public final long callsPerSample;
    public final Long canaryNs;
    public final Long startNs;

    Block(long[] wallNs, long[] waitNs, long callsPerSample, Long canaryNs, Long startNs) {
        this.wallNs = wallNs;
        this.waitNs = waitNs;
        this.callsPerSample = callsPerSample;
        this.canaryNs = canaryNs;
        this.startNs = startNs;
    }

    /** At most so many samples, evenly spaced over the block; all of them for 0. */
    Block thinned(long most) {
        int count = wallNs.length;
        if (most == 0 || count <= most) {
            return this;
        }
        int kept = (int) most;
        long[] wall = new long[kept];
        long[] wait = new long[waitNs.length == 0 ? 0 : kept];
        for (int i = 0; i < kept; i++) {
            int place = (int) ((long) i * count / most);
            wall[i] = wallNs[place];
            if (wait.length > 0) {
                wait[i] = waitNs[place];
            }
        }
        return new Block(wall, wait, callsPerSample, canaryNs, startNs);
    }

    Map<String, Object> toJson() {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("wall_ns", wallNs);
        json.put("wait_ns", waitNs);
        json.put("calls_per_sample", callsPerSample);
        json.put("canary_ns", canaryNs);
        json.put("start_ns", startNs);
        return json;
    }
}
