package android.os;

/** Signatures alone, to compile against; held against the published API by ci/api_check.py. */
public class Process {
    public static int THREAD_PRIORITY_DEFAULT;

    public static int getThreadPriority(int thread) {
        throw new RuntimeException("stub");
    }

    public static void setThreadPriority(int priority) {
        throw new RuntimeException("stub");
    }

    public static int myTid() {
        throw new RuntimeException("stub");
    }

    public static int myPid() {
        throw new RuntimeException("stub");
    }

    public static void killProcess(int pid) {
        throw new RuntimeException("stub");
    }
}
