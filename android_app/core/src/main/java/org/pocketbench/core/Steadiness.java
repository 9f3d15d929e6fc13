package org.pocketbench.core;

import java.util.Arrays;

/**
 * The warm-up rule, fed with one duration after the other: a fast and a slow moving average of the running median agree
 * within 4 % for more than 40 samples. See device_runners/loop.py, its twin.
 */
final class Steadiness {
    private static final double FAST = 0.1;
    private static final double SLOW = 0.005;
    private static final double AGREE = 0.04;
    private static final int NEEDED = 40;
    private static final int NEEDED_AT_LEAST = 5;
    private static final int MEDIAN_OF = 5;

    private final double allowedNs;
    private final double[] recent = new double[MEDIAN_OF];
    private final double[] sorted = new double[MEDIAN_OF];
    private long added;
    private double fast;
    private double slow;
    private double fastLeft = 1; // (1 - FAST) to the number of values seen, which corrects the start at 0
    private double slowLeft = 1;
    private long agreed;

    Steadiness(double allowedSecs) {
        allowedNs = allowedSecs * 1e9;
    }

    /** Whether the rule is met now. */
    boolean add(double durationNs) {
        recent[(int) (added++ % MEDIAN_OF)] = durationNs;
        if (added < MEDIAN_OF) {
            return false;
        }
        System.arraycopy(recent, 0, sorted, 0, MEDIAN_OF);
        Arrays.sort(sorted);
        double value = sorted[MEDIAN_OF / 2];
        fast += FAST * (value - fast);
        slow += SLOW * (value - slow);
        fastLeft *= 1 - FAST;
        slowLeft *= 1 - SLOW;
        double now = fast / (1 - fastLeft);
        double lately = slow / (1 - slowLeft);
        agreed = Math.abs(now - lately) <= AGREE * lately ? agreed + 1 : 0;
        return agreed > Math.min(NEEDED, Math.max(NEEDED_AT_LEAST, allowedNs / 2 / Math.max(value, 1.0)));
    }
}
