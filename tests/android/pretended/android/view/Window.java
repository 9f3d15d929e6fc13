package android.view;

import android.Phone;

/** Pretended. */
public class Window {
    public void addFlags(int flags) {
        Phone.windowFlags |= flags;
    }

    public void setSustainedPerformanceMode(boolean on) {
        Phone.SAID.add("sustained " + on);
    }
}
