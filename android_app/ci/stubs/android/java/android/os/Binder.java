package android.os;

/** Signatures alone, to compile against; held against the published API by ci/api_check.py. */
public class Binder {
    public static int getCallingUid() {
        throw new RuntimeException("stub");
    }
}
