package android.os;

/** Signatures alone, to compile against; held against the published API by ci/api_check.py. */
public final class Bundle extends BaseBundle {
    public Bundle() {
        throw new RuntimeException("stub");
    }
}
