package android.os;

import java.util.LinkedHashMap;
import java.util.Map;

/** Pretended. */
public class Bundle {
    public final Map<String, String> all = new LinkedHashMap<>();

    public String getString(String key) {
        return all.get(key);
    }

    public void putString(String key, String value) {
        all.put(key, value);
    }
}
