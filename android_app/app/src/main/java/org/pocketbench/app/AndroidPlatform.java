package org.pocketbench.app;

import android.content.Context;
import android.content.pm.ApplicationInfo;
import android.os.Build;
import android.os.Debug;
import android.os.PowerManager;
import android.os.Process;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.pocketbench.core.EnergyCounter;
import org.pocketbench.core.Linux;
import org.pocketbench.core.Platform;

/** What Android tells an app about the run: its rank, its heat, its battery. What a phone does not tell is left out. */
final class AndroidPlatform implements Platform {
    private static final long HEADROOM_EVERY_NS = 1_000_000_000L; // asked more often, Android answers NaN

    private final Context context;
    private final PowerManager power;
    private final BatteryCounter battery;
    private final StringBuilder headroom = new StringBuilder();
    private final StringBuilder charge = new StringBuilder();
    private final Map<String, String> facts = new LinkedHashMap<>();
    private int worstStatus = -1;
    private boolean alwaysOnTop;
    private long askedNs;

    AndroidPlatform(Context context) {
        this.context = context;
        power = (PowerManager) context.getSystemService(Context.POWER_SERVICE);
        battery = new BatteryCounter(context);
    }

    /** onTop: whether the activity came to the front. */
    void begin(boolean onTop) {
        alwaysOnTop = onTop && power.isInteractive();
        boolean debuggable = (context.getApplicationInfo().flags & ApplicationInfo.FLAG_DEBUGGABLE) != 0;
        facts.put("worker", "app " + context.getPackageName() + " " + BuildConfig.VERSION_NAME);
        facts.put("debuggable", Boolean.toString(debuggable));
        facts.put("cpuset", Linux.textOf("/proc/self/cpuset"));
        facts.put("thread_priority", Integer.toString(Process.getThreadPriority(Process.myTid())));
        facts.put("android_sdk", Integer.toString(Build.VERSION.SDK_INT));
        askHeat();
    }

    @Override
    public void freeMemory() {
        Runtime.getRuntime().gc();
        System.runFinalization();
        Runtime.getRuntime().gc();
    }

    @Override
    public long garbageCollections() {
        String count = Debug.getRuntimeStat("art.gc.gc-count");
        return count == null || !count.matches("[0-9]+") ? -1 : Long.parseLong(count);
    }

    @Override
    public EnergyCounter energy() {
        return battery.isThere() ? battery : null;
    }

    @Override
    public void blockEnded() {
        alwaysOnTop &= BenchActivity.isOnTop() && power.isInteractive();
        if (System.nanoTime() - askedNs >= HEADROOM_EVERY_NS) {
            askHeat();
        }
    }

    @Override
    public Map<String, String> facts() {
        facts.put("on_top_throughout", Boolean.toString(alwaysOnTop));
        facts.put("sustained_performance", Boolean.toString(BenchActivity.isSustained()));
        facts.put("thermal_headroom", headroom.toString().trim());
        facts.put("thermal_status_during", worstStatus < 0 ? "" : Integer.toString(worstStatus));
        facts.put("battery_charge_uah", charge.toString().trim());
        facts.values().removeIf(String::isEmpty);
        return facts;
    }

    /** Of now, added to what was seen before. */
    private void askHeat() {
        askedNs = System.nanoTime();
        if (Build.VERSION.SDK_INT >= 29) {
            worstStatus = Math.max(worstStatus, power.getCurrentThermalStatus());
        }
        if (Build.VERSION.SDK_INT >= 30) {
            float share = power.getThermalHeadroom(0);
            if (!Float.isNaN(share)) {
                headroom.append(String.format(Locale.ROOT, " %.3f", share));
            }
        }
        if (battery.isThere()) {
            charge.append(String.format(Locale.ROOT, " %.0f", battery.read()));
        }
    }
}
