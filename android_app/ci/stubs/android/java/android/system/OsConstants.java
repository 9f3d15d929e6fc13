package android.system;

/** Signatures alone, to compile against; held against the published API by ci/api_check.py. */
public final class OsConstants {
    public static boolean S_ISREG(int mode) {
        throw new RuntimeException("stub");
    }

    public static boolean S_ISDIR(int mode) {
        throw new RuntimeException("stub");
    }
}
