package android.os;

import android.Phone;

/** Pretended. */
public class BatteryManager {
    public static final int BATTERY_PROPERTY_CHARGE_COUNTER = 1;
    public static final String EXTRA_VOLTAGE = "voltage";
    public static final String EXTRA_PLUGGED = "plugged";

    public long getLongProperty(int id) {
        return Phone.charge;
    }
}
