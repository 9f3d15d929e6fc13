package android.os;

/** Signatures alone, to compile against; held against the published API by ci/api_check.py. */
public class Build {
    /** See Build. */
    public static class VERSION {
        public static int SDK_INT;
    }
}
