package android.content;

/** Pretended. */
public class IntentFilter {
    public IntentFilter(String action) {}
}
