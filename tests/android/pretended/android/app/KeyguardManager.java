package android.app;

import android.Phone;

/** Pretended. */
public class KeyguardManager {
    public boolean isKeyguardSecure() {
        return Phone.secureLock;
    }

    public void requestDismissKeyguard(Activity activity, Object callback) {
        Phone.lockDismissed = true;
    }
}
