package android.os;

/** Signatures alone, to compile against; held against the published API by ci/api_check.py. */
public class Process {
    public static int myPid() {
        throw new RuntimeException("stub");
    }

    public static void killProcess(int pid) {
        throw new RuntimeException("stub");
    }
}
