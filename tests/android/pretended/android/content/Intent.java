package android.content;

import android.Phone;

/** Pretended: the battery's state, or which page is meant. */
public class Intent {
    public static final int FLAG_ACTIVITY_NEW_TASK = 1;
    public static final String ACTION_BATTERY_CHANGED = "battery";
    final Class<?> target;

    public Intent(Context context, Class<?> target) {
        this.target = target;
    }

    public Intent addFlags(int flags) {
        return this;
    }

    public int getIntExtra(String name, int otherwise) {
        return name.equals("voltage") ? Phone.millivolts : Phone.plugged;
    }
}
