package android.system;

/** Signatures alone, to compile against; held against the published API by ci/api_check.py. */
public final class Os {
    public static StructStat lstat(String path) throws ErrnoException {
        throw new RuntimeException("stub");
    }
}
