package android.os;

/** Signatures alone, to compile against; held against the published API by ci/api_check.py. */
public final class PowerManager {
    public boolean isInteractive() {
        throw new RuntimeException("stub");
    }

    public boolean isSustainedPerformanceModeSupported() {
        throw new RuntimeException("stub");
    }

    public int getCurrentThermalStatus() {
        throw new RuntimeException("stub");
    }

    public float getThermalHeadroom(int forecastSeconds) {
        throw new RuntimeException("stub");
    }
}
