package org.pocketbench.core;

/** Nanoseconds on a clock that only grows. */
public interface Clock {
    /** The device's own, CLOCK_MONOTONIC. */
    Clock SYSTEM = System::nanoTime;

    long nanos();
}
