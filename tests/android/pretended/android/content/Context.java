package android.content;

import android.Phone;
import android.app.KeyguardManager;
import android.content.pm.ApplicationInfo;
import android.os.BatteryManager;
import android.os.PowerManager;
import java.io.File;

/** Pretended. */
public class Context {
    public static final String POWER_SERVICE = "power";
    public static final String BATTERY_SERVICE = "battery";
    public static final String KEYGUARD_SERVICE = "keyguard";
    private final ApplicationInfo info = new ApplicationInfo();

    public Object getSystemService(String name) {
        return name.equals("power") ? new PowerManager() : name.equals("battery") ? new BatteryManager()
                : new KeyguardManager();
    }

    /** The page comes to the front at once. */
    public void startActivity(Intent intent) {
        try {
            Object activity = intent.target.getDeclaredConstructor().newInstance();
            for (String step : new String[] {"onCreate", "onResume"}) {
                Class<?>[] takes = step.equals("onCreate") ? new Class<?>[] {android.os.Bundle.class} : new Class<?>[0];
                java.lang.reflect.Method method = intent.target.getDeclaredMethod(step, takes);
                method.setAccessible(true);
                method.invoke(activity, new Object[takes.length]);
            }
        } catch (ReflectiveOperationException error) {
            throw new IllegalStateException(error);
        }
    }

    public File[] getExternalMediaDirs() {
        return new File[] {Phone.media};
    }

    public ApplicationInfo getApplicationInfo() {
        return info;
    }

    public String getPackageName() {
        return "org.pocketbench.app.litert";
    }

    public Intent registerReceiver(BroadcastReceiver receiver, IntentFilter filter) {
        return new Intent(this, null);
    }
}
