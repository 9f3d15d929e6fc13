package android.content;

/** Signatures alone, to compile against; held against the published API by ci/api_check.py. */
public class IntentFilter {
    public IntentFilter(String action) {
        throw new RuntimeException("stub");
    }
}
