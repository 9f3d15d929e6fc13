package org.pocketbench.core;

/** Where the worker says what it is doing; if the process dies, the last line tells in which stage. */
public interface Log {
    void say(String line);
}
