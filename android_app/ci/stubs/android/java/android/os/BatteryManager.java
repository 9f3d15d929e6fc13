package android.os;

/** Signatures alone, to compile against; held against the published API by ci/api_check.py. */
public class BatteryManager {
    public static int BATTERY_PROPERTY_CHARGE_COUNTER;

    public static String EXTRA_VOLTAGE;

    public static String EXTRA_PLUGGED;

    public long getLongProperty(int id) {
        throw new RuntimeException("stub");
    }
}
