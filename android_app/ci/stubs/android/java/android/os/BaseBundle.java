package android.os;

/** Signatures alone, to compile against; held against the published API by ci/api_check.py. */
public class BaseBundle {
    BaseBundle() {
        throw new RuntimeException("stub");
    }

    public String getString(String key) {
        throw new RuntimeException("stub");
    }

    public void putString(String key, String value) {
        throw new RuntimeException("stub");
    }
}
