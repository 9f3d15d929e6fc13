package org.pocketbench.core;

import java.io.Closeable;
import java.io.IOException;
import java.util.Arrays;

/**
 * One timed sample: what passed on the wall, and how much of it the thread only waited for a processor. The twin of
 * device_runners/stopwatch.py, which says why it is done in this order:
 *
 * <pre>    clock  read  clock  CALL  clock  read  clock</pre>
 *
 * The inner pair is the wall time; a preemption beside the call shows in the outer pair and is taken off the wait.
 */
public final class Stopwatch implements Closeable {
    private static final int CALIBRATION = 401;
    private static final int WARM = 8000; // calls until the machine code of `time` is the one that stays
    private static final int CANARY_STEPS = 20_000;
    private static final int CANARY_REPEATS = 5;

    private final Clock clock;
    private final RunQueue queue;
    private long canary = 1;

    /** Cost of the inner clock pair alone, subtracted from every sample. */
    public long probeNs;

    private long readingNs;

    /** Of the last sample. */
    public long wallNs;

    public long waitNs;

    /** queue: null where the system does not tell. To be used by the thread that made the queue, and closed. */
    public Stopwatch(Clock clock, RunQueue queue) {
        this.clock = clock;
        this.queue = queue;
        calibrate();
    }

    public boolean tellsWait() {
        return queue != null;
    }

    /** `calls` calls, into wallNs and waitNs. */
    public void time(Invoke invoke, long calls) {
        if (queue == null) {
            wallNs = inner(invoke, calls);
            waitNs = 0;
            return;
        }
        long start = clock.nanos();
        long before = waited();
        long wall = inner(invoke, calls);
        long after = waited();
        long besideNs = clock.nanos() - start - wall - probeNs - readingNs;
        wallNs = wall;
        waitNs = within(wall, after - before, besideNs);
    }

    /** How much of a wait was within the wall time, when the time around it was longer than usual by besideNs. */
    static long within(long wallNs, long waitedNs, long besideNs) {
        long inside = besideNs > waitedNs / 2 ? waitedNs - besideNs : waitedNs; // less is reading from cold caches
        return Math.min(Math.max(0, inside), wallNs);
    }

    /** A fixed chain of integer steps, best of a few: when it takes longer, the clock of the processor fell. */
    public long canaryNs() {
        long best = Long.MAX_VALUE;
        for (int i = 0; i < CANARY_REPEATS; i++) {
            best = Math.min(best, chainNs());
        }
        return best;
    }

    private long chainNs() {
        long start = clock.nanos();
        long value = canary;
        for (int i = 0; i < CANARY_STEPS; i++) {
            value = (value * 1103515245L + 12345L) & 0x7FFFFFFFL;
        }
        canary = value; // so that nobody finds out that the steps are for nothing
        return clock.nanos() - start;
    }

    private long inner(Invoke invoke, long calls) {
        long start = clock.nanos();
        for (long i = 0; i < calls; i++) {
            invoke.invoke();
        }
        return Math.max(0, clock.nanos() - start - probeNs);
    }

    private long waited() {
        try {
            return queue.waitedNs();
        } catch (IOException error) {
            throw new IllegalStateException("schedstat was there and is not any more", error);
        }
    }

    /** The typical cost of the inner clock pair, and of all that stands around it; all code was compiled before. */
    private void calibrate() {
        Invoke nothing = () -> {};
        for (int i = 0; i < WARM; i++) {
            time(nothing, 1);
        }
        for (int i = 0; i < 20; i++) {
            canaryNs();
        }
        probeNs = readingNs = 0;
        long[] clocks = new long[CALIBRATION];
        long[] around = new long[CALIBRATION];
        for (int i = 0; i < CALIBRATION; i++) {
            long start = clock.nanos();
            if (queue != null) {
                waited();
            }
            long innerStart = clock.nanos();
            long innerEnd = clock.nanos();
            if (queue != null) {
                waited();
            }
            clocks[i] = innerEnd - innerStart;
            around[i] = clock.nanos() - start - clocks[i];
        }
        Arrays.sort(clocks);
        Arrays.sort(around);
        probeNs = clocks[CALIBRATION / 2];
        readingNs = around[CALIBRATION / 2];
    }

    @Override
    public void close() throws IOException {
        if (queue != null) {
            queue.close();
        }
    }
}
