package android.util;

/** Signatures alone, to compile against; held against the published API by ci/api_check.py. */
public final class Log {
    public static int i(String tag, String msg) {
        throw new RuntimeException("stub");
    }

    public static int e(String tag, String msg) {
        throw new RuntimeException("stub");
    }
}
