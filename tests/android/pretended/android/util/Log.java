package android.util;

import android.Phone;

/** Pretended. */
public final class Log {
    private Log() {}

    public static int i(String tag, String text) {
        return e(tag, text);
    }

    public static int e(String tag, String text) {
        Phone.SAID.add(tag + ": " + text);
        return 0;
    }
}
