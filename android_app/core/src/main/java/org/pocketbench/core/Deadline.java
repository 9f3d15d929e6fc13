package org.pocketbench.core;

import java.io.File;

/**
 * A thread that stops a run: when its time is over, or when the file that means "cancel" is there. A native call that
 * does not come back for GRACE_SECS more ends the process, as told by `last`.
 */
public final class Deadline extends Thread {
    private static final long LOOK_MS = 500;
    private static final double GRACE_SECS = 20;

    private final Control control;
    private final double secs;
    private final File cancel;
    private final Runnable last;
    private final double graceSecs;
    private volatile boolean over;

    public Deadline(Control control, double secs, File cancel, Runnable last) {
        this(control, secs, cancel, last, GRACE_SECS);
    }

    Deadline(Control control, double secs, File cancel, Runnable last, double graceSecs) {
        super("pocketbench-deadline");
        setDaemon(true);
        this.control = control;
        this.secs = secs;
        this.cancel = cancel;
        this.last = last;
        this.graceSecs = graceSecs;
    }

    /** The run is over; nothing is stopped any more. */
    public void end() {
        over = true;
        interrupt();
    }

    @Override
    public void run() {
        long start = System.nanoTime();
        double stoppedAt = Double.NaN;
        while (!over) {
            double passed = (System.nanoTime() - start) / 1e9;
            if (passed > secs) {
                control.stop("the deadline of " + secs + " s is over");
            } else if (cancel.exists()) {
                control.stop("the run was cancelled");
            }
            if (control.stopped()) {
                stoppedAt = Double.isNaN(stoppedAt) ? passed : stoppedAt;
                if (passed - stoppedAt > graceSecs) {
                    last.run();
                    return;
                }
            }
            try {
                Thread.sleep(LOOK_MS);
            } catch (InterruptedException end) {
                return;
            }
        }
    }
}
