package android.content;

/** Signatures alone, to compile against; held against the published API by ci/api_check.py. */
public class Intent {
    public static int FLAG_ACTIVITY_NEW_TASK;

    public static String ACTION_BATTERY_CHANGED;

    public Intent(Context packageContext, Class<?> cls) {
        throw new RuntimeException("stub");
    }

    public Intent addFlags(int flags) {
        throw new RuntimeException("stub");
    }

    public int getIntExtra(String name, int defaultValue) {
        throw new RuntimeException("stub");
    }
}
