package android.content;

import android.content.pm.ApplicationInfo;
import java.io.File;

/** Signatures alone, to compile against; held against the published API by ci/api_check.py. */
public abstract class Context {
    public static String POWER_SERVICE;

    public static String BATTERY_SERVICE;

    public static String KEYGUARD_SERVICE;

    public abstract Object getSystemService(String name);

    public abstract void startActivity(Intent intent);

    public abstract File[] getExternalMediaDirs();

    public abstract ApplicationInfo getApplicationInfo();

    public abstract String getPackageName();

    public abstract Intent registerReceiver(BroadcastReceiver receiver, IntentFilter filter);
}
