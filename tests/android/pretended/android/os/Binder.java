package android.os;

import android.Phone;

/** Pretended. */
public class Binder {
    public static int getCallingUid() {
        return Phone.caller;
    }
}
