package android.os;

/** Signatures alone, to compile against; held against the published API by ci/api_check.py. */
public final class Debug {
    public static String getRuntimeStat(String statName) {
        throw new RuntimeException("stub");
    }
}
