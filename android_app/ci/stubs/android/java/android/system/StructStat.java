package android.system;

/** Signatures alone, to compile against; held against the published API by ci/api_check.py. */
public final class StructStat {
    public int st_uid;

    public int st_mode;
}
