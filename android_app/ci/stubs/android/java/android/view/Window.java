package android.view;

/** Signatures alone, to compile against; held against the published API by ci/api_check.py. */
public abstract class Window {
    public void addFlags(int flags) {
        throw new RuntimeException("stub");
    }

    public void setSustainedPerformanceMode(boolean enable) {
        throw new RuntimeException("stub");
    }
}
