package android.os;

import android.Phone;

/** Pretended. */
public class Process {
    public static final int THREAD_PRIORITY_DEFAULT = 0;

    public static void setThreadPriority(int priority) {
        Phone.priority = priority;
    }

    public static int getThreadPriority(int thread) {
        return Phone.priority;
    }

    public static int myTid() {
        return 1;
    }

    public static int myPid() {
        return 1;
    }

    public static void killProcess(int pid) {
        Phone.SAID.add("killed");
    }
}
