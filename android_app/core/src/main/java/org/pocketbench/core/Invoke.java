package org.pocketbench.core;

/** The call that is timed, and nothing else; a runtime that fails throws a RuntimeException. */
public interface Invoke {
    void invoke();
}
