package org.pocketbench.app;

import android.content.Context;
import android.content.Intent;
import android.content.IntentFilter;
import android.os.BatteryManager;
import org.pocketbench.core.EnergyCounter;

/** The fuel gauge: microampere-hours left, which a phone moves every few seconds or minutes. */
final class BatteryCounter implements EnergyCounter {
    private final Context context;
    private final BatteryManager battery;

    BatteryCounter(Context context) {
        this.context = context;
        battery = (BatteryManager) context.getSystemService(Context.BATTERY_SERVICE);
    }

    /** Phones without the counter answer with the smallest number, or with 0. */
    boolean isThere() {
        return read() > 0;
    }

    @Override
    public String source() {
        return "the phone's fuel gauge (BATTERY_PROPERTY_CHARGE_COUNTER)";
    }

    @Override
    public String kind() {
        return "charge_uah";
    }

    @Override
    public double read() {
        long left = battery.getLongProperty(BatteryManager.BATTERY_PROPERTY_CHARGE_COUNTER);
        return left == Long.MIN_VALUE ? Double.NaN : left;
    }

    @Override
    public double volts() {
        Intent state = state();
        int millivolts = state == null ? 0 : state.getIntExtra(BatteryManager.EXTRA_VOLTAGE, 0);
        return millivolts > 0 ? millivolts / 1000.0 : Double.NaN;
    }

    @Override
    public boolean charging() {
        Intent state = state();
        return state == null || state.getIntExtra(BatteryManager.EXTRA_PLUGGED, 0) != 0;
    }

    @Override
    public Double quantum() {
        return null;
    }

    @Override
    public Double refreshSecs() {
        return null;
    }

    /** What was broadcast last; no receiver is left behind. */
    private Intent state() {
        return context.registerReceiver(null, new IntentFilter(Intent.ACTION_BATTERY_CHANGED));
    }
}
