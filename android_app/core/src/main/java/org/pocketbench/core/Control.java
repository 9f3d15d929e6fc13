package org.pocketbench.core;

/** Ends a run from outside: between two samples, when it was cancelled or its deadline is over. */
public final class Control {
    private volatile String reason;

    /** The first reason stays. */
    public void stop(String why) {
        if (reason == null) {
            reason = why;
        }
    }

    public boolean stopped() {
        return reason != null;
    }

    void check() throws Refused {
        String why = reason;
        if (why != null) {
            throw new Refused(why);
        }
    }
}
