package org.pocketbench.core;

/** The worker's end of the paced protocol; see device_runners/wire.py. */
public interface Channel {
    String READY = "ready";
    String GO = "go";
    String DONE = "done";
    String FINISH = "finish";
    String FAILED = "failed";

    void say(String line);

    /** GO or FINISH, which is also the end of the other side; Refused for anything else. */
    String hear() throws Refused;
}
