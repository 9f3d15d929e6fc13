package android.os;

import android.Phone;

/** Pretended. */
public class PowerManager {
    public boolean isInteractive() {
        return Phone.interactive;
    }

    public boolean isSustainedPerformanceModeSupported() {
        return Phone.sustainedSupported;
    }

    public int getCurrentThermalStatus() {
        return Phone.thermalStatus;
    }

    public float getThermalHeadroom(int secs) {
        Phone.headroomAsked++;
        return Phone.headroom;
    }
}
