package android.app;

/** Signatures alone, to compile against; held against the published API by ci/api_check.py. */
public class KeyguardManager {
    public boolean isKeyguardSecure() {
        throw new RuntimeException("stub");
    }

    public void requestDismissKeyguard(Activity activity, KeyguardDismissCallback callback) {
        throw new RuntimeException("stub");
    }

    /** See KeyguardManager. */
    public abstract static class KeyguardDismissCallback {}
}
