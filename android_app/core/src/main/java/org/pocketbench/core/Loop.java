package org.pocketbench.core;

import java.util.Collections;
import java.util.List;

/** How one build is timed: sizing, warm-up until steady, blocks. The twin of device_runners/loop.py. */
final class Loop {
    static final long SHORT_CALL_NS = 100_000; // below it the probe's own cost shows: several calls are one sample
    static final long SAMPLE_NS = 1_250_000; // aimed at for those, so that a sample stays above a millisecond
    private static final int SIZING_CALLS = 5;

    /** Says whether a build may be called again without being fed, which several calls in one sample need. */
    interface Repeatable {
        boolean ask() throws Refused;
    }

    private final Stopwatch stopwatch;
    private final Clock clock;
    private final Invoke invoke;
    private final Request.Timing timing;
    private final Control control;
    private final boolean tellsWait;
    private List<Runnable> feeds;
    private int turn;
    private long timedNs;

    long callsPerSample = 1;
    boolean cutShort;
    boolean steady;

    /** feed: hands the build its next input, outside of what is timed. */
    Loop(Stopwatch stopwatch, Clock clock, Invoke invoke, Runnable feed, Request.Timing timing, Control control) {
        this.stopwatch = stopwatch;
        this.clock = clock;
        this.invoke = invoke;
        this.timing = timing;
        this.control = control;
        // The wait of this thread says nothing about the threads that it waits for.
        tellsWait = timing.numThreads == 1 && stopwatch.tellsWait();
        rotate(Collections.singletonList(feed));
    }

    /** The inputs that take turns from here on. */
    void rotate(List<Runnable> inputs) {
        feeds = inputs;
        turn = 0;
    }

    /** The first call, into lastWallNs and lastWaitNs. */
    void first() throws Refused {
        sample(1);
    }

    long lastWallNs() {
        return stopwatch.wallNs;
    }

    long lastWaitNs() {
        return tellsWait ? stopwatch.waitNs : 0;
    }

    /** What max_secs leaves for further blocks. */
    long leftNs() {
        return (long) (timing.maxSecs * 1e9) - timedNs;
    }

    /** Settle how many calls are one sample; a slow first call needs no more than itself to know. */
    void size(long firstNs, Repeatable repeatable) throws Refused {
        long shortest = firstNs;
        for (int i = 0; i < SIZING_CALLS; i++) {
            if (shortest > 20 * SHORT_CALL_NS) {
                return;
            }
            shortest = Math.min(shortest, sample(1));
        }
        if (shortest < SHORT_CALL_NS && repeatable.ask()) {
            for (int i = 0; i < 2; i++) { // single short calls are timed too long: look again with many
                callsPerSample = ceil(SAMPLE_NS, Math.max(shortest, 1));
                shortest = sample(callsPerSample) / callsPerSample;
            }
        }
    }

    /** Every call of the warm-up; `steady` says whether the rule was met in its time. None where none is asked for. */
    Block warmUp() throws Refused {
        Samples samples = new Samples();
        steady = false;
        if (timing.warmupRuns > 0 || timing.warmupMinSecs > 0) {
            Steadiness rule = new Steadiness(timing.warmupMaxSecs);
            long start = clock.nanos();
            boolean agreed = false;
            for (double spent = 0; spent < timing.warmupMaxSecs; spent = (clock.nanos() - start) / 1e9) {
                long calls = samples.count() * callsPerSample;
                if (agreed && calls >= timing.warmupRuns && spent >= timing.warmupMinSecs) {
                    steady = true;
                    break;
                }
                agreed = rule.add(add(samples));
            }
        }
        return samples.ended(tellsWait, callsPerSample, null, null);
    }

    /**
     * At least `calls` calls and minSecs, but no longer than `share` of max_secs and what is left of it. Only the first
     * block has a sample in any case; one that finds no time left is empty.
     */
    Block block(long calls, double minSecs, double share) throws Refused {
        long wanted = ceil(calls, callsPerSample);
        Samples samples = new Samples();
        long canary = stopwatch.canaryNs();
        long start = clock.nanos();
        long now = start;
        long end = start + Math.min(leftNs(), (long) (share * timing.maxSecs * 1e9));
        while (samples.count() < wanted || now - start < minSecs * 1e9) {
            if (now >= end && (samples.count() > 0 || timedNs > 0)) {
                cutShort = true;
                break;
            }
            add(samples);
            now = clock.nanos();
        }
        timedNs += now - start;
        return samples.ended(tellsWait, callsPerSample, canary, start);
    }

    /** One more sample; its duration outside the run queue. */
    private long add(Samples samples) throws Refused {
        long onCpuNs = sample(callsPerSample);
        samples.add(lastWallNs(), lastWaitNs());
        return onCpuNs;
    }

    private long sample(long calls) throws Refused {
        control.check();
        feeds.get(turn).run();
        turn = turn + 1 == feeds.size() ? 0 : turn + 1;
        stopwatch.time(invoke, calls);
        return lastWallNs() - lastWaitNs();
    }

    private static long ceil(long whole, long part) {
        return (whole + part - 1) / part;
    }
}
